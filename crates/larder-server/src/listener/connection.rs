//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use super::exchange::{Busy, Exchange};
use super::framing::Refusal;
use super::guarded_io::{GuardedIo, STAND_IN_METHOD};
use super::peer::Peer;
use super::{Patience, PeerAddr, TrustedProxies};

/// What a connection reads ahead and writes behind, each; a body that is being received takes twice as much. More than
/// a head may have.
const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// What every connection of a listener has in common.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How long a client may take.
    pub patience: Patience,
    /// Whose word about the client is taken.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// Asks connections to end after the answer at hand.
    pub stop: CancellationToken,
    /// Ends them at once.
    pub abort: CancellationToken,
}

/// Serves the requests of one connection until it ends.
///
/// `is_tls` says whether `io` is already decrypted.
pub async fn serve_connection<T, S>(
    io: T,
    client: std::net::SocketAddr,
    is_tls: bool,
    service: S,
    terms: &Terms,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let exchange = Arc::new(Exchange::default());
    let peer = Peer {
        address: client.ip().to_canonical(),
        is_tls,
        proxies: Arc::clone(&terms.trusted_proxies),
    };
    let guarded = GuardedIo::new(io, terms.patience, Arc::clone(&exchange));
    let answer =
        service_fn(move |request| answer(request, service.clone(), peer.clone(), exchange.begin()));
    let mut connection = pin!(
        http1::Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(TokioIo::new(guarded), answer)
    );
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = terms.abort.cancelled() => return,
        () = terms.stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                outcome = connection.as_mut() => outcome,
                () = terms.abort.cancelled() => return,
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(peer = %client.ip(), %error, "connection broke off");
    }
}

async fn answer<S>(
    request: Request<Incoming>,
    service: S,
    peer: Peer,
    busy: Busy,
) -> Result<http::Response<Answer>, Infallible>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>,
{
    if request.method() == STAND_IN_METHOD {
        let refusal = busy.refusal().unwrap_or(Refusal {
            status: 400,
            reason: "the request is malformed",
        });
        tracing::info!(peer = %peer.address, status = refusal.status, reason = refusal.reason, "refused a request");
        metrics::counter!(crate::metrics::REFUSED, "status" => refusal.status.to_string())
            .increment(1);
        return Ok(refusal_response(refusal).map(|body| Answer { body, _busy: busy }));
    }
    let mut request = request.map(Body::new);
    let seen: PeerAddr = peer.as_seen_by(request.headers());
    request.extensions_mut().insert(seen);
    let response = match AssertUnwindSafe(service.oneshot(request))
        .catch_unwind()
        .await
    {
        Ok(Ok(response)) => response,
        // The panic hook has said where; the client needs to know only that it was not its fault.
        Err(_) => plain_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server made a mistake; its log says more",
        ),
    };
    Ok(response.map(|body| Answer { body, _busy: busy }))
}

fn refusal_response(refusal: Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = plain_response(status, refusal.reason);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

fn plain_response(status: StatusCode, reason: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{reason}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A response body during whose life its connection is busy.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
