//! The list of APIs. A new one is a folder beside these and two lines here; no API uses another.

pub(crate) mod buildkite;
pub(crate) mod circleci;
pub(crate) mod larder;
pub(crate) mod links;

pub(crate) use circleci::content_host::answer as content_host;

use crate::http::routes::Routes;

/// Every route of every API.
pub(crate) fn routes() -> Routes {
    circleci::routes()
        .merge(buildkite::routes())
        .merge(larder::routes())
        .merge(links::routes())
}
