//! What pages are shown with.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};

const STYLE: &str = include_str!("assets/larder.css");

/// `GET /assets/larder.css`
pub(super) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}
