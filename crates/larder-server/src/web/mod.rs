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

/// What every address without a route answers.
pub(crate) async fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing at this address.\n").into_response()
}

fn method_not_allowed() -> Response {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not take that method.\n",
    )
        .into_response()
}
