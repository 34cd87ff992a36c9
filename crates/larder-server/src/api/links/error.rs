//! How a download link says no: a line of plain text.

use crate::http::status::{message_of, note_detail, status_of};
use axum::extract::rejection::RawPathParamsRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder_core::{Error as CoreError, What};

/// Why a link does not lead to its file.
#[derive(Debug)]
pub(super) struct Error(CoreError);

impl From<CoreError> for Error {
    fn from(error: CoreError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, text) = match &self.0 {
            // The link is no credential that could be replaced by another one: 401 would ask for a token in vain.
            CoreError::InvalidToken(_) | CoreError::Unauthenticated => (
                StatusCode::FORBIDDEN,
                "This link does not work, or not any more. Ask for a new one where you got it."
                    .to_owned(),
            ),
            CoreError::NotFound(_) => (
                StatusCode::NOT_FOUND,
                "The file behind this link is not there any more.".to_owned(),
            ),
            other => (status_of(other), message_of(other)),
        };
        let mut response = text_of(status, &text);
        note_detail(&self.0, &mut response);
        response
    }
}

/// A path that is not UTF-8 is no link that was ever given out.
impl From<RawPathParamsRejection> for Error {
    fn from(_: RawPathParamsRejection) -> Self {
        Self(CoreError::NotFound(What::Artifact))
    }
}

/// 405, to which the routes add `Allow`.
pub(super) fn method_not_allowed() -> Response {
    let text = "This link can only be read: use GET or HEAD.";
    text_of(StatusCode::METHOD_NOT_ALLOWED, text)
}

fn text_of(status: StatusCode, text: &str) -> Response {
    let mut response = (status, format!("{text}\n")).into_response();
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    response
}
