//! Plain values, parsed once; no I/O. After `parse` the type is the proof.

mod artifact;
mod artifact_path;
mod audit;
mod build;
mod digest;
mod file_mode;
mod folder;
mod ids;
mod job;
mod page;
mod password;
mod principal;
mod project;
mod role_place;
mod scope;
mod space_limit;
mod step;
mod test_result;
mod upload;

pub use artifact::{Artifact, ArtifactState, NewArtifact};
pub use artifact_path::ArtifactPath;
pub use audit::{AuditEntry, AuditFilter, AuditPlace};
pub use build::{Build, BuildState, NewBuild};
pub use digest::{Crc32, Digests, Sha1Digest, Sha256Digest, hex};
pub use file_mode::FileMode;
pub use folder::Folder;
pub use ids::{ArtifactId, BuildId, JobId, OrganizationId, ProjectId, SessionId, TokenId, UserId};
pub use job::{EndState, Job, JobOutcome, JobState, NewJob};
pub use page::{ByteRange, Cursor, Offset, Page};
pub use password::Password;
pub use principal::{
    Credential, Grant, GrantOn, JobPrincipal, Principal, TokenFacts, User, UserPrincipal,
};
pub use project::{Organization, Project, ProjectSlug, Retention, Vcs};
pub use role_place::{PlacedRole, RolePlace};
pub use scope::{Role, Scope, Scopes};
pub use space_limit::{Contents, SpaceLimit};
pub use step::{NewStep, Step, StepState};
pub use test_result::{TestCounts, TestOutcome, TestPlace, TestResult};
pub(crate) use upload::PartPlan;
pub use upload::Upload;
