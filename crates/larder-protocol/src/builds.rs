//! Builds on the wire.

use crate::JobBody;
use serde::{Deserialize, Serialize};

/// `POST /larder/v1/projects/{vcs}/{org}/{name}/builds`
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AnnounceBuild {
    /// Branch that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Commit that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Tag that is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Subject of the commit, or why the build runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the code comes from a fork; such builds are skipped by `latest`.
    #[serde(default)]
    pub fork: bool,
    /// The caller's own name for the build: the same one gives the same build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Jobs that are not started yet: they get their number when they start.
    #[serde(default)]
    pub queued: bool,
    /// Jobs known so far; more can be added.
    #[serde(default)]
    pub jobs: Vec<AnnounceJob>,
}

/// A job to be announced.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AnnounceJob {
    /// Name, unique within the build.
    pub name: String,
    /// How many nodes run it side by side, each with its own artifacts.
    #[serde(default = "one")]
    pub parallelism: u32,
    /// Not started yet.
    #[serde(default)]
    pub queued: bool,
}

/// `POST /larder/v1/builds/{id}/jobs`: idempotent by job name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AddJobs {
    /// The jobs that the build must have.
    pub jobs: Vec<AnnounceJob>,
}

/// Answer to [`AnnounceBuild`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnnouncedBuild {
    /// UUID.
    pub id: String,
    /// Number within the project, from 1.
    pub number: i64,
    /// Page of the build.
    pub url: String,
    /// One entry per node.
    pub jobs: Vec<AnnouncedJob>,
}

/// Answer to [`AddJobs`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnnouncedJobs {
    /// One entry per node.
    pub jobs: Vec<AnnouncedJob>,
}

/// One node of an announced job, with the token that it works with.
#[derive(Clone, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnnouncedJob {
    /// UUID.
    pub id: String,
    /// Name of the job.
    pub name: String,
    /// Number within the project, shared by the nodes; absent while queued.
    pub number: Option<i64>,
    /// Index of the node, from 0.
    pub index: u32,
    /// Secret: may create artifacts in this one job and finish it. Shown once.
    pub token: String,
}

impl std::fmt::Debug for AnnouncedJob {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AnnouncedJob")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("number", &self.number)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// A build with its jobs.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BuildBody {
    /// UUID.
    pub id: String,
    /// Number within the project, from 1.
    pub number: i64,
    /// `vcs/org/name`.
    pub project: String,
    /// Page of the build.
    pub url: String,
    /// `running`, `passed`, `failed`, `canceled` or `timed_out`.
    pub state: String,
    /// Branch that was built.
    pub branch: Option<String>,
    /// Commit that was built.
    pub revision: Option<String>,
    /// Tag that was built.
    pub tag: Option<String>,
    /// Subject of the commit, or why the build ran.
    pub message: Option<String>,
    /// Whether the code came from a fork.
    pub fork: bool,
    /// When it was announced.
    pub created_at: String,
    /// When its last job ended.
    pub finished_at: Option<String>,
    /// Finished artifacts of all jobs.
    pub artifact_count: i64,
    /// Their bytes.
    pub total_bytes: i64,
    /// One entry per node.
    pub jobs: Vec<JobBody>,
}

/// A page of builds, newest first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BuildList {
    /// At most `limit` of them.
    pub builds: Vec<BuildBody>,
    /// Give it as `?before=` to get the next page; absent on the last.
    pub next: Option<String>,
}

fn one() -> u32 {
    1
}
