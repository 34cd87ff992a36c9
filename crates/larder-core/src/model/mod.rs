//! Plain values, parsed once; no I/O. After `parse` the type is the proof.

mod artifact;
mod artifact_path;
mod build;
mod digest;
mod ids;
mod job;
mod page;
mod principal;
mod project;
mod scope;
mod step;

pub use artifact::{Artifact, ArtifactState, NewArtifact};
pub use artifact_path::ArtifactPath;
pub use build::{Build, BuildState, NewBuild};
pub use digest::{Crc32, Digests, Sha1Digest, Sha256Digest, hex};
pub use ids::{ArtifactId, BuildId, JobId, OrganizationId, ProjectId, SessionId, TokenId, UserId};
pub use job::{EndState, Job, JobOutcome, JobState, NewJob};
pub use page::{ByteRange, Cursor, Offset, Page};
pub use principal::{
    Credential, Grant, GrantOn, JobPrincipal, Principal, TokenFacts, User, UserPrincipal,
};
pub use project::{Organization, Project, ProjectSlug, Retention, Vcs};
pub use scope::{Role, Scope, Scopes};
pub use step::{NewStep, Step, StepState};
