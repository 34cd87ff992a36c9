//! The way in: an accept loop of our own around hyper.
//!
//! ```text
//! accept, cap connections, drain        here
//! tls                                   certificates and keys
//! connection                            one connection: hyper between the two below
//!   guarded_io, timer                   what hyper reads: judged framing, limited patience
//!   framing                             where messages begin and end, strictly
//!   peer                                who is at the other end, behind proxies too
//! ```
//!
//! Nothing here knows a route, a store or a façade: any service that answers requests will do.

mod address_range;
#[cfg(test)]
mod agreement;
mod connection;
mod exchange;
mod framing;
mod guarded_io;
mod peer;
mod timer;
mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::Request;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

pub use address_range::AddressRange;
pub use connection::{Terms, serve_connection};
pub use peer::{PeerAddr, TrustedProxies};
pub use tls::{Tls, TlsError};

/// A handshake may take this long.
const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// After the system has refused a connection for want of file descriptors or memory, it is not asked again for
/// this long: the backlog would make the same error at once, and the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client may take for each thing.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From a head's first byte to its last. Trickling does not extend it.
    pub header: Duration,
    /// Between two reads of a body that somebody waits for.
    pub body_idle: Duration,
    /// Between two writes of an answer.
    pub write: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            body_idle: Duration::from_secs(30),
            write: Duration::from_mins(1),
            idle: Duration::from_mins(1),
        }
    }
}

/// How a listener treats its connections.
#[derive(Debug, Clone)]
pub struct Options {
    /// Encrypts every connection when given.
    pub tls: Option<Tls>,
    /// How long a client may take.
    pub patience: Patience,
    /// So many connections are open at once; more wait in the system's backlog.
    pub connections_max: usize,
    /// How long answers that are on their way may take after the stop.
    pub drain: Duration,
    /// Whose word about the client is taken.
    pub trusted_proxies: TrustedProxies,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: None,
            patience: Patience::default(),
            connections_max: 4096,
            drain: Duration::from_secs(30),
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

/// How the drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that did not end in time and were cut off.
    pub cut_off: usize,
}

/// A bound socket that does not serve yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    options: Options,
}

impl Listener {
    /// Binds `address`; port 0 picks a free one.
    pub async fn bind(address: SocketAddr, options: Options) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        Ok(Self { socket, options })
    }

    /// The address that was bound, with its real port.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// `http`, or `https` with TLS.
    pub fn scheme(&self) -> &'static str {
        if self.options.tls.is_some() {
            "https"
        } else {
            "http"
        }
    }

    /// Serves until `stop`, then lets answers on their way end, each connection at most [`Options::drain`].
    pub async fn serve<S>(self, service: S, stop: CancellationToken) -> Drained
    where
        S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send,
    {
        let Self { socket, options } = self;
        let permits = Arc::new(Semaphore::new(options.connections_max));
        let tasks = TaskTracker::new();
        let terms = Terms {
            patience: options.patience,
            trusted_proxies: Arc::new(options.trusted_proxies),
            stop: stop.clone(),
            abort: CancellationToken::new(),
        };
        while let Some((stream, client, permit)) = next(&socket, &permits, &stop).await {
            let (service, terms, tls) = (service.clone(), terms.clone(), options.tls.clone());
            tasks.spawn(async move {
                let open = metrics::gauge!(crate::metrics::CONNECTIONS);
                open.increment(1.0);
                serve_stream(stream, client, tls, service, &terms).await;
                open.decrement(1.0);
                drop(permit);
            });
        }
        drop(socket);
        drain(&tasks, &terms.abort, options.drain).await
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, or nothing once the listener is to stop.
async fn next(
    socket: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<Accepted> {
    let permit = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        permit = Arc::clone(permits).acquire_owned() => permit.ok()?,
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, client)) => return Some((stream, client, permit)),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The client was gone before we came to it; the next one may be fine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

async fn serve_stream<S>(
    stream: TcpStream,
    client: SocketAddr,
    tls: Option<Tls>,
    service: S,
    terms: &Terms,
) where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    // Without it, the last piece of an answer may wait for an acknowledgement. A failure costs only speed.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return serve_connection(stream, client, false, service, terms).await;
    };
    let handshake = tokio::time::timeout(TLS_HANDSHAKE_MAX, tls.acceptor().accept(stream));
    let outcome = tokio::select! {
        outcome = handshake => outcome,
        () = terms.stop.cancelled() => return,
    };
    match outcome {
        Ok(Ok(stream)) => serve_connection(stream, client, true, service, terms).await,
        Ok(Err(error)) => tracing::debug!(peer = %client.ip(), %error, "TLS handshake"),
        Err(_) => tracing::debug!(peer = %client.ip(), "TLS handshake took too long"),
    }
}

async fn drain(tasks: &TaskTracker, abort: &CancellationToken, limit: Duration) -> Drained {
    tasks.close();
    if tokio::time::timeout(limit, tasks.wait()).await.is_ok() {
        return Drained { cut_off: 0 };
    }
    let cut_off = tasks.len();
    tracing::warn!(cut_off, "connections did not end in time and are cut off");
    abort.cancel();
    tasks.wait().await;
    Drained { cut_off }
}
