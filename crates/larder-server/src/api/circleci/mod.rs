//! CircleCI's artifacts API: v1, v1.1, v2 and v3 as far as artifacts need them. `docs/api/circleci.md` is the reference.

mod error;

use crate::http::routes::Routes;

/// The routes of this API.
pub(crate) fn routes() -> Routes {
    Routes::new(error::method_not_allowed)
}
