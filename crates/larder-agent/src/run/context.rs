//! What the steps of a node share: the job that they belong to, where they run, and what they have found.

use super::Run;
use super::environment::Environment;
use super::event::{Event, StepResult};
use super::folders::{Mode, NodeFolders};
use super::journal::{EndedStep, NodePlace, Record};
use super::mask::Mask;
use super::output::Output;
use super::processes::Leftovers;
use super::shim;
use super::step::Ended;
use crate::artifacts::{Secrets, StoredFile};
use crate::error::Result;
use crate::plan::{Step, StepKind};
use crate::server::Server;
use larder_protocol::{AnnouncedJob, StepReport, StepState};
use std::collections::BTreeMap;
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
    /// What no kept file may hold; empty if the user lifted that.
    pub(super) secrets: Secrets,
    /// Hides the job's secrets in all that is shown and kept of its output.
    pub(super) mask: Mask,
    pub(super) job: AnnouncedJob,
    pub(super) found: Mutex<Found>,
    /// What steps left running.
    pub(super) leftovers: Leftovers,
    /// The steps that the server knows from before the run broke off, with the bytes of output that
    /// it keeps of each.
    pub(super) begun: BTreeMap<u32, u64>,
}

#[derive(Default)]
pub(super) struct Found {
    pub(super) artifacts: Vec<StoredFile>,
    pub(super) warnings: Vec<String>,
    pub(super) problems: Vec<String>,
    /// Reports of test results that were sent.
    pub(super) reports: u32,
    /// So many warnings and problems are in the journal.
    pub(super) noted: (usize, usize),
}

impl Context {
    pub(super) fn job(&self) -> &AnnouncedJob {
        &self.job
    }

    /// Name of the job.
    pub(super) fn name(&self) -> &str {
        &self.run.plan.job
    }

    pub(super) fn index(&self) -> u32 {
        self.job.index
    }

    pub(super) fn uses_namespace(&self) -> bool {
        self.run.folder.mode() == Mode::Namespace
    }

    /// Whether a step has asked for the end of the job.
    pub(super) fn is_halted(&self) -> bool {
        shim::is_halted(&self.folders.own)
    }

    pub(super) fn warn(&self, warning: String) {
        let warning = self.mask.hide(warning);
        self.found().warnings.push(warning);
    }

    /// Unless it was said before the run broke off.
    pub(super) fn warn_once(&self, warning: &str) {
        let mut found = self.found();
        if found.warnings.iter().all(|said| said != warning) {
            found.warnings.push(warning.to_owned());
        }
    }

    pub(super) fn add_problem(&self, problem: String) {
        let problem = self.mask.hide(problem);
        self.found().problems.push(problem);
    }

    /// The number of the next report of test results.
    pub(super) fn next_report(&self) -> u32 {
        let mut found = self.found();
        found.reports += 1;
        found.reports - 1
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

    /// Notes down that a step has ended: it is not run again, whatever happens from here on.
    pub(super) fn note_ended(&self, seq: u32, ended: Ended, duration: Duration) {
        let step = {
            let mut found = self.found();
            let (warnings, problems) = found.noted;
            found.noted = (found.warnings.len(), found.problems.len());
            EndedStep {
                seq,
                state: ended.state,
                exit_status: ended.exit_status,
                millis: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                warnings: found.warnings[warnings..].to_vec(),
                problems: found.problems[problems..].to_vec(),
                reports: found.reports,
            }
        };
        let node = NodePlace(self.run.place, self.index());
        self.run.journal.note(&Record::Step(node, step));
    }

    /// Tells the server where a step is.
    pub(super) async fn report(&self, result: &StepResult) -> Result<()> {
        let command = match self.step(result.seq).map(|step| &step.kind) {
            Some(StepKind::Run(run)) => {
                Some(start_of(&self.mask.text(&run.command), COMMAND_BYTES_MAX))
            }
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
            id: &self.job.id,
            job: self.name(),
            node: self.index(),
            step: result,
        });
        Ok(())
    }

    fn step(&self, seq: u32) -> Option<&Step> {
        self.run.plan.steps.get(seq as usize)
    }

    /// The name without the job's secrets: it may be a whole command. The one step that is in no
    /// config are the sweeps at the end.
    pub(super) fn step_name(&self, seq: u32) -> String {
        match self.step(seq) {
            Some(step) => self.mask.text(&step.name).into_owned(),
            None if seq == self.sweep_seq() => "Uploading $CIRCLE_ARTIFACTS".to_owned(),
            None => "Uploading $CIRCLE_TEST_REPORTS".to_owned(),
        }
    }

    /// Place of the sweep of `$CIRCLE_ARTIFACTS`; that of `$CIRCLE_TEST_REPORTS` comes after it.
    pub(super) fn sweep_seq(&self) -> u32 {
        u32::try_from(self.run.plan.steps.len()).unwrap_or(u32::MAX - 1)
    }

    /// The first line of its name, for warnings.
    pub(super) fn step_title(&self, seq: u32) -> String {
        let name = self.step_name(seq);
        name.lines().next().unwrap_or_default().to_owned()
    }

    /// The output of a step of which the server hears while it starts.
    pub(super) fn output(self: &Arc<Self>, seq: u32) -> Output {
        let context = self.clone();
        let begun = async move { context.say_running(seq).await };
        let events = self.run.events.clone();
        let offset = self.begun.get(&seq).copied().unwrap_or(0);
        Output::open(
            self.server.clone(),
            (self.name().to_owned(), self.job.id.clone()),
            (self.index(), seq, offset),
            events,
            &self.mask,
            begun,
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
