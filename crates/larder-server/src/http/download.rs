//! The one responder that sends user content: whole, a range of it, only the head, or nothing because the client has
//! it already (RFC 9110).

use crate::http::byte_range::{RequestedRange, requested_range, unsatisfied_content_range};
use crate::http::content_headers::{Content, Disposition, Place, is_for_service_worker};
use crate::http::hosts::RequestHost;
use crate::http::state::App;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use larder_core::model::{Artifact, ByteRange};
use larder_core::{Error, Readable};
use std::time::{Duration, UNIX_EPOCH};

const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// What of a request decides how content is sent.
#[derive(Clone, Debug)]
pub struct Wish {
    method: Method,
    headers: HeaderMap,
    disposition: Disposition,
    place: Place,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Wish {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

impl Wish {
    /// What a request wishes.
    pub fn of(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let asks_for_file = query.split('&').any(|pair| pair == "download=1");
        Self {
            method: parts.method.clone(),
            headers: parts.headers.clone(),
            disposition: if asks_for_file {
                Disposition::Attachment
            } else {
                Disposition::Inline
            },
            place: match parts.extensions.get::<RequestHost>() {
                None | Some(RequestHost::Main) => Place::MainHost,
                Some(RequestHost::Content) => Place::ContentHost,
                Some(RequestHost::ContentWildcard { .. }) => Place::JobHost,
            },
        }
    }

    /// The same without what the query asks for, on routes whose query means nothing.
    #[must_use]
    pub fn without_query(self) -> Self {
        Self {
            disposition: Disposition::Inline,
            ..self
        }
    }
}

/// The same, where the right to read is in the address and the caller has no credential to leak: a client that is no
/// browser may be sent to the bucket. A browser would lose the sandbox with it.
pub async fn send_or_redirect(
    app: &App,
    wish: &Wish,
    readable: &Readable,
) -> Result<Response, Error> {
    let is_browser = wish.headers.contains_key("sec-fetch-mode");
    if is_browser || wish.method != Method::GET {
        return send(app, wish, readable).await;
    }
    let answer = content(app, wish, readable.artifact()).presigned_answer();
    match app.larder().artifacts.presigned(readable, &answer).await? {
        Some(address) => redirect(&address),
        None => send(app, wish, readable).await,
    }
}

fn redirect(address: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(address)
        .map_err(|error| Error::internal("redirect to the bucket", error))?;
    let mut response = only(StatusCode::FOUND);
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    // The address is good for a minute.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    Ok(response)
}

/// Sends an artifact's bytes as the request wishes.
pub async fn send(app: &App, wish: &Wish, readable: &Readable) -> Result<Response, Error> {
    let artifact = readable.artifact();
    let etag = etag_of(artifact);
    if is_for_service_worker(&wish.headers) {
        return Ok(only(StatusCode::FORBIDDEN));
    }
    if is_known(wish, &etag) {
        let mut response = only(StatusCode::NOT_MODIFIED);
        response.headers_mut().insert(header::ETAG, etag);
        return Ok(response);
    }
    let mut response = match range_wished(wish, &etag, artifact.size) {
        RequestedRange::Unsatisfiable => {
            let mut response = only(StatusCode::RANGE_NOT_SATISFIABLE);
            response.headers_mut().insert(
                header::CONTENT_RANGE,
                unsatisfied_content_range(artifact.size),
            );
            return Ok(response);
        }
        RequestedRange::Whole => body(app, wish, readable, None).await?,
        RequestedRange::Part(part) => {
            let range = ByteRange {
                start: part.first,
                end: part.last + 1,
            };
            let mut response = body(app, wish, readable, Some(range)).await?;
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response
                .headers_mut()
                .insert(header::CONTENT_RANGE, part.content_range(artifact.size));
            response
        }
    };
    let headers = response.headers_mut();
    headers.extend(content(app, wish, artifact).headers());
    headers.insert(header::ETAG, etag);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert_digest(headers, artifact);
    insert_last_modified(headers, artifact);
    Ok(response)
}

async fn body(
    app: &App,
    wish: &Wish,
    readable: &Readable,
    range: Option<ByteRange>,
) -> Result<Response, Error> {
    let length = range.map_or(readable.artifact().size, ByteRange::length);
    let body = match wish.method {
        Method::HEAD => Body::empty(),
        _ => Body::from_stream(app.larder().artifacts.open(readable, range).await?),
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}

fn content<'a>(app: &App, wish: &Wish, artifact: &'a Artifact) -> Content<'a> {
    Content {
        path: artifact.path.as_str(),
        content_type: Some(&artifact.content_type),
        disposition: wish.disposition,
        place: wish.place,
        is_tree_link: false,
        serve_html: app.serve_html(),
    }
}

/// Content never changes under its digest, so the digest is the strong validator.
fn etag_of(artifact: &Artifact) -> HeaderValue {
    let digest = artifact
        .sha256
        .map(|digest| digest.hex())
        .unwrap_or_default();
    HeaderValue::from_str(&format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn is_known(wish: &Wish, etag: &HeaderValue) -> bool {
    let values = wish.headers.get_all(header::IF_NONE_MATCH).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/").as_bytes() == etag.as_bytes())
}

/// A range counts only if it is of the content that the client has a part of already.
fn range_wished(wish: &Wish, etag: &HeaderValue, size: u64) -> RequestedRange {
    let unchanged = wish
        .headers
        .get(header::IF_RANGE)
        .is_none_or(|known| known == etag);
    if unchanged {
        requested_range(wish.headers.get(header::RANGE), size)
    } else {
        RequestedRange::Whole
    }
}

fn insert_digest(headers: &mut HeaderMap, artifact: &Artifact) {
    let Some(sha256) = artifact.sha256 else {
        return;
    };
    if let Ok(value) = HeaderValue::from_str(&format!("sha-256=:{}:", STANDARD.encode(sha256.0))) {
        headers.insert(REPR_DIGEST, value);
    }
}

fn insert_last_modified(headers: &mut HeaderMap, artifact: &Artifact) {
    let seconds = artifact
        .finished_at
        .unwrap_or(artifact.created_at)
        .seconds();
    let time = UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if let Ok(value) = HeaderValue::from_str(&httpdate::fmt_http_date(time)) {
        headers.insert(header::LAST_MODIFIED, value);
    }
}

fn only(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
