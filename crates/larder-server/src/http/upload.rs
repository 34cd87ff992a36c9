//! The one way in for user content.

use crate::http::content_encoding::{UnsupportedEncoding, require_plain};
use crate::metrics::{UPLOADS, UPLOADS_IN_FLIGHT};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt as _;
use larder_core::{Error, Incoming};

/// The bytes of a request's body, as they come. An encoding other than `identity` is refused: what is stored is what
/// was sent, and nobody could tell what was meant.
pub fn incoming(headers: &HeaderMap, body: Body) -> Result<Incoming, UnsupportedEncoding> {
    require_plain(headers)?;
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse().ok());
    let in_flight = InFlight::begin();
    let chunks = body.into_data_stream().map(move |chunk| {
        let _counted = &in_flight;
        chunk.map_err(|error| error.to_string())
    });
    Ok(Incoming::new(chunks, declared))
}

/// Counts an upload while its bytes come, however it ends.
struct InFlight;

impl InFlight {
    fn begin() -> Self {
        metrics::gauge!(UPLOADS_IN_FLIGHT).increment(1.0);
        Self
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!(UPLOADS_IN_FLIGHT).decrement(1.0);
    }
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
