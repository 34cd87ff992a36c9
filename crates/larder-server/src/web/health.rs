//! Whether the server is alive, and whether its stores can be reached.

use crate::http::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use std::time::Duration;

/// Stores that do not answer within this time are away.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// `GET /healthz`
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// `GET /readyz`
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    match tokio::time::timeout(PROBE_TIMEOUT, app.larder().probe()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "probe the stores");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "a store cannot be written to\n",
            )
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "a store does not answer\n"),
    }
}
