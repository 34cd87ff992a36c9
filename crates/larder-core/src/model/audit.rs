//! The log of acts, as it is read.

use crate::clock::Timestamp;
use crate::model::ProjectSlug;

/// One act.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Where it stands in the log.
    pub place: AuditPlace,
    /// `operator`, `anonymous`, `user NAME`, `job`, or `larder` for what it did by itself.
    pub actor: String,
    /// Id of the token that the actor came with.
    pub token: Option<String>,
    /// What was done: `create artifact`, `sign in` …
    pub act: String,
    /// To what, by name or id.
    pub what: String,
    /// In which project, as it was called then.
    pub project: Option<String>,
}

/// A place in the log: after it come older acts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditPlace {
    pub(crate) at: Timestamp,
    pub(crate) id: String,
}

impl AuditPlace {
    /// The opaque form.
    pub fn encode(&self) -> String {
        format!("{}-{}", self.at.0, self.id)
    }

    /// Reads what [`AuditPlace::encode`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.rsplit_once('-')?;
        Some(Self {
            at: Timestamp(at.parse().ok()?),
            id: id.to_owned(),
        })
    }
}

/// Which acts are wanted; what is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// By the user of this name, or done to that user.
    pub user: Option<String>,
    /// Exactly this act.
    pub act: Option<String>,
    /// In the project that had this name then.
    pub project: Option<ProjectSlug>,
}
