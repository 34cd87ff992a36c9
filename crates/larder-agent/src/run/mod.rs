//! Runs the jobs of a config on this machine: announced to the server, their steps run by shells in
//! folders of their own, their output and files kept, their ends reported.

mod cache;
mod cache_key;
mod checkout;
mod context;
mod core_dumps;
mod core_file;
mod crash;
mod environment;
mod event;
mod facts;
mod folders;
mod journal;
mod mask;
mod node;
mod options;
mod output;
mod past;
mod places;
mod processes;
pub mod sandbox;
pub mod shim;
mod step;
mod store;
mod test_results;
mod tree;
mod unfinished;
mod variables;
mod workflow;
mod workspace;

pub use environment::{parse_env_file, parse_variable};
pub use event::{
    BuildSummary, Event, JobSummary, NodeSummary, RunSummary, StepResult, WorkflowSummary,
};
pub use facts::{BuildFacts, default_project};
pub use options::{Isolation, RunOptions};
pub use unfinished::Unfinished;

use crate::error::{Error, Result};
use crate::plan::{Plan, Workflow, plan};
use crate::server::Server;
use event::Events;
use folders::{Mode, NodeFolders, RunFolder};
use journal::{Header, Journal, NodePlace, PastNode, Progress, Record};
use larder_protocol::{AnnouncedBuild, AnnouncedJob};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Runs all jobs that are meant to their ends and says what came of them; `on_event` hears of
/// everything while it happens, from several threads.
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
/// A job that fails is a result ([`RunSummary::exit_code`]), not an error. Errors are: a config
/// that cannot be run, options that cannot be followed, a server that cannot be reached or says
/// no, and an operating system that does not do what is needed. Whatever happens, every job that
/// was announced is ended on the server, unless that cannot be reached: then the run is left as it
/// is ([`Error::Suspended`]), and so it is when this process is killed. [`resume`] takes it up.
pub async fn run(
    options: RunOptions,
    on_event: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> Result<RunSummary> {
    let workflows = plan(&options.config_name, &options.config, &options.selection())?;
    run_planned(options, workflows, on_event).await
}

/// As [`run`], with workflows that were planned before; the config of the options is not read.
pub async fn run_planned(
    options: RunOptions,
    workflows: Vec<Workflow>,
    on_event: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> Result<RunSummary> {
    let scratch = options.scratch.clone();
    let swept = tokio::task::spawn_blocking(move || unfinished::sweep(scratch.as_deref()));
    let prepared = prepare(options, workflows, on_event).await?;
    let (options, mode) = (&prepared.options, prepared.mode);
    let folder = RunFolder::create(options.scratch.as_deref(), mode)?;
    let what = format!(
        "write the journal of the run in {}",
        folder.path().display()
    );
    let journal = Journal::create(folder.path()).map_err(Error::io(what))?;
    journal.note(&Record::Run(Box::new(Header::new(options, mode))));
    let summary = prepared.run(folder, journal, Progress::default()).await;
    // Nothing depends on it, but it should not go on when all is said.
    let _ = swept.await;
    summary
}

/// Takes up a run that broke off: the same builds and jobs; steps that had ended are not run again,
/// and the ones that were under way begin anew in the folders in which they were. The options are
/// those of [`Unfinished::options`].
///
/// Further errors are: a job that the server has ended meanwhile, and folders that this system no
/// longer gives in the way in which the run began.
pub async fn resume(
    unfinished: Unfinished,
    options: RunOptions,
    on_event: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> Result<RunSummary> {
    let workflows = plan(&options.config_name, &options.config, &options.selection())?;
    let prepared = prepare(options, workflows, on_event).await?;
    let header = &unfinished.past.header;
    if prepared.mode != header.mode {
        let message = "the run began with a mount namespace for each node, which this system does \
                       not give any more: resume it where it began, or begin anew with `larder run`";
        return Err(Error::Usage(message.to_owned()));
    }
    unfinished.wait_for_steps().await?;
    let went_on = unfinished.journal.go_on_after(&unfinished.past);
    went_on.map_err(Error::io("go on with the run's journal"))?;
    let folder = RunFolder::of_unfinished(unfinished.folder, header.mode);
    let mut prepared = prepared;
    prepared.began_at.clone_from(&header.server_url);
    prepared
        .run(folder, unfinished.journal, unfinished.past.progress)
        .await
}

/// A run of which everything is known but its folder.
struct Prepared {
    options: RunOptions,
    workflows: Vec<Workflow>,
    events: Events,
    server: Server,
    mode: Mode,
    /// The server's address, unless the run began at another one.
    began_at: String,
}

async fn prepare(
    mut options: RunOptions,
    workflows: Vec<Workflow>,
    on_event: impl Fn(Event<'_>) + Send + Sync + 'static,
) -> Result<Prepared> {
    processes::hide_own_environment();
    check_project(&options.project)?;
    let workflows = with_nodes(&options, workflows)?;
    let events: Events = Arc::new(on_event);
    for notice in notices(&workflows) {
        events(Event::Notice { text: notice });
    }
    // What breaks the run off must not cancel what the caller does besides.
    options.cancel = options.cancel.child_token();
    let server = Server::new(&options.server)?;
    let mode = choose_mode(&options, &events).await?;
    Ok(Prepared {
        began_at: options.server.url.clone(),
        options,
        workflows,
        events,
        server,
        mode,
    })
}

impl Prepared {
    async fn run(
        self,
        folder: RunFolder,
        journal: Journal,
        progress: Progress,
    ) -> Result<RunSummary> {
        let workplace = Workplace {
            options: self.options,
            server: self.server,
            folder,
            journal,
            progress,
            began_at: self.began_at,
            suspended: CancellationToken::new(),
            events: self.events,
        };
        workflow::run_all(Arc::new(workplace), self.workflows).await
    }
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

/// What all jobs of a run share.
pub(crate) struct Workplace {
    pub(crate) options: RunOptions,
    pub(crate) server: Server,
    pub(crate) folder: RunFolder,
    /// Dropped after the folder is gone or left to be taken up: it holds the lock.
    journal: Journal,
    /// How far the run had come when it broke off.
    progress: Progress,
    /// Address of the server at the run's beginning.
    began_at: String,
    /// Set when the run has to stop where it is and can be taken up again.
    suspended: CancellationToken,
    pub(crate) events: Events,
}

impl Workplace {
    /// Whether this run broke off before.
    fn is_resumed(&self) -> bool {
        !self.progress.builds.is_empty()
    }

    /// Whether the answer is that of a server that is away: then the run stops where it is. One
    /// that is being broken off goes on with that.
    fn suspends<T>(&self, answer: &Result<T>) -> bool {
        let is_away = matches!(answer, Err(Error::Unreachable { .. }));
        if is_away && !self.options.cancel.is_cancelled() {
            self.folder.keep(true);
            self.suspended.cancel();
        }
        is_away && self.suspended.is_cancelled()
    }
}

/// What all nodes of a job share.
pub(crate) struct Run {
    workplace: Arc<Workplace>,
    pub(crate) plan: Plan,
    pub(crate) build: Arc<AnnouncedBuild>,
    /// By index.
    pub(crate) nodes: Vec<AnnouncedJob>,
    /// Among all jobs of the run.
    pub(crate) place: usize,
    /// Places of the jobs whose workspaces this one sees, in the order in which they are laid down.
    pub(crate) upstream: Vec<usize>,
    /// Those of the node 0, made ahead.
    first_folders: Mutex<Option<NodeFolders>>,
}

impl std::ops::Deref for Run {
    type Target = Workplace;

    fn deref(&self) -> &Workplace {
        &self.workplace
    }
}

impl Run {
    /// What one of its nodes had done when the run broke off.
    fn past_of(&self, index: u32) -> PastNode {
        let node = NodePlace(self.place, index);
        self.progress.nodes.get(&node).cloned().unwrap_or_default()
    }

    /// The folders of the node; each node takes its own once.
    fn take_folders(&self, index: u32) -> Result<NodeFolders> {
        let first = self
            .first_folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|_| index == 0);
        match first {
            Some(folders) => Ok(folders),
            None => make_folders(&self.workplace, self.place, index, &self.plan),
        }
    }
}

fn make_folders(at: &Workplace, place: usize, index: u32, plan: &Plan) -> Result<NodeFolders> {
    let options = &at.options;
    NodeFolders::create(
        &at.folder,
        &format!("{place}-{index}"),
        plan,
        &options.source,
        &options.caller_environment,
    )
}

/// Those that have jobs, with the nodes that are asked for.
fn with_nodes(options: &RunOptions, mut workflows: Vec<Workflow>) -> Result<Vec<Workflow>> {
    workflows.retain(|workflow| !workflow.jobs.is_empty());
    if workflows.is_empty() {
        let message = format!(
            "{}: nothing to run: no workflow has a job for this branch or tag; name a job with --job",
            options.config_name
        );
        return Err(Error::Usage(message));
    }
    for job in workflows.iter_mut().flat_map(|workflow| &mut workflow.jobs) {
        job.plan.parallelism = options.parallelism.unwrap_or(job.plan.parallelism).max(1);
    }
    Ok(workflows)
}

/// Each once: several jobs of a workflow may have the same to say.
fn notices(workflows: &[Workflow]) -> Vec<&str> {
    let mut said = BTreeSet::new();
    workflows
        .iter()
        .flat_map(|workflow| {
            let of_jobs = workflow.jobs.iter().flat_map(|job| &job.plan.notices);
            workflow.notices.iter().chain(of_jobs)
        })
        .map(String::as_str)
        .filter(|notice| said.insert(*notice))
        .collect()
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
