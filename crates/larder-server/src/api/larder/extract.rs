//! Parts of a request, refused in this API's form when they cannot be read.

use crate::api::larder::error::Error;
use crate::http::content_encoding::require_plain;
use crate::http::state::App;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use larder_core::model::{ArtifactId, BuildId, JobId};
use larder_core::{Error as CoreError, What};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest JSON body in bytes.
pub(super) const JSON_BYTES_MAX: usize = 1024 * 1024;

/// A JSON body, whatever its `Content-Type` says: `curl -d` claims a form.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _app: &App) -> Result<Self, Error> {
        require_plain(request.headers())?;
        let bytes = whole("The JSON body", request.into_body(), JSON_BYTES_MAX).await?;
        parse_json(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Reads a JSON object; the error names the field and the place.
pub(super) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // An array would be read as the fields in their order, which nobody means.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Error::invalid(
            "The JSON body cannot be read: expected an object, not an array",
        ));
    }
    match axum::Json::from_bytes(bytes) {
        Ok(axum::Json(value)) => Ok(value),
        Err(rejection) => {
            let text = rejection.body_text();
            // After the first colon stand the field and the fault, before it a sentence of the framework.
            let fault = text
                .split_once(": ")
                .map_or(text.as_str(), |(_, fault)| fault);
            Err(Error::invalid(format!(
                "The JSON body cannot be read: {fault}"
            )))
        }
    }
}

/// All bytes of a body that may not be longer than `limit`.
pub(super) async fn whole(what: &str, body: Body, limit: usize) -> Result<Bytes, Error> {
    axum::body::to_bytes(body, limit).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        if source.is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
            return Error::too_large(what, limit);
        }
        CoreError::UploadInterrupted(error.to_string()).into()
    })
}

/// Parts of the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        match axum::extract::Path::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Error::invalid(format!(
                "The address cannot be read: {}",
                rejection.body_text()
            ))),
        }
    }
}

/// Parameters after the `?`.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        match axum::extract::Query::from_request_parts(parts, app).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let fault = text
                    .split_once(": ")
                    .map_or(text.as_str(), |(_, fault)| fault);
                Err(Error::invalid(format!("The query cannot be read: {fault}")))
            }
        }
    }
}

/// An id in the path. What is no UUID names nothing, like a UUID that is not known.
pub(super) trait Id: Sized {
    /// Reads the id.
    fn of(text: &str) -> Result<Self, CoreError>;
}

impl Id for ArtifactId {
    fn of(text: &str) -> Result<Self, CoreError> {
        Self::parse(text).ok_or(CoreError::NotFound(What::Artifact))
    }
}

impl Id for BuildId {
    fn of(text: &str) -> Result<Self, CoreError> {
        Self::parse(text).ok_or(CoreError::NotFound(What::Build))
    }
}

impl Id for JobId {
    fn of(text: &str) -> Result<Self, CoreError> {
        Self::parse(text).ok_or(CoreError::NotFound(What::Job))
    }
}

/// An id of an upload in parts, which is the id that its artifact will have.
pub(super) fn upload_id(text: &str) -> Result<ArtifactId, CoreError> {
    ArtifactId::parse(text).ok_or(CoreError::NotFound(What::Upload))
}

/// How many entries a page holds.
pub(super) fn page_size(given: Option<u32>, default: u32, max: u32) -> Result<u32, Error> {
    match given.unwrap_or(default) {
        limit if (1..=max).contains(&limit) => Ok(limit),
        _ => Err(Error::invalid(format!(
            "limit: must be between 1 and {max}"
        ))),
    }
}

/// A place in a list, as an earlier page gave it.
pub(super) fn cursor(
    name: &str,
    given: Option<&str>,
) -> Result<Option<larder_core::model::Cursor>, Error> {
    let Some(text) = given else { return Ok(None) };
    match larder_core::model::Cursor::parse(text) {
        Some(cursor) => Ok(Some(cursor)),
        None => Err(Error::invalid(format!(
            "{name}: give the `next` of the page before as it is"
        ))),
    }
}

/// Words separated by commas; the error names the wrong one and all right ones.
pub(super) fn words<T>(
    name: &str,
    given: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    known: &str,
) -> Result<Vec<T>, Error> {
    let words = given
        .unwrap_or_default()
        .split(',')
        .filter(|word| !word.is_empty());
    let parsed = words.map(|word| {
        parse(word).ok_or_else(|| Error::invalid(format!("{name}: `{word}` is not one of {known}")))
    });
    parsed.collect()
}
