//! What all pages share: the frame around them, the headers they are sent with, and how they say no.

use crate::http::session::DISABLED;
use crate::http::status::{message_of, note_detail, status_of};
use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use larder_core::Error;

/// What a page of ours may do: nothing but show itself, its style and pictures of this host, and send its forms here.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// `same-origin` and not `no-referrer`: forms would be sent with `Origin: null`, and browsers that say where a request
/// comes from in no other way could not be believed.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::CACHE_CONTROL, "private, no-store"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=()",
    ),
];

/// What stands around every page.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// The path before every route, without a `/` at its end.
    pub(super) base: String,
    /// Who is signed in.
    pub(super) user: Option<String>,
    /// Whether signing out here would help.
    pub(super) signs_out: bool,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Problem<'a> {
    frame: &'a Frame,
    title: &'a str,
    text: &'a str,
}

/// A page.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let mut response = (status, axum::response::Html(text)).into_response();
            insert_headers(&mut response);
            response
        }
        Err(error) => {
            tracing::error!(%error, "render a page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The headers of every page.
pub(super) fn insert_headers(response: &mut Response) {
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
}

/// A page that says no. Whoever may not see a thing reads the same words as if there were none.
pub(super) fn problem(frame: &Frame, error: &Error) -> Response {
    let message = message_of(error);
    let (title, text) = match error {
        Error::NotFound(_) | Error::Expired(_) => (
            "Not found",
            "There is nothing at this address, or you may not see it.",
        ),
        Error::Forbidden(_) => ("Not allowed", message.as_str()),
        Error::Invalid { .. } | Error::Conflict(_) => ("That did not work", message.as_str()),
        Error::Unauthenticated | Error::InvalidToken(_) => ("Sign in", message.as_str()),
        Error::TooLarge { .. }
        | Error::RangeNotSatisfiable { .. }
        | Error::UploadInterrupted(_)
        | Error::ProjectFull { .. }
        | Error::StorageFull
        | Error::Unavailable(_)
        | Error::Internal { .. } => ("Something went wrong", message.as_str()),
    };
    let mut response = html(status_of(error), &Problem { frame, title, text });
    note_detail(error, &mut response);
    response
}

/// 403 for a form that was not sent by a page of ours.
pub(super) fn foreign_form(frame: &Frame) -> Response {
    let text = "This form was not sent from a page of this larder, so nothing was done. Go back to the page and send it \
                again.";
    let title = "Not sent from here";
    html(StatusCode::FORBIDDEN, &Problem { frame, title, text })
}

/// 403 for a user whom a proxy lets in and an operator does not.
pub(super) fn disabled_account(frame: &Frame) -> Response {
    let (title, text) = ("Not allowed", DISABLED);
    html(StatusCode::FORBIDDEN, &Problem { frame, title, text })
}

/// 303: the answer to a form is another page.
pub(super) fn see_other(frame: &Frame, path: &str) -> Response {
    let mut response = Redirect::to(&format!("{}{path}", frame.base)).into_response();
    let cache = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, cache);
    response
}

/// What every address without a route answers.
pub(crate) async fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing at this address.\n").into_response()
}

pub(super) fn method_not_allowed() -> Response {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "This address does not take that method.\n",
    )
        .into_response()
}
