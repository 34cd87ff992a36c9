//! Projects on the wire.

use serde::{Deserialize, Serialize};

/// A project.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectBody {
    /// UUID.
    pub id: String,
    /// `vcs/org/name`.
    pub slug: String,
    /// Readable without a token where the API allows that.
    pub public: bool,
    /// When it was made.
    pub created_at: String,
}

/// All projects that the caller may see.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectList {
    /// By slug.
    pub projects: Vec<ProjectBody>,
}
