//! What lists of operators show.

use larder_core::clock::Timestamp;
use larder_core::model::{AuditEntry, Contents, Project, TokenFacts, User};
use serde::{Deserialize, Serialize};

/// A user in a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UserLine {
    /// Name.
    pub name: String,
    /// Admin everywhere.
    pub admin: bool,
    /// When the account was made.
    pub created_at: String,
    /// Since when nothing lets the user in.
    pub disabled_at: Option<String>,
}

/// A project in a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProjectLine {
    /// `github/acme/demo`
    pub slug: String,
    /// Readable by all.
    pub public: bool,
    /// Days that finished artifacts are kept, `none` for no end, `default` for what the settings say.
    pub retention: String,
    /// Bytes that it may keep, `none` for no limit, `default` for what the settings say.
    pub max_bytes: String,
    /// Bytes that its builds keep.
    pub total_bytes: i64,
    /// When it was made.
    pub created_at: String,
}

/// What goes when something is deleted.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ContentsLine {
    /// `github/acme/demo`, perhaps with a build.
    pub what: String,
    /// Builds.
    pub builds: i64,
    /// Artifacts of them.
    pub artifacts: i64,
    /// Bytes of those.
    pub bytes: i64,
}

impl ContentsLine {
    pub(super) fn new(what: String, contents: Contents) -> Self {
        Self {
            what,
            builds: contents.builds,
            artifacts: contents.artifacts,
            bytes: contents.bytes,
        }
    }
}

/// A token in a list.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct TokenLine {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub description: String,
    /// Words of scopes.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: String,
    /// When it stops to work.
    pub expires_at: Option<String>,
}

/// Some acts, newest first.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AuditPage {
    /// The acts.
    pub acts: Vec<AuditLine>,
    /// Where older ones follow, if there may be any.
    pub next: Option<String>,
}

/// An act in the log.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AuditLine {
    /// When.
    pub time: String,
    /// `operator`, `anonymous`, `user NAME`, `job` or `larder`.
    pub actor: String,
    /// Id of the token that the actor came with.
    pub token: Option<String>,
    /// What was done.
    pub act: String,
    /// To what.
    pub what: String,
    /// In which project, as it was called then.
    pub project: Option<String>,
}

impl From<TokenFacts> for TokenLine {
    fn from(token: TokenFacts) -> Self {
        Self {
            id: token.id.to_string(),
            description: token.description,
            scopes: token
                .scopes
                .words()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            created_at: token.created_at.rfc3339(),
            expires_at: token.expires_at.map(Timestamp::rfc3339),
        }
    }
}

impl From<User> for UserLine {
    fn from(user: User) -> Self {
        Self {
            name: user.name,
            admin: user.admin,
            created_at: user.created_at.rfc3339(),
            disabled_at: user.disabled_at.map(Timestamp::rfc3339),
        }
    }
}

impl From<Project> for ProjectLine {
    fn from(project: Project) -> Self {
        Self {
            slug: project.slug().to_string(),
            public: project.public_at.is_some(),
            retention: project.retention.to_string(),
            max_bytes: project.space_limit.to_string(),
            total_bytes: project.total_bytes,
            created_at: project.created_at.rfc3339(),
        }
    }
}

impl From<AuditEntry> for AuditLine {
    fn from(entry: AuditEntry) -> Self {
        Self {
            time: entry.at.rfc3339(),
            actor: entry.actor,
            token: entry.token,
            act: entry.act,
            what: entry.what,
            project: entry.project,
        }
    }
}
