//! An artifact: a kept file of a job.

use crate::clock::Timestamp;
use crate::model::{
    ArtifactId, ArtifactPath, BuildId, Cursor, FileMode, JobId, Sha1Digest, Sha256Digest,
};

/// A kept file.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// The artifact as an integer.
    pub number: i64,
    /// UUID.
    pub id: ArtifactId,
    pub(crate) job_pk: i64,
    pub(crate) build_pk: i64,
    /// The node that made it.
    pub job_id: JobId,
    /// Index of that node.
    pub job_index: u32,
    /// Number of that job within the project.
    pub job_number: Option<i64>,
    /// Its build.
    pub build_id: BuildId,
    /// Number of that build within the project.
    pub build_number: i64,
    /// As the uploader gave it.
    pub path: ArtifactPath,
    /// Another name under which it can be asked for.
    pub alias: Option<String>,
    /// Where it was on the machine that made it, if that says more than the path.
    pub absolute_path: Option<String>,
    /// Where it is in its life.
    pub state: ArtifactState,
    /// Bytes: measured once finished, claimed before, 0 if nothing was claimed.
    pub size: u64,
    /// Whether the size was measured or at least claimed.
    pub(crate) size_is_known: bool,
    /// SHA-1: measured once finished, claimed before.
    pub sha1: Option<Sha1Digest>,
    /// SHA-256: measured once finished, claimed before.
    pub sha256: Option<Sha256Digest>,
    /// Media type.
    pub content_type: String,
    /// When it was announced.
    pub created_at: Timestamp,
    /// When its bytes were complete and durable.
    pub finished_at: Option<Timestamp>,
    /// Permission bits, if the uploader sent them.
    pub mode: Option<FileMode>,
    /// Bytes of every part but the last, if it comes in parts.
    pub(crate) part_bytes: Option<u64>,
    pub(crate) blob_pk: Option<i64>,
}

impl Artifact {
    /// Its place in a list of artifacts.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            created_at: self.created_at,
            number: self.number,
        }
    }
}

/// `New → Finished → Deleted | Expired`; `New → Error` when the upload fails or is abandoned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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

impl ArtifactState {
    /// All of them, in the order in which Buildkite's document lists them.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::Error,
        Self::Finished,
        Self::Deleted,
        Self::Expired,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Finished => "finished",
            Self::Error => "error",
            Self::Deleted => "deleted",
            Self::Expired => "expired",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// An artifact to be announced.
#[derive(Clone, Debug)]
pub struct NewArtifact {
    /// Its name.
    pub path: ArtifactPath,
    /// Another name under which it can be asked for.
    pub alias: Option<String>,
    /// Where it was on the machine that made it.
    pub absolute_path: Option<String>,
    /// Media type, guessed from the path by the edge when the client gave none.
    pub content_type: String,
    /// Bytes that the client says it will send.
    pub size: Option<u64>,
    /// SHA-1 that the bytes must have.
    pub sha1: Option<Sha1Digest>,
    /// SHA-256 that the bytes must have.
    pub sha256: Option<Sha256Digest>,
    /// Permission bits.
    pub mode: Option<FileMode>,
}

impl NewArtifact {
    /// One of which only name and type are known.
    pub fn new(path: ArtifactPath, content_type: impl Into<String>) -> Self {
        Self {
            path,
            alias: None,
            absolute_path: None,
            content_type: content_type.into(),
            size: None,
            sha1: None,
            sha256: None,
            mode: None,
        }
    }
}
