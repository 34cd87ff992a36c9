//! What a run is to do, in the words of its caller.

use crate::artifacts::FILE_BYTES_MAX;
use crate::plan::Selection;
use crate::run::facts::BuildFacts;
use crate::server::ServerAddress;
use std::ffi::OsString;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

/// Bytes of all caches of a project, after which the oldest ones go.
const CACHE_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;

/// What `larder run` is to do. [`RunOptions::new`] fills in what most callers want.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct RunOptions {
    /// Name of the config for messages: its path, or `-`.
    pub config_name: String,
    /// Text of the config.
    pub config: String,
    /// Only this job, by itself.
    pub job: Option<String>,
    /// Only this workflow; otherwise every one whose conditions hold.
    pub workflow: Option<String>,
    /// Values of the config's own `parameters`.
    pub parameters: Vec<(String, String)>,
    /// Project as `vcs/organization/name`, such as `github/acme/demo`.
    pub project: String,
    /// Where artifacts are kept, with a token that may announce builds in the project.
    pub server: ServerAddress,
    /// Whether that is a store of the source folder, served for this run: a run that is taken up
    /// finds it at another address.
    pub is_local_store: bool,
    /// Folder that `checkout` copies.
    pub source: PathBuf,
    /// What is built, for the server and the `CIRCLE_*` variables.
    pub facts: BuildFacts,
    /// Variables given by the user (`-e`, `--env-file`); they win over the built-in ones and lose
    /// against those of the config.
    pub variables: Vec<(String, String)>,
    /// The whole environment of the caller (`std::env::vars_os()`), of which steps see a few
    /// harmless variables.
    pub caller_environment: Vec<(OsString, OsString)>,
    /// A program that calls [`super::sandbox::enter`] when its first argument is
    /// [`super::sandbox::SUBCOMMAND`]: usually `std::env::current_exe()`.
    pub sandbox_program: PathBuf,
    /// In what kind of folders the jobs run.
    pub isolation: Isolation,
    /// Folder in which the run's folders are made, outside of `/tmp`; `/var/tmp` if none is given.
    pub scratch: Option<PathBuf>,
    /// Folder in which `save_cache` keeps what `restore_cache` finds, with a folder for each
    /// project; without one these steps do nothing but say so.
    pub caches: Option<PathBuf>,
    /// Bytes of all caches of a project, after which the oldest ones are removed.
    pub cache_bytes_max: u64,
    /// How many jobs run side by side, each with all its nodes; as many as the machine has cores if
    /// nothing is said. Where they share folders of the machine, all nodes of all jobs run one after
    /// the other.
    pub jobs_max: Option<usize>,
    /// How many nodes each job has, instead of what the config says.
    pub parallelism: Option<u32>,
    /// Keeps the core files of crashed steps as artifacts `core-dumps/STEP/…`, without a step in the
    /// config, and raises the steps' limit for core files as far as the machine allows.
    pub core_dumps: bool,
    /// Keeps `.git` and well-known credential files too.
    pub include_all: bool,
    /// Keeps files that hold the values of the job's secret variables too.
    pub allow_secrets: bool,
    /// Larger files are refused by name.
    pub file_bytes_max: u64,
    /// Ends the run early; its jobs end as `canceled`. See [`super::cancel_on_signals`].
    pub cancel: CancellationToken,
}

/// In what kind of folders a job runs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Isolation {
    /// An empty `/tmp` and home for each node, by a mount namespace; where the system refuses one,
    /// as [`Isolation::RunFolder`], with a notice.
    #[default]
    Automatic,
    /// No namespace: an empty home, and `TMPDIR` beside it; `/tmp` is the machine's own.
    RunFolder,
    /// The machine as it is: the user's own home and `/tmp`.
    Host,
}

impl RunOptions {
    /// The usual choices: everything that the config's workflows run, no variables, automatic
    /// isolation, no caches, the documented limit of 3 GB for a file; everything else is given.
    pub fn new(
        config_name: impl Into<String>,
        config: impl Into<String>,
        project: impl Into<String>,
        server: ServerAddress,
        source: impl Into<PathBuf>,
        sandbox_program: impl Into<PathBuf>,
    ) -> Self {
        Self {
            config_name: config_name.into(),
            config: config.into(),
            job: None,
            workflow: None,
            parameters: Vec::new(),
            project: project.into(),
            server,
            is_local_store: false,
            source: source.into(),
            facts: BuildFacts::default(),
            variables: Vec::new(),
            caller_environment: Vec::new(),
            sandbox_program: sandbox_program.into(),
            isolation: Isolation::default(),
            scratch: None,
            caches: None,
            cache_bytes_max: CACHE_BYTES_MAX,
            jobs_max: None,
            parallelism: None,
            core_dumps: false,
            include_all: false,
            allow_secrets: false,
            file_bytes_max: FILE_BYTES_MAX,
            cancel: CancellationToken::new(),
        }
    }

    /// What of the config is meant.
    pub(super) fn selection(&self) -> Selection {
        let facts = &self.facts;
        Selection {
            job: self.job.clone(),
            workflow: self.workflow.clone(),
            parameters: self.parameters.clone(),
            project: Some(self.project.clone()),
            branch: facts.branch.clone(),
            tag: facts.tag.clone(),
            revision: facts.revision.clone(),
            repository_url: facts.repository_url.clone(),
        }
    }
}
