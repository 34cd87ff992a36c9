//! Runs one job of a config on this machine: announced to the server, its steps run by shells in
//! folders of their own, its output and files kept, its end reported.

mod checkout;
mod context;
mod core_dumps;
mod core_file;
mod environment;
mod event;
mod facts;
mod folders;
mod node;
mod output;
mod processes;
pub mod sandbox;
mod step;
mod store;

pub use environment::{parse_env_file, parse_variable};
pub use event::{BuildSummary, Event, JobSummary, NodeSummary, StepResult};
pub use facts::{BuildFacts, default_project};

use crate::artifacts::FILE_BYTES_MAX;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::server::{Server, ServerAddress};
use event::Events;
use folders::{Mode, NodeFolders, RunFolder};
use larder_protocol::{AnnounceBuild, AnnounceJob, AnnouncedBuild, FinishJob, JobState};
use node::Node;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What `larder run` is to do. [`RunOptions::new`] fills in what most callers want.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Name of the config for messages: its path, or `-`.
    pub config_name: String,
    /// Text of the config.
    pub config: String,
    /// Job to run; `build` if none is named.
    pub job: Option<String>,
    /// Project as `vcs/organization/name`, such as `github/acme/demo`.
    pub project: String,
    /// Where artifacts are kept, with a token that may announce builds in the project.
    pub server: ServerAddress,
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
    /// A program that calls [`sandbox::enter`] when its first argument is [`sandbox::SUBCOMMAND`]:
    /// usually `std::env::current_exe()`.
    pub sandbox_program: PathBuf,
    /// In what kind of folders the job runs.
    pub isolation: Isolation,
    /// Folder in which the run's folders are made, outside of `/tmp`; `/var/tmp` if none is given.
    pub scratch: Option<PathBuf>,
    /// How many nodes run side by side, instead of what the config says.
    pub parallelism: Option<u32>,
    /// Keeps `.git` and well-known credential files too.
    pub include_all: bool,
    /// Keeps files that hold the values of the job's secret variables too.
    pub allow_secrets: bool,
    /// Larger files are refused by name.
    pub file_bytes_max: u64,
    /// Ends the run early; its jobs end as `canceled`. See [`cancel_on_signals`].
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
    /// The usual choices: job `build`, no variables, automatic isolation, the documented limit of
    /// 3 GB for a file; everything else is given.
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
            project: project.into(),
            server,
            source: source.into(),
            facts: BuildFacts::default(),
            variables: Vec::new(),
            caller_environment: Vec::new(),
            sandbox_program: sandbox_program.into(),
            isolation: Isolation::default(),
            scratch: None,
            parallelism: None,
            include_all: false,
            allow_secrets: false,
            file_bytes_max: FILE_BYTES_MAX,
            cancel: CancellationToken::new(),
        }
    }
}

/// Runs a job to its end and says what came of it; `on_event` hears of everything while it
/// happens, from several threads.
///
/// ```no_run
/// # async fn example(token: String, config: String) -> larder_agent::Result<()> {
/// use larder_agent::run::{Event, RunOptions, cancel_on_signals, run};
/// use larder_agent::server::ServerAddress;
///
/// let server = ServerAddress { url: "http://127.0.0.1:7878".into(), token, ca_pem: None };
/// let program = std::env::current_exe().expect("this program has a path");
/// let mut options = RunOptions::new("config.yml", config, "local/me/demo", server, ".", program);
/// options.caller_environment = std::env::vars_os().collect();
/// options.cancel = cancel_on_signals().expect("signals can be listened to");
/// let summary = run(options, |event| {
///     if let Event::Output { bytes, .. } = event {
///         print!("{}", String::from_utf8_lossy(bytes));
///     }
/// })
/// .await?;
/// std::process::exit(summary.exit_code().into());
/// # }
/// ```
///
/// A job that fails is a result ([`JobSummary::exit_code`]), not an error. Errors are: a config
/// that cannot be run, options that cannot be followed, a server that cannot be reached or says
/// no, and an operating system that does not do what is needed.
pub async fn run(
    options: RunOptions,
    on_event: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> Result<JobSummary> {
    let mut plan = Plan::parse(
        &options.config_name,
        &options.config,
        options.job.as_deref(),
    )?;
    plan.parallelism = options.parallelism.unwrap_or(plan.parallelism).max(1);
    check_project(&options.project)?;
    let events: Events = Arc::new(on_event);
    for notice in &plan.notices {
        events(Event::Notice { text: notice });
    }
    let server = Server::new(&options.server)?;
    let mode = choose_mode(&options, &events).await?;
    let folder = RunFolder::create(options.scratch.as_deref(), mode)?;
    // What is wrong with the folders is known before the server hears of the build.
    let first = NodeFolders::create(
        &folder,
        0,
        &plan,
        &options.source,
        &options.caller_environment,
    )?;
    let first_folders = Mutex::new(Some(first));
    let build = announce(&server, &options, &plan).await?;
    let run = Arc::new(Run {
        plan,
        options,
        build,
        server,
        first_folders,
        folder,
        events,
    });
    run.events.as_ref()(Event::Announced { build: &run.build });
    let nodes = run_nodes(&run).await?;
    let build = BuildSummary {
        id: run.build.id.clone(),
        number: run.build.number,
        url: run.build.url.clone(),
    };
    Ok(JobSummary {
        job: run.plan.job.clone(),
        build,
        nodes,
    })
}

/// A token that is cancelled by Ctrl-C, SIGTERM or SIGHUP: for [`RunOptions::cancel`].
pub fn cancel_on_signals() -> std::io::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let token = CancellationToken::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let (mut signals, token) = (signal(kind)?, token.clone());
        tokio::spawn(async move {
            signals.recv().await;
            token.cancel();
        });
    }
    Ok(token)
}

/// What all nodes of a run share.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) options: RunOptions,
    pub(crate) build: AnnouncedBuild,
    pub(crate) server: Server,
    /// Those of the node 0, made ahead.
    first_folders: Mutex<Option<NodeFolders>>,
    pub(crate) folder: RunFolder,
    pub(crate) events: Events,
}

impl Run {
    /// The folders of the node; each node takes its own once.
    fn take_folders(&self, index: u32) -> Result<NodeFolders> {
        let first = self
            .first_folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|_| index == 0);
        if let Some(folders) = first {
            return Ok(folders);
        }
        let options = &self.options;
        NodeFolders::create(
            &self.folder,
            index,
            &self.plan,
            &options.source,
            &options.caller_environment,
        )
    }
}

/// A namespace for each node if the system gives one.
async fn choose_mode(options: &RunOptions, events: &Events) -> Result<Mode> {
    match options.isolation {
        Isolation::Host => Ok(Mode::Host),
        Isolation::RunFolder => Ok(Mode::RunFolder),
        Isolation::Automatic => match processes::try_namespace(&options.sandbox_program).await? {
            Ok(()) => Ok(Mode::Namespace),
            Err(reason) => {
                let text = format!(
                    "This system gives no mount namespace ({reason}): HOME and TMPDIR are in the run's \
                     own folder, and /tmp is the machine's.",
                );
                events(Event::Notice { text: &text });
                Ok(Mode::RunFolder)
            }
        },
    }
}

async fn announce(server: &Server, options: &RunOptions, plan: &Plan) -> Result<AnnouncedBuild> {
    let facts = &options.facts;
    let job = AnnounceJob {
        name: plan.job.clone(),
        parallelism: plan.parallelism,
        queued: false,
    };
    let request = AnnounceBuild {
        branch: facts.branch.clone(),
        revision: facts.revision.clone(),
        tag: facts.tag.clone(),
        message: facts.message.clone(),
        jobs: vec![job],
        ..AnnounceBuild::default()
    };
    let mut build = server.announce_build(&options.project, &request).await?;
    build.jobs.sort_by_key(|job| job.index);
    if build.jobs.len() != plan.parallelism as usize {
        let reason = format!("{} jobs for {} nodes", build.jobs.len(), plan.parallelism);
        return Err(Error::Damaged {
            what: "announce a build".to_owned(),
            reason,
        });
    }
    Ok(build)
}

/// Side by side; one after the other where they would share folders of the machine.
async fn run_nodes(run: &Arc<Run>) -> Result<Vec<NodeSummary>> {
    let places = 0..run.build.jobs.len();
    if run.folder.mode() != Mode::Namespace {
        let mut nodes = Vec::new();
        for place in places {
            nodes.push(run_node(run.clone(), place).await?);
        }
        return Ok(nodes);
    }
    // Dropped with this call: then the nodes break off and their processes end.
    let mut tasks: JoinSet<_> = places.map(|place| run_node(run.clone(), place)).collect();
    let mut nodes = Vec::new();
    while let Some(node) = tasks.join_next().await {
        nodes.push(node.map_err(|error| Error::Usage(format!("a node broke off: {error}")))?);
    }
    let mut nodes: Vec<NodeSummary> = nodes.into_iter().collect::<Result<_>>()?;
    nodes.sort_by_key(|node| node.index);
    Ok(nodes)
}

/// A node that cannot go on still ends its job on the server, as far as that is possible.
async fn run_node(run: Arc<Run>, index: usize) -> Result<NodeSummary> {
    let job = &run.build.jobs[index];
    let server = run.server.with_token(&job.token);
    let answer = match Node::prepare(&run, index, server.clone()) {
        Ok(node) => node.run().await,
        Err(error) => Err(error),
    };
    if answer.is_err() {
        let end = FinishJob {
            state: JobState::Failed,
            exit_status: None,
        };
        if let Err(error) = server.finish_job(&job.id, &end).await {
            tracing::warn!(%error, "end the job");
        }
    }
    answer
}

/// `vcs/organization/name`, without anything that would be another path on the server.
fn check_project(project: &str) -> Result<()> {
    let parts: Vec<&str> = project.split('/').collect();
    let is_plain = |part: &&str| {
        !matches!(*part, "" | "." | "..")
            && !part.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    if parts.len() == 3 && parts.iter().all(is_plain) {
        return Ok(());
    }
    let message =
        format!("project {project}: expected VCS/ORGANIZATION/NAME, such as github/acme/demo");
    Err(Error::Usage(message))
}
