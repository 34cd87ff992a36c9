//! An empty folder that a job keeps.

use crate::model::{ArtifactPath, FileMode, JobId};

/// A folder in which no file lies.
#[derive(Clone, Debug)]
pub struct Folder {
    /// The node that made it.
    pub job_id: JobId,
    /// Named as artifacts are.
    pub path: ArtifactPath,
    /// Permission bits, if they were sent.
    pub mode: Option<FileMode>,
}
