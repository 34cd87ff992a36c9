//! What needs no token, and what is not there.

use crate::api::buildkite::rest::answer::Json;
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use crate::http::state::App;
use axum::extract::State;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct GreetingBody {
    message: &'static str,
    timestamp: i64,
}

#[derive(Serialize)]
pub(super) struct MetaBody {
    webhook_ips: [&'static str; 0],
}

/// `GET /v2`
pub(super) async fn greeting(State(app): State<App>) -> Json<GreetingBody> {
    Json(GreetingBody {
        message: "🛠",
        timestamp: app.larder().clock().now().seconds(),
    })
}

/// `GET /v2/meta`: the larder sends no webhooks.
pub(super) async fn meta() -> Json<MetaBody> {
    Json(MetaBody { webhook_ips: [] })
}

/// Everything else: 404, for a caller.
pub(super) async fn unknown(_: Caller) -> Error {
    Error::UnknownRoute
}
