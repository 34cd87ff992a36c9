//! Pages for people and probes for machines.

mod health;
mod sign_in;

use crate::http::routes::Routes;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

/// The routes of pages and probes.
pub(crate) fn routes() -> Routes {
    Routes::new(method_not_allowed)
        .get("/healthz", health::alive)
        .get("/readyz", health::ready)
        .get("/sign-in/{secret}", sign_in::page)
}

fn method_not_allowed() -> Response {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not take that method.\n",
    )
        .into_response()
}
