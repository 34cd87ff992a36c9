//! What the steps of a node share: the job that they belong to, where they run, and what they have found.

use super::Run;
use super::environment::Environment;
use super::event::{Event, StepResult};
use super::folders::{Mode, NodeFolders};
use super::output::Output;
use crate::artifacts::{Secrets, StoredFile};
use crate::error::Result;
use crate::plan::{Step, StepKind};
use crate::server::Server;
use larder_protocol::{AnnouncedJob, StepReport, StepState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The server hears this often of a job that prints nothing.
pub(super) const HEARTBEAT: Duration = Duration::from_mins(1);

/// A step without a name is called by its whole command; lists need only the start of that.
const NAME_BYTES_MAX: usize = 500;
/// Longer commands are reported up to here; the server takes 64 KiB.
const COMMAND_BYTES_MAX: usize = 60_000;

/// What a node's steps share.
pub(super) struct Context {
    pub(super) run: Arc<Run>,
    /// With the token of this node's job.
    pub(super) server: Server,
    pub(super) folders: NodeFolders,
    pub(super) environment: Environment,
    pub(super) secrets: Secrets,
    pub(super) place: usize,
    pub(super) found: Mutex<Found>,
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) artifacts: Vec<StoredFile>,
    pub(super) warnings: Vec<String>,
    pub(super) problems: Vec<String>,
}

impl Context {
    pub(super) fn job(&self) -> &AnnouncedJob {
        &self.run.build.jobs[self.place]
    }

    pub(super) fn index(&self) -> u32 {
        self.job().index
    }

    pub(super) fn uses_namespace(&self) -> bool {
        self.run.folder.mode() == Mode::Namespace
    }

    pub(super) fn warn(&self, warning: String) {
        self.found().warnings.push(warning);
    }

    pub(super) fn add_problem(&self, problem: String) {
        self.found().problems.push(problem);
    }

    pub(super) fn add_artifact(&self, file: StoredFile) {
        self.found().artifacts.push(file);
    }

    /// Tells the server that the step runs, first and again while it does.
    pub(super) async fn say_running(&self, seq: u32) -> Result<()> {
        let result = StepResult {
            seq,
            name: self.step_name(seq),
            state: StepState::Running,
            exit_status: None,
            duration: Duration::ZERO,
        };
        self.report(&result).await
    }

    async fn report(&self, result: &StepResult) -> Result<()> {
        let command = match self.step(result.seq).map(|step| &step.kind) {
            Some(StepKind::Run(run)) => Some(start_of(&run.command, COMMAND_BYTES_MAX)),
            _ => None,
        };
        let report = StepReport {
            name: start_of(&result.name, NAME_BYTES_MAX),
            command,
            state: result.state,
            exit_status: result.exit_status,
        };
        self.server
            .report_step(&self.job().id, result.seq, &report)
            .await
    }

    /// Tells server and user what came of a step.
    pub(super) async fn say_ended(&self, result: &StepResult) -> Result<()> {
        self.report(result).await?;
        (self.run.events)(Event::StepFinished {
            node: self.index(),
            step: result,
        });
        Ok(())
    }

    fn step(&self, seq: u32) -> Option<&Step> {
        self.run.plan.steps.get(seq as usize)
    }

    /// The one step that is in no config is the sweep at the end.
    pub(super) fn step_name(&self, seq: u32) -> String {
        self.step(seq)
            .map_or("Uploading $CIRCLE_ARTIFACTS".to_owned(), |step| {
                step.name.clone()
            })
    }

    pub(super) fn output(&self, seq: u32) -> Output {
        let events = self.run.events.clone();
        Output::open(
            self.server.clone(),
            self.job().id.clone(),
            self.index(),
            seq,
            events,
        )
    }

    pub(super) fn found(&self) -> MutexGuard<'_, Found> {
        // Lists of what was found stay true if a thread that held them panicked.
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_of(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}
