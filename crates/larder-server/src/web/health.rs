//! Whether the server is alive, and whether its stores can be reached.

use crate::http::state::App;
use crate::http::status;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use larder_core::Result;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Stores that do not answer within this time are away: whoever asks for readiness waits no longer than a few seconds.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why no work should be sent here.
#[derive(Debug, Serialize)]
struct NotReady {
    /// `database`, `blobs` or both.
    away: Vec<&'static str>,
    /// Whether the server was told to stop.
    draining: bool,
}

/// `GET /healthz`
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// `GET /readyz`
pub(super) async fn ready(State(app): State<App>) -> Response {
    if app.is_draining() {
        let away = Vec::new();
        return not_ready(&NotReady {
            away,
            draining: true,
        });
    }
    let (rows, bytes) = (app.larder().clone(), app.larder().clone());
    let probes = app.probes();
    let (database, blobs) = tokio::join!(
        is_there("database", &probes.database, async move {
            rows.probe_database().await
        }),
        is_there(
            "blobs",
            &probes.blobs,
            async move { bytes.probe_blobs().await }
        ),
    );
    let stores = [("database", database), ("blobs", blobs)];
    let away: Vec<_> = stores
        .into_iter()
        .filter_map(|(name, is_there)| (!is_there).then_some(name))
        .collect();
    if away.is_empty() {
        return (StatusCode::OK, "ready\n").into_response();
    }
    not_ready(&NotReady {
        away,
        draining: false,
    })
}

/// Whether a store answers in time. A probe that hangs keeps the turn, so that later ones do not hang behind it, each
/// with a thread of its own.
async fn is_there(
    name: &'static str,
    turn: &Arc<Mutex<()>>,
    probe: impl Future<Output = Result<()>> + Send + 'static,
) -> bool {
    let turn = Arc::clone(turn);
    let probed = tokio::time::timeout(PROBE_TIMEOUT, async move {
        let turn = turn.lock_owned().await;
        let probe = tokio::spawn(async move {
            let probed = probe.await;
            drop(turn);
            probed
        });
        probe.await
    });
    match probed.await {
        Ok(Ok(Ok(()))) => true,
        Ok(Ok(Err(error))) => {
            status::count(&error);
            tracing::warn!(store = name, %error, "probe a store");
            false
        }
        Ok(Err(error)) => {
            tracing::error!(store = name, %error, "probe a store");
            false
        }
        Err(_) => {
            tracing::warn!(store = name, "a store does not answer");
            false
        }
    }
}

fn not_ready(why: &NotReady) -> Response {
    let text = serde_json::to_string(why).unwrap_or_default() + "\n";
    let json = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::SERVICE_UNAVAILABLE, json, text).into_response()
}
