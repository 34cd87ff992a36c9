//! Which status each meaning has where an API does not say otherwise.

use crate::http::invalid_tokens::UnknownToken;
use crate::http::request_log::ErrorDetail;
use crate::http::session::SignInWanted;
use crate::metrics::{INVALID_TOKENS, STORE_ERRORS};
use axum::http::StatusCode;
use larder_core::{Error, TokenFault};

/// The status of an error. An API that differs overrides an arm and says why.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Unauthenticated | Error::InvalidToken(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::Expired(_) => StatusCode::NOT_FOUND,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Invalid { .. } | Error::UploadInterrupted(_) => StatusCode::BAD_REQUEST,
        Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        Error::ProjectFull { .. } | Error::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What people may read of an error: faults of ours are not explained to strangers but logged.
pub fn message_of(error: &Error) -> String {
    match error {
        Error::Internal { .. } => {
            "Something went wrong here; the operator's log says what.".to_owned()
        }
        Error::TooLarge { limit } => format!("The file is larger than the limit of {limit} bytes."),
        Error::StorageFull => {
            "No space is left on the store. Try again when the operator has made room.".to_owned()
        }
        Error::Unavailable(_) => "The store is not available. Try again in a moment.".to_owned(),
        other => other.to_string(),
    }
}

/// Counts what operators want to hear of: faults of the store, and tokens that were refused.
pub fn count(error: &Error) {
    let fault = match error {
        Error::InvalidToken(fault) => {
            let fault = match fault {
                TokenFault::Malformed => "malformed",
                TokenFault::Unknown => "unknown",
                TokenFault::Expired => "expired",
                TokenFault::Revoked => "revoked",
            };
            metrics::counter!(INVALID_TOKENS, "fault" => fault).increment(1);
            return;
        }
        Error::Unavailable(_) => "unavailable",
        Error::StorageFull => "full",
        Error::Internal { .. } => "internal",
        Error::Unauthenticated
        | Error::Forbidden(_)
        | Error::NotFound(_)
        | Error::Expired(_)
        | Error::Conflict(_)
        | Error::Invalid { .. }
        | Error::TooLarge { .. }
        | Error::ProjectFull { .. }
        | Error::RangeNotSatisfiable { .. }
        | Error::UploadInterrupted(_) => return,
    };
    metrics::counter!(STORE_ERRORS, "kind" => fault).increment(1);
}

/// Adds what others than the caller need to know of an error: the detail of a fault of ours for the log, `Retry-After`
/// where trying again helps, and marks for the limiter of unknown tokens and for browsers in which nobody is signed in.
pub fn note_detail(error: &Error, response: &mut axum::response::Response) {
    count(error);
    let status = status_of(error);
    // A full project is nothing that the machine's operator has to look at in the log.
    if status.is_server_error() && !matches!(error, Error::ProjectFull { .. }) {
        response
            .extensions_mut()
            .insert(ErrorDetail(error.to_string()));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = axum::http::HeaderValue::from_static("5");
        response
            .headers_mut()
            .insert(axum::http::header::RETRY_AFTER, soon);
    }
    if matches!(error, Error::InvalidToken(TokenFault::Unknown)) {
        response.extensions_mut().insert(UnknownToken);
    }
    if matches!(error, Error::Unauthenticated) {
        response.extensions_mut().insert(SignInWanted);
    }
}
