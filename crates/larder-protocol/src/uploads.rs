//! Resumable uploads and empty folders on the wire.

use crate::ArtifactBody;
use serde::{Deserialize, Serialize};

/// `POST /larder/v1/jobs/{id}/uploads`: begins an upload in parts, or finds the one that was begun
/// with the same path, size and digest.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeginUpload {
    /// Name of the artifact.
    pub path: String,
    /// Bytes of the whole file.
    pub size: u64,
    /// SHA-256 of the whole file as lower-case hex.
    pub sha256: String,
    /// Another name under which the file can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Media type; without one the extension decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Permission bits in octal, such as `755`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// Where an upload in parts is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UploadBody {
    /// UUID: `PUT …/uploads/{id}/parts/{n}` sends the part `n`, from 0, and `POST …/uploads/{id}/finish`
    /// makes the artifact.
    pub id: String,
    /// Bytes of every part but the last.
    pub part_bytes: u64,
    /// How many parts the file has.
    pub parts: u32,
    /// Parts that need not be sent again, in order.
    pub held: Vec<u32>,
    /// The artifact, if it is complete already and nothing is to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactBody>,
}

/// An empty folder that a job keeps: `PUT /larder/v1/jobs/{id}/folders/{path}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderBody {
    /// The job (one parallel node) that made it.
    pub job_id: String,
    /// Without a `/` at either end.
    pub path: String,
    /// Permission bits in octal, if they were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// Empty folders of a job or a build, by path; at most 10,000.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FolderList {
    /// In order of job and path.
    pub folders: Vec<FolderBody>,
}
