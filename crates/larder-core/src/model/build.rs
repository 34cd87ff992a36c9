//! A build: one run of a pipeline over one commit.

use crate::clock::Timestamp;
use crate::model::{BuildId, Cursor, Project};

/// A build.
#[derive(Clone, Debug)]
pub struct Build {
    pub(crate) pk: i64,
    /// UUID.
    pub id: BuildId,
    /// Its project.
    pub project: Project,
    /// Number within the project, from 1.
    pub number: i64,
    /// Branch that is built.
    pub branch: Option<String>,
    /// Tag that is built.
    pub tag: Option<String>,
    /// Commit that is built.
    pub revision: Option<String>,
    /// Subject of the commit, or why the build runs.
    pub message: Option<String>,
    /// Whether the code comes from a fork.
    pub fork: bool,
    /// Name of the user that announced it.
    pub creator: Option<String>,
    /// What its jobs amount to.
    pub state: BuildState,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When its last job ended.
    pub finished_at: Option<Timestamp>,
    /// Finished artifacts of all jobs.
    pub artifact_count: i64,
    /// Their bytes.
    pub total_bytes: i64,
}

impl Build {
    /// Its place in a list of builds.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            created_at: self.created_at,
            number: self.pk,
        }
    }
}

/// What the jobs of a build amount to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BuildState {
    /// A job is queued or running, or none was announced yet.
    Running,
    /// All jobs passed.
    Passed,
    /// A job failed or timed out.
    Failed,
    /// A job was canceled and none failed.
    Canceled,
}

impl BuildState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Running, Self::Passed, Self::Failed, Self::Canceled]
            .into_iter()
            .find(|state| state.word() == word)
    }
}

/// A build to be announced.
#[derive(Clone, Debug, Default)]
pub struct NewBuild {
    /// Branch that is built.
    pub branch: Option<String>,
    /// Tag that is built.
    pub tag: Option<String>,
    /// Commit that is built.
    pub revision: Option<String>,
    /// Subject of the commit, or why the build runs.
    pub message: Option<String>,
    /// Whether the code comes from a fork.
    pub fork: bool,
    /// The caller's own name for it; the same one gives the same build.
    pub external_id: Option<String>,
}
