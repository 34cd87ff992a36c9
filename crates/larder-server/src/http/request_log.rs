//! One line and one count per request, when its answer has gone out.
//!
//! The route's template is logged, not the path, and never the query: paths name files, queries carry tokens.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use http_body::{Body as _, Frame, SizeHint};

use crate::listener::PeerAddr;
use crate::metrics::{DAMAGED_READS, REQUEST_SECONDS, REQUESTS, SIGN_IN_FAILURES};

/// Names a request in the log, in `X-Request-Id`, and in what a user is told about an error.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// What went wrong, for the log alone; a façade puts it into the extensions of its answer.
#[derive(Debug, Clone)]
pub struct ErrorDetail(pub String);

/// The template of routes that do not exist.
const NO_ROUTE: &str = "(none)";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id, and logs and counts it at its end. For `Router::layer` with `axum::middleware::from_fn`,
/// outermost: routes are known there already.
pub async fn log_request(mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7().simple().to_string();
    let started = Instant::now();
    let method = request.method().clone();
    let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.ip);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|route| route.as_str().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));

    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let line = Line {
        started,
        method,
        route: route.unwrap_or_else(|| NO_ROUTE.to_owned()),
        peer,
        id,
        status: response.status().as_u16(),
        error: response.extensions_mut().remove::<ErrorDetail>(),
        sent_bytes: 0,
        length: announced_length(&response),
        is_ended: false,
        has_failed: false,
    };
    response.map(|body| Body::new(LoggedBody { body, line }))
}

/// What one line says; written when it is dropped, with the answer's body.
struct Line {
    started: Instant,
    method: Method,
    route: String,
    peer: Option<IpAddr>,
    id: String,
    status: u16,
    error: Option<ErrorDetail>,
    sent_bytes: u64,
    /// What the answer's length must come to, where it was announced.
    length: Option<u64>,
    /// The body has said that it is over.
    is_ended: bool,
    /// The body ended in an error, which is a fault of the store: clients that go away end nothing here.
    has_failed: bool,
}

/// hyper asks a body for no more than was announced, so it may never hear that there is no more.
fn announced_length(response: &Response) -> Option<u64> {
    // An empty body knows its length; a 304 speaks of another one.
    let header = response.headers().get(header::CONTENT_LENGTH);
    let announced = || header.and_then(|length| length.to_str().ok()?.parse().ok());
    response.body().size_hint().exact().or_else(announced)
}

impl Line {
    /// Every way of signing in is a form that is sent to an address of this form.
    fn is_failed_sign_in(&self) -> bool {
        let is_sign_in = self.route.split('/').any(|segment| segment == "sign-in");
        is_sign_in && self.method == Method::POST && (400..500).contains(&self.status)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let (method, route, status) = (
            self.method.to_string(),
            self.route.clone(),
            self.status.to_string(),
        );
        metrics::counter!(REQUESTS, "method" => method, "route" => route.clone(), "status" => status).increment(1);
        metrics::histogram!(REQUEST_SECONDS, "route" => route).record(took.as_secs_f64());
        if self.is_failed_sign_in() {
            metrics::counter!(SIGN_IN_FAILURES, "route" => self.route.clone()).increment(1);
        }
        let peer = self.peer.map(|peer| peer.to_string()).unwrap_or_default();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        // HEAD answers announce a body that nobody reads.
        let is_whole = self
            .length
            .map_or(self.is_ended, |length| length == self.sent_bytes);
        let is_cut_off = !is_whole && self.method != Method::HEAD;
        macro_rules! write_line {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    method = %self.method,
                    route = %self.route,
                    status = self.status,
                    bytes = self.sent_bytes,
                    duration_ms,
                    peer = %peer,
                    request_id = %self.id,
                    cut_off = is_cut_off.then_some(true),
                    error = self.error.as_ref().map(|error| tracing::field::display(&error.0)),
                    "request"
                )
            };
        }
        if self.status >= 500 || self.has_failed {
            write_line!(tracing::Level::ERROR);
        } else {
            write_line!(tracing::Level::INFO);
        }
    }
}

/// Whether the bytes of the store are not those that were kept, rather than out of reach.
fn is_damage(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return matches!(
                error.kind(),
                ErrorKind::InvalidData | ErrorKind::UnexpectedEof
            );
        }
        cause = error.source();
    }
    false
}

struct LoggedBody {
    body: Body,
    line: Line,
}

impl http_body::Body for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.body).poll_frame(cx);
        match &poll {
            Poll::Ready(Some(Ok(frame))) => {
                this.line.sent_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(None) => this.line.is_ended = true,
            Poll::Ready(Some(Err(error))) => {
                this.line.has_failed = true;
                if is_damage(error) {
                    metrics::counter!(DAMAGED_READS).increment(1);
                }
                this.line
                    .error
                    .get_or_insert_with(|| ErrorDetail(format!("send the answer: {error}")));
            }
            Poll::Pending => {}
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
