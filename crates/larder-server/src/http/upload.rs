//! The one way in for user content.

use crate::http::content_encoding::is_encoded;
use crate::metrics::UPLOADS;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use larder_core::{Error, Incoming};

/// The bytes of a request's body, as they come. An encoding other than `identity` is refused: what is stored is what
/// was sent, and nobody could tell what was meant.
pub fn incoming(headers: &HeaderMap, body: Body) -> Result<Incoming, Error> {
    if is_encoded(headers) {
        let reason = "send the bytes as they are; a Content-Encoding is not undone here";
        return Err(Error::Invalid {
            field: "Content-Encoding",
            reason: reason.into(),
        });
    }
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse().ok());
    let chunks = body
        .into_data_stream()
        .map(|chunk| chunk.map_err(|error| error.to_string()));
    Ok(Incoming::new(chunks, declared))
}

/// Counts an upload by what came of it.
pub fn counted<T>(result: Result<T, Error>) -> Result<T, Error> {
    let outcome = match &result {
        Ok(_) => "kept",
        Err(Error::UploadInterrupted(_)) => "broken",
        Err(_) => "refused",
    };
    metrics::counter!(UPLOADS, "outcome" => outcome).increment(1);
    result
}
