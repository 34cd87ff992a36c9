//! Buildkite's APIs. `docs/api/buildkite.md` is the reference.

mod rest;

use crate::http::routes::Routes;

/// The routes of all of them.
pub(crate) fn routes() -> Routes {
    rest::routes()
}
