//! What a run tells while it happens, and what it says at its end.

use crate::artifacts::StoredFile;
use larder_protocol::{AnnouncedBuild, JobState, StepState};
use std::sync::Arc;
use std::time::Duration;

/// Hears of everything that happens in a run.
pub(crate) type Events = Arc<dyn Fn(Event<'_>) + Send + Sync>;

/// Something that happened. `node` counts from 0, and so does `seq`, the place of a step.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Something about the whole run that its user should know.
    Notice {
        /// One sentence.
        text: &'a str,
    },
    /// The server knows the build; steps begin.
    Announced {
        /// With its page and its jobs.
        build: &'a AnnouncedBuild,
    },
    /// A step begins.
    StepStarted {
        /// Node.
        node: u32,
        /// Place in the job.
        seq: u32,
        /// Name for people.
        name: &'a str,
    },
    /// A step printed something; pieces come in order and need not end with a line.
    Output {
        /// Node.
        node: u32,
        /// Place in the job.
        seq: u32,
        /// Raw bytes, both streams together.
        bytes: &'a [u8],
    },
    /// A file is kept. The same line is in the step's output.
    Kept {
        /// Node.
        node: u32,
        /// Place in the job.
        seq: u32,
        /// The file.
        file: &'a StoredFile,
    },
    /// A step ended, or was skipped without a start.
    StepFinished {
        /// Node.
        node: u32,
        /// What came of it.
        step: &'a StepResult,
    },
    /// A node ended and the server knows.
    NodeFinished {
        /// What came of it.
        node: &'a NodeSummary,
    },
}

/// What came of a step.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Place in the job.
    pub seq: u32,
    /// Name for people.
    pub name: String,
    /// Where it ended: anything but running.
    pub state: StepState,
    /// Exit status, 128 + n for a death by signal n; none if nothing ran.
    pub exit_status: Option<i32>,
    /// How long it took.
    pub duration: Duration,
}

/// What came of one node.
#[derive(Clone, Debug)]
pub struct NodeSummary {
    /// From 0.
    pub index: u32,
    /// UUID of the job on the server.
    pub job_id: String,
    /// Number of the job within its project.
    pub job_number: Option<i64>,
    /// Passed, failed, canceled or timed out.
    pub outcome: JobState,
    /// Exit status of the first step that failed.
    pub exit_status: Option<i32>,
    /// All steps, in order.
    pub steps: Vec<StepResult>,
    /// Kept files, in the order in which they were done.
    pub artifacts: Vec<StoredFile>,
    /// What was left out, and what the user should know.
    pub warnings: Vec<String>,
    /// Files that were to be kept and could not be; with any, the job failed.
    pub problems: Vec<String>,
}

/// The build that the run announced.
#[derive(Clone, Debug)]
pub struct BuildSummary {
    /// UUID.
    pub id: String,
    /// Number within the project.
    pub number: i64,
    /// Its page.
    pub url: String,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct JobSummary {
    /// Name of the job in the config.
    pub job: String,
    /// The build that was announced for it.
    pub build: BuildSummary,
    /// One entry per node, in order.
    pub nodes: Vec<NodeSummary>,
}

impl JobSummary {
    /// Whether all nodes passed.
    pub fn passed(&self) -> bool {
        self.nodes
            .iter()
            .all(|node| node.outcome == JobState::Passed)
    }

    /// Exit status for the command line: 0 if the job passed, else 1.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.passed())
    }
}
