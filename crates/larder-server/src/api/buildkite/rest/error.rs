//! How Buildkite says no: a JSON object with a `message`, always. `go-buildkite` fails a second time over anything else.

use crate::api::buildkite::rest::answer;
use crate::http::status::{message_of, note_detail, status_of};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder_core::{Error as CoreError, Lack, What};
use serde::Serialize;

/// The message of 401, which official clients compare; the same without a token and with a wrong one.
const AUTHENTICATION_REQUIRED: &str = "Authentication required. Please supply a valid API Access Token: https://buildkite.com/docs/apis/rest-api#authentication";

/// Why a request is not answered as it wished.
#[derive(Debug)]
pub(super) enum Error {
    /// The core's reason.
    Core(CoreError),
    /// No such route.
    UnknownRoute,
    /// A value in the query is mistaken.
    Mistaken(StatusCode, String),
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
}

impl Error {
    /// There is no such thing.
    pub(super) fn no(what: What) -> Self {
        Self::Core(CoreError::NotFound(what))
    }

    /// 422 for a mistaken value.
    pub(super) fn mistaken(message: impl Into<String>) -> Self {
        Self::Mistaken(StatusCode::UNPROCESSABLE_ENTITY, message.into())
    }

    /// A word that is none of the known states, in the wording that the jobs' document has for it.
    pub(super) fn unknown_state(status: StatusCode, word: &str, known: &[&str]) -> Self {
        let message = format!(
            "Invalid state: {word}. Valid states are {}.",
            known.join(", ")
        );
        Self::Mistaken(status, message)
    }
}

impl From<CoreError> for Error {
    fn from(error: CoreError) -> Self {
        Self::Core(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, message) = match &self {
            Self::Core(error) => (status_here(error), message_here(error)),
            Self::UnknownRoute => (StatusCode::NOT_FOUND, "Not Found".to_owned()),
            Self::Mistaken(status, message) => (*status, message.clone()),
        };
        let mut response = answer::json(status, &ErrorBody { message: &message });
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        if let Self::Core(error) = &self {
            note_detail(error, &mut response);
        }
        response
    }
}

/// 405, to which the routes add `Allow`.
pub(super) fn method_not_allowed() -> Response {
    let message = "Method not allowed";
    answer::json(StatusCode::METHOD_NOT_ALLOWED, &ErrorBody { message })
}

fn status_here(error: &CoreError) -> StatusCode {
    match error {
        // Mistaken values are 422 in this API.
        CoreError::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        other => status_of(other),
    }
}

fn message_here(error: &CoreError) -> String {
    match error {
        CoreError::Unauthenticated | CoreError::InvalidToken(_) => {
            AUTHENTICATION_REQUIRED.to_owned()
        }
        CoreError::Forbidden(Lack::Scope(scope)) => {
            format!("Your access token doesn't have the {scope} scope")
        }
        CoreError::Forbidden(Lack::Role(role)) => {
            format!("Forbidden: the role {role} on the pipeline is needed")
        }
        CoreError::Forbidden(Lack::JobToken) => {
            "Forbidden: a job's token reads its own build and changes nothing else".to_owned()
        }
        CoreError::NotFound(What::Project) => "No pipeline found".to_owned(),
        CoreError::NotFound(what) => format!("No {what} found"),
        CoreError::Expired(what) => format!("No {what} found: its retention is over"),
        other => message_of(other),
    }
}
