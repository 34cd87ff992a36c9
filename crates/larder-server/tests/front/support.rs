//! A server that counts, and a client that sends exactly the bytes it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use larder_server::config::LogConfig;
use larder_server::listener::{Drained, Listener, Options};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What the handlers have seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    begun: Arc<AtomicUsize>,
    whole: Arc<AtomicUsize>,
}

impl Seen {
    /// Requests that reached a handler.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Requests whose bodies a handler read to the end.
    pub(crate) fn whole(&self) -> usize {
        self.whole.load(Ordering::SeqCst)
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Seen,
    pub(crate) stop: CancellationToken,
    pub(crate) task: JoinHandle<Drained>,
}

/// Makes every place that logs count as listened to, before any test comes to one: `tracing` remembers of a place that
/// nobody listened when it was first come to, and then a test that does listen would miss its lines.
pub(crate) fn begin_log() {
    static BEGUN: std::sync::Once = std::sync::Once::new();
    BEGUN.call_once(|| {
        let config = LogConfig::default();
        let _ = tracing::subscriber::set_global_default(larder_server::log::subscriber(
            config,
            std::io::sink,
        ));
    });
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        let seen = Seen::default();
        let router = counting(&seen);
        Self::serve(options, router, seen).await
    }

    pub(crate) async fn serve(options: Options, router: Router, seen: Seen) -> Self {
        begin_log();
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), options)
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(listener.serve(router, stop.clone()));
        Self {
            address,
            seen,
            stop,
            task,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `bytes` and reads until the server closes.
    pub(crate) async fn answer_to(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may have said no before the last byte.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        // Well before the server would close by itself: a request that was to be refused was not.
        let reading = stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(Duration::from_secs(20), reading).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Answers every request with its method, path and body.
pub(crate) fn counting(seen: &Seen) -> Router {
    Router::new().fallback(echo).with_state(seen.clone())
}

async fn echo(State(seen): State<Seen>, request: Request) -> Response {
    seen.begun.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    match read(body).await {
        Ok(body) => {
            seen.whole.fetch_add(1, Ordering::SeqCst);
            format!("[{} {} {body}]", parts.method, parts.uri.path()).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
    }
}

async fn read(body: Body) -> Result<String, String> {
    let bytes = to_bytes(body, 1 << 20).await.map_err(|error| {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            reason = error.to_string();
            cause = error.source();
        }
        reason
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The statuses of all answers in what a server sent.
pub(crate) fn statuses(answer: &str) -> Vec<u16> {
    answer
        .match_indices("HTTP/1.")
        .filter_map(|(start, _)| answer.get(start + 9..start + 12)?.parse().ok())
        .collect()
}
