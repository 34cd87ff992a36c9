//! Artifacts on the wire.

use serde::{Deserialize, Serialize};

/// One kept file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArtifactBody {
    /// UUID.
    pub id: String,
    /// The same artifact as an integer, for APIs that cannot carry a UUID.
    pub number: i64,
    /// The job (one parallel node) that made it.
    pub job_id: String,
    /// The build of that job.
    pub build_id: String,
    /// As the uploader gave it; never begins with `/`.
    pub path: String,
    /// Another name under which the file can be asked for (`$CIRCLE_ARTIFACTS/…`).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alias: Option<String>,
    /// Where it is in its life.
    pub state: ArtifactState,
    /// Bytes.
    pub size: i64,
    /// Media type it is served with.
    pub content_type: String,
    /// SHA-1 of the bytes; absent until they have arrived.
    pub sha1: Option<String>,
    /// SHA-256 of the bytes; absent until they have arrived.
    pub sha256: Option<String>,
    /// Permission bits in octal, such as `755`, if the uploader sent them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mode: Option<String>,
    /// When it was announced.
    pub created_at: String,
    /// When its bytes were complete and durable.
    pub finished_at: Option<String>,
    /// Where its bytes are; needs a token.
    pub url: String,
}

/// Life of an artifact: `new → finished → deleted | expired`, `new → error`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ArtifactState {
    /// Announced; bytes are awaited.
    New,
    /// Complete and durable.
    Finished,
    /// The upload failed or was abandoned.
    Error,
    /// Taken away by somebody.
    Deleted,
    /// Past its retention.
    Expired,
}

/// A page of artifacts, oldest first.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArtifactList {
    /// At most `limit` of them.
    pub artifacts: Vec<ArtifactBody>,
    /// Give it as `?after=` to get the next page; absent on the last.
    pub next: Option<String>,
}
