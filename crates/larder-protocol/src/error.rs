//! How the native API says no.

use serde::{Deserialize, Serialize};

/// Body of every answer of 400 and above.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// A stable word for programs: `not_found`, `forbidden`, `too_large` ….
    pub code: String,
    /// What went wrong and what to do, for people.
    pub message: String,
}
