//! Answers in this API's form.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A body of indented JSON, as the documents show it, with status 200.
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

/// `null`
pub(super) type Null = ();

/// `{}`
#[derive(Debug, Serialize)]
pub(super) struct Empty {}

/// An answer with a body of JSON.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string_pretty(body) {
        Ok(text) => {
            let of_type = (header::CONTENT_TYPE, "application/json; charset=utf-8");
            for_every_origin((status, [of_type], text).into_response())
        }
        // A body of ours has only strings as keys; this arm is for whoever changes that.
        Err(_) => for_every_origin(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    }
}

/// 204 without a body.
pub(super) fn no_content() -> Response {
    for_every_origin(StatusCode::NO_CONTENT.into_response())
}

/// Scripts of every origin may read the answer and its `Link`, as the document says; they bring a token of their own,
/// since `*` never goes with cookies. Nobody may store it: an address can carry a token.
fn for_every_origin(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Link"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
