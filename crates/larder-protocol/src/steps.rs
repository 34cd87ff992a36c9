//! Steps of a job and their output on the wire.

use serde::{Deserialize, Serialize};

/// Longest chunk of output in one `POST /larder/v1/jobs/{id}/steps/{seq}/output?offset=`.
pub const OUTPUT_CHUNK_BYTES_MAX: usize = 256 * 1024;

/// `PUT /larder/v1/jobs/{id}/steps/{seq}`: says where a step is; repeating it is not an error.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct StepReport {
    /// Name for people.
    pub name: String,
    /// Shell text of a `run` step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where the step is.
    pub state: StepState,
    /// Exit status; 128 + n for a death by signal n.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_status: Option<i32>,
}

/// Answer to a chunk of output.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutputKept {
    /// Bytes of output kept so far: the offset of the next chunk.
    pub output_bytes: i64,
}

/// Where a step is in its life.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Started.
    Running,
    /// Exit status 0.
    Passed,
    /// Any other exit status, or a death by signal.
    Failed,
    /// Stopped with the job.
    Canceled,
    /// Silent for longer than its `no_output_timeout`.
    TimedOut,
    /// Not run: its condition did not hold, or it is of a kind that is not run here.
    Skipped,
}

/// A step as the server knows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepBody {
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
    pub started_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    /// Bytes of output kept.
    pub output_bytes: i64,
}

/// All steps of a job, in order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StepList {
    /// In order of `seq`.
    pub steps: Vec<StepBody>,
}
