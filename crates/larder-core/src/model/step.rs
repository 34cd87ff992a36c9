//! A step of a job and what it printed.

use crate::clock::Timestamp;

/// A step as its job reported it.
#[derive(Clone, Debug)]
pub struct Step {
    pub(crate) pk: i64,
    /// Place in the job, from 0.
    pub seq: u32,
    /// Name for people.
    pub name: String,
    /// Shell text of a `run` step.
    pub command: Option<String>,
    /// Where it is in its life.
    pub state: StepState,
    /// Exit status; 128 + n for a death by signal n.
    pub exit_status: Option<i32>,
    /// When it was first reported.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Bytes of output kept.
    pub output_bytes: i64,
}

/// Where a step is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StepState {
    /// Started.
    Running,
    /// Exit status 0.
    Passed,
    /// Any other exit status, or a death by signal.
    Failed,
    /// Stopped with the job.
    Canceled,
    /// Silent for too long.
    TimedOut,
    /// Not run.
    Skipped,
}

impl StepState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::TimedOut => "timed_out",
            Self::Skipped => "skipped",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Running,
            Self::Passed,
            Self::Failed,
            Self::Canceled,
            Self::TimedOut,
            Self::Skipped,
        ]
        .into_iter()
        .find(|state| state.word() == word)
    }
}

/// What a job says of one of its steps.
#[derive(Clone, Debug)]
pub struct NewStep {
    /// Name for people.
    pub name: String,
    /// Shell text of a `run` step.
    pub command: Option<String>,
    /// Where it is in its life.
    pub state: StepState,
    /// Exit status.
    pub exit_status: Option<i32>,
}
