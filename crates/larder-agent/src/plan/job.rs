//! One job, ready to run: every choice that the config leaves open has been made.

use std::time::Duration;

/// One job of a config.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of the job.
    pub job: String,
    /// How many nodes run it side by side, from 1 to 64.
    pub parallelism: u32,
    /// As written; `~` and relative paths are resolved when the job runs.
    pub working_directory: String,
    /// The shell with its options; `None` means the default one.
    pub shell: Option<String>,
    /// Variables of the job, in the order in which later ones win.
    pub environment: Vec<(String, String)>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// What the config asks for and does not get here, one sentence each.
    pub notices: Vec<String>,
}

/// A step of a job.
#[derive(Clone, Debug)]
pub struct Step {
    /// Name for people.
    pub name: String,
    /// On what condition it runs.
    pub when: When,
    /// What it does.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// Puts the local tree into the working directory.
    Checkout(Checkout),
    /// Runs a command.
    Run(Run),
    /// Keeps files.
    StoreArtifacts(StoreArtifacts),
    /// Reads test results and keeps them with the job.
    StoreTestResults(StoreTestResults),
    /// Puts folders into the cache of this machine under a key.
    SaveCache(SaveCache),
    /// Puts the folders of the first cache that fits back.
    RestoreCache(RestoreCache),
    /// Passes files on to later jobs of the same workflow run.
    PersistToWorkspace(PersistToWorkspace),
    /// Lays down what earlier jobs of the same workflow run passed on.
    AttachWorkspace(AttachWorkspace),
    /// A kind that is not run here: it is named and skipped.
    Unknown(String),
}

/// `checkout`
#[derive(Clone, Debug)]
pub struct Checkout {
    /// Folder, relative to the working directory.
    pub path: String,
}

/// `run`
#[derive(Clone, Debug)]
pub struct Run {
    /// Text for the shell.
    pub command: String,
    /// Another shell than the job's.
    pub shell: Option<String>,
    /// Variables of this step alone.
    pub environment: Vec<(String, String)>,
    /// Relative to the job's, or absolute.
    pub working_directory: Option<String>,
    /// How long it may be silent.
    pub no_output_timeout: Duration,
    /// Started and not waited for; it ends with the job.
    pub background: bool,
}

/// `store_artifacts`
#[derive(Clone, Debug)]
pub struct StoreArtifacts {
    /// As written: no globs and no variables, `~` means the home folder.
    pub path: String,
    /// As written.
    pub destination: Option<String>,
}

/// `store_test_results`
#[derive(Clone, Debug)]
pub struct StoreTestResults {
    /// A file or a folder of JUnit XML, as written; `~` means the home folder.
    pub path: String,
}

/// `save_cache`
#[derive(Clone, Debug)]
pub struct SaveCache {
    /// With its templates (`{{ checksum "f" }}`, `{{ .Branch }}` …), which the run fills in.
    pub key: String,
    /// Files and folders, as written; `~` means the home folder.
    pub paths: Vec<String>,
}

/// `restore_cache`
#[derive(Clone, Debug)]
pub struct RestoreCache {
    /// Keys with their templates, the best first; each fits every cache whose key begins with it.
    pub keys: Vec<String>,
}

/// `persist_to_workspace`
#[derive(Clone, Debug)]
pub struct PersistToWorkspace {
    /// Folder, absolute or relative to the working directory.
    pub root: String,
    /// Files, folders and globs below `root`.
    pub paths: Vec<String>,
}

/// `attach_workspace`
#[derive(Clone, Debug)]
pub struct AttachWorkspace {
    /// Folder, absolute or relative to the working directory.
    pub at: String,
}

/// On what condition a step runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// No step before it failed.
    OnSuccess,
    /// A step before it failed.
    OnFail,
    /// Either way.
    Always,
}

impl When {
    /// Whether a step with this condition runs, given whether one before it failed.
    pub fn holds(self, failed: bool) -> bool {
        match self {
            Self::OnSuccess => !failed,
            Self::OnFail => failed,
            Self::Always => true,
        }
    }
}
