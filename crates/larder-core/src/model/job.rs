//! A job: one parallel node of it is one row. Nodes of one job share its number.

use crate::clock::Timestamp;
use crate::model::{BuildId, JobId};

/// One node of a job.
#[derive(Clone, Debug)]
pub struct Job {
    pub(crate) pk: i64,
    pub(crate) build_pk: i64,
    /// UUID.
    pub id: JobId,
    /// Its build.
    pub build_id: BuildId,
    /// Number of its build within the project.
    pub build_number: i64,
    /// Name, unique within the build.
    pub name: String,
    /// Number within the project, shared by the nodes; `None` while queued.
    pub number: Option<i64>,
    /// Index of the node, from 0.
    pub index: u32,
    /// How many nodes the job has.
    pub parallelism: u32,
    /// Where it is in its life.
    pub state: JobState,
    /// Exit status of the step that decided it.
    pub exit_status: Option<i32>,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    pub(crate) heard_at: Timestamp,
    /// When it was ended by nothing but its silence.
    pub(crate) silenced_at: Option<Timestamp>,
    /// Finished artifacts.
    pub artifact_count: i64,
    /// Their bytes.
    pub total_bytes: i64,
}

impl Job {
    /// For so long after a job was ended by its silence a word from it takes that back: as long as its token lives.
    pub(crate) const SILENCE_FORGIVEN_MS: i64 = 10 * 60 * 1000;

    /// Whether it runs, or will once it is heard of.
    pub(crate) fn runs(&self, now: Timestamp) -> bool {
        let forgiven = |at: Timestamp| now < at.plus_ms(Self::SILENCE_FORGIVEN_MS);
        self.state == JobState::Running || self.silenced_at.is_some_and(forgiven)
    }
}

/// `Queued → Running → Passed | Failed | Canceled | TimedOut`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobState {
    /// Announced and not started.
    Queued,
    /// Started.
    Running,
    /// Every step passed.
    Passed,
    /// A step failed.
    Failed,
    /// Stopped by somebody.
    Canceled,
    /// Ran out of time, or was not heard of any more.
    TimedOut,
}

impl JobState {
    const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Passed,
        Self::Failed,
        Self::Canceled,
        Self::TimedOut,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::TimedOut => "timed_out",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether it will not change any more.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// How a caller may end a job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndState {
    /// Every step passed.
    Passed,
    /// A step failed.
    Failed,
    /// Stopped by somebody.
    Canceled,
    /// Ran out of time.
    TimedOut,
}

impl From<EndState> for JobState {
    fn from(end: EndState) -> Self {
        match end {
            EndState::Passed => Self::Passed,
            EndState::Failed => Self::Failed,
            EndState::Canceled => Self::Canceled,
            EndState::TimedOut => Self::TimedOut,
        }
    }
}

/// What the nodes of a job amount to: the worst of them, or running while one runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobOutcome {
    /// A node is queued or running.
    Running,
    /// All nodes passed.
    Passed,
    /// A node failed.
    Failed,
    /// A node was canceled and none failed.
    Canceled,
    /// A node ran out of time and none failed.
    TimedOut,
}

impl JobOutcome {
    /// What these nodes amount to.
    pub fn of(states: impl IntoIterator<Item = JobState>) -> Self {
        let mut outcome = Self::Passed;
        for state in states {
            outcome = match (outcome, state) {
                (_, JobState::Queued | JobState::Running) | (Self::Running, _) => Self::Running,
                (_, JobState::Failed) | (Self::Failed, _) => Self::Failed,
                (_, JobState::TimedOut) | (Self::TimedOut, _) => Self::TimedOut,
                (_, JobState::Canceled) | (Self::Canceled, _) => Self::Canceled,
                (Self::Passed, JobState::Passed) => Self::Passed,
            };
        }
        outcome
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::TimedOut => "timed_out",
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
        ]
        .into_iter()
        .find(|outcome| outcome.word() == word)
    }
}

/// A job to be announced; it becomes `parallelism` rows.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Name, unique within the build, at most 200 bytes.
    pub name: String,
    /// How many nodes run it side by side, 1 to 256.
    pub parallelism: u32,
    /// Not started yet: it gets its number when it starts.
    pub queued: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_runs_while_a_node_runs_and_ends_as_its_worst_node() {
        use JobState as S;
        assert_eq!(JobOutcome::of([S::Failed, S::Running]), JobOutcome::Running);
        assert_eq!(JobOutcome::of([S::Passed, S::Queued]), JobOutcome::Running);
        assert_eq!(
            JobOutcome::of([S::Passed, S::Failed, S::Canceled]),
            JobOutcome::Failed
        );
        assert_eq!(
            JobOutcome::of([S::Canceled, S::TimedOut]),
            JobOutcome::TimedOut
        );
        assert_eq!(
            JobOutcome::of([S::Passed, S::Canceled]),
            JobOutcome::Canceled
        );
        assert_eq!(JobOutcome::of([S::Passed, S::Passed]), JobOutcome::Passed);
    }
}
