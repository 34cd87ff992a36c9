//! How this API says no: `{"code":"a_stable_word","message":"what went wrong and what to do"}`.

use crate::http::content_encoding::UnsupportedEncoding;
use crate::http::status::{message_of, note_detail, status_of};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use larder_protocol::ErrorBody;

/// Why a request was refused.
#[derive(Debug)]
pub(super) enum Error {
    /// The larder said no.
    Core(larder_core::Error),
    /// The body is packed.
    Encoded(UnsupportedEncoding),
    /// The request could not be read.
    Unreadable {
        /// 400, 413 …
        status: StatusCode,
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
    },
}

impl Error {
    /// A part of the request that is mistaken.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Unreadable {
            status: StatusCode::BAD_REQUEST,
            code: "invalid",
            message: message.into(),
        }
    }

    /// A body that is not a file and too long.
    pub(super) fn too_large(what: &str, limit: usize) -> Self {
        let message = format!("{what} is larger than the limit of {limit} bytes.");
        Self::Unreadable {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "too_large",
            message,
        }
    }

    /// What keeping a file can end in: bytes without the announced digest are well-formed and still not acceptable.
    pub(super) fn of_upload(error: larder_core::Error) -> Self {
        match error {
            larder_core::Error::Invalid {
                field: "sha256",
                reason,
            } => Self::Unreadable {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                code: "digest_mismatch",
                message: format!("SHA-256: {reason}. Nothing was kept; send the file again."),
            },
            other => Self::Core(other),
        }
    }
}

impl From<larder_core::Error> for Error {
    fn from(error: larder_core::Error) -> Self {
        Self::Core(error)
    }
}

impl From<UnsupportedEncoding> for Error {
    fn from(error: UnsupportedEncoding) -> Self {
        Self::Encoded(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::Unreadable {
                status,
                code,
                message,
            } => refuse(status, code, message),
            Self::Encoded(error) => {
                let (status, code) = (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding");
                let mut response = refuse(status, code, error.to_string());
                let identity = HeaderValue::from_static("identity");
                response
                    .headers_mut()
                    .insert(header::ACCEPT_ENCODING, identity);
                response
            }
            Self::Core(error) => {
                let mut response = refuse(status(&error), code(&error), message(&error));
                if let Some(challenge) = challenge(&error) {
                    let challenge = HeaderValue::from_static(challenge);
                    response
                        .headers_mut()
                        .insert(header::WWW_AUTHENTICATE, challenge);
                }
                note_detail(&error, &mut response);
                response
            }
        }
    }
}

/// 405, to which the routes add `Allow`.
pub(super) fn method_not_allowed() -> Response {
    let message =
        "This address does not take the method; the header Allow names those that it takes.";
    refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message.into(),
    )
}

/// 404 for what is no address of this API at all.
pub(super) fn no_such_route() -> Response {
    let message =
        "There is no such address in this API; /larder/v1/openapi.json describes all of them.";
    refuse(StatusCode::NOT_FOUND, "no_such_route", message.into())
}

/// 416 in this API's form, from a bare one that knows how long the content is.
pub(super) fn range_not_satisfiable(bare: &Response) -> Response {
    let message =
        "No byte of the range is there; the header Content-Range says how long the content is.";
    let mut response = refuse(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        message.into(),
    );
    if let Some(length) = bare.headers().get(header::CONTENT_RANGE) {
        response
            .headers_mut()
            .insert(header::CONTENT_RANGE, length.clone());
    }
    response
}

fn refuse(status: StatusCode, code: &str, message: String) -> Response {
    (
        status,
        axum::Json(ErrorBody {
            code: code.to_owned(),
            message,
        }),
    )
        .into_response()
}

fn status(error: &larder_core::Error) -> StatusCode {
    match error {
        // This API tells what was there once from what never was.
        larder_core::Error::Expired(_) => StatusCode::GONE,
        other => status_of(other),
    }
}

fn message(error: &larder_core::Error) -> String {
    match error {
        larder_core::Error::Unauthenticated => {
            "A token is needed: send it as `Authorization: Bearer lrd_…`.".to_owned()
        }
        other => message_of(other),
    }
}

/// Stable: programs decide by these words.
fn code(error: &larder_core::Error) -> &'static str {
    use larder_core::Error as E;
    match error {
        E::Unauthenticated => "unauthenticated",
        E::InvalidToken(_) => "invalid_token",
        E::Forbidden(_) => "forbidden",
        E::NotFound(_) => "not_found",
        E::Expired(_) => "expired",
        E::Conflict(_) => "conflict",
        E::Invalid { .. } => "invalid",
        E::TooLarge { .. } => "too_large",
        E::RangeNotSatisfiable { .. } => "range_not_satisfiable",
        E::UploadInterrupted(_) => "upload_interrupted",
        E::ProjectFull { .. } => "project_full",
        E::StorageFull => "storage_full",
        E::Unavailable(_) => "unavailable",
        E::Internal { .. } => "internal",
    }
}

/// What `WWW-Authenticate` says with a 401 (RFC 6750, 3).
fn challenge(error: &larder_core::Error) -> Option<&'static str> {
    match error {
        larder_core::Error::Unauthenticated => Some("Bearer"),
        larder_core::Error::InvalidToken(_) => Some("Bearer error=\"invalid_token\""),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder_core::{Error as Core, What};

    #[track_caller]
    fn check(error: Core, expected: u16, expected_code: &str) {
        assert_eq!(code(&error), expected_code);
        assert_eq!(
            Error::from(error).into_response().status().as_u16(),
            expected
        );
    }

    #[test]
    fn every_meaning_has_its_status_and_its_word() {
        check(Core::Expired(What::Artifact), 410, "expired");
        check(Core::NotFound(What::Artifact), 404, "not_found");
        check(Core::StorageFull, 507, "storage_full");
        let full = Core::ProjectFull {
            project: "github/acme/demo".into(),
            limit: 10,
            used: 9,
            wanted: 2,
        };
        check(full, 507, "project_full");
        check(Core::Unavailable("away".into()), 503, "unavailable");
        check(
            Core::UploadInterrupted("reset".into()),
            400,
            "upload_interrupted",
        );
        check(Core::internal("read", "secret detail"), 500, "internal");
        check(
            Core::RangeNotSatisfiable { size: 1 },
            416,
            "range_not_satisfiable",
        );
    }

    #[test]
    fn a_wrong_digest_is_told_from_a_malformed_request() {
        let mismatch = Error::of_upload(Core::invalid("sha256", "other bytes")).into_response();
        assert_eq!(mismatch.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let other = Error::of_upload(Core::invalid("alias", "too long")).into_response();
        assert_eq!(other.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn strangers_are_not_told_of_our_faults() {
        assert!(!message(&Core::internal("read", "secret detail")).contains("secret"));
    }
}
