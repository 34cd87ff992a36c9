//! What agent and server say to each other: the bodies of the native API under `/larder/v1`, as
//! serde types and nothing else. `docs/api/larder.md` is the prose beside it.
//!
//! Times are RFC 3339 strings in UTC with milliseconds; sizes are bytes; digests are lower-case hex.

mod artifacts;
mod builds;
mod error;
mod jobs;
mod projects;
mod steps;
mod tests;
mod uploads;

pub use artifacts::{ArtifactBody, ArtifactList, ArtifactState};
pub use builds::{
    AddJobs, AnnounceBuild, AnnounceJob, AnnouncedBuild, AnnouncedJob, AnnouncedJobs, BuildBody,
    BuildList,
};
pub use error::ErrorBody;
pub use jobs::{FinishJob, JobBody, JobState};
pub use projects::{ProjectBody, ProjectList};
pub use steps::{OUTPUT_CHUNK_BYTES_MAX, OutputKept, StepBody, StepList, StepReport, StepState};
pub use tests::{TestBody, TestList, TestReport, TestResult};
pub use uploads::{BeginUpload, FolderBody, FolderList, UploadBody};
