//! How CircleCI says no: `{"message": "…"}`.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

/// 405, to which the routes add `Allow`.
pub(super) fn method_not_allowed() -> Response {
    let body = axum::Json(serde_json::json!({ "message": "Method not allowed" }));
    (StatusCode::METHOD_NOT_ALLOWED, body).into_response()
}
