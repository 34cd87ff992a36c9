//! Jobs on the wire.

use serde::{Deserialize, Serialize};

/// `PATCH /larder/v1/jobs/{id}`: ends the job; the same state again is not an error.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct FinishJob {
    /// `passed`, `failed`, `canceled` or `timed_out`.
    pub state: JobState,
    /// Exit status of the step that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
}

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
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

/// One node of a job.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JobBody {
    /// UUID.
    pub id: String,
    /// UUID of its build.
    pub build_id: String,
    /// Name of the job.
    pub name: String,
    /// Number within the project, shared by the nodes; absent while queued.
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
    pub created_at: String,
    /// When it was started.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Finished artifacts.
    pub artifact_count: i64,
    /// Their bytes.
    pub total_bytes: i64,
}
