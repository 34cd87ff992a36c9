//! Hosts and the log, in front of routes.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use http::{HeaderMap, StatusCode, header};
use larder_server::config::{Config, LogConfig, LogFormat, LogLevel};
use larder_server::http::hosts::{Hosts, RequestHost, accept_host};
use larder_server::http::request_log::{ErrorDetail, log_request};
use larder_server::listener::{Listener, Options, PeerAddr};
use larder_server::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::support::{Seen, Server, begin_log, statuses};

async fn server() -> Server {
    server_of(&Config::default()).await
}

async fn server_of(config: &Config) -> Server {
    begin_log();
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), Options::default())
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let hosts = Arc::new(Hosts::new(config, address));
    let router =
        Router::new()
            .route("/healthz", get(|| async { "alive" }))
            .route(
                "/who/{name}",
                get(
                    |Extension(host): Extension<RequestHost>,
                     Extension(peer): Extension<PeerAddr>| async move {
                        format!("{host:?} {}", peer.ip)
                    },
                ),
            )
            .route("/broken", get(broken))
            .route("/stream/{length}", get(stream))
            .route("/cookie", get(cookie))
            .route("/damaged", get(damaged))
            .layer(middleware::from_fn_with_state(hosts, accept_host))
            .layer(middleware::from_fn(log_request));
    let stop = CancellationToken::new();
    let task = tokio::spawn(listener.serve(router, stop.clone()));
    Server {
        address,
        seen: Seen::default(),
        stop,
        task,
    }
}

/// Streams four bytes, whatever length it announces.
async fn stream(Path(length): Path<String>) -> Response {
    let pieces = ["ab", "cd"].map(|piece| Ok::<_, std::io::Error>(bytes::Bytes::from(piece)));
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    ([(header::CONTENT_LENGTH, length)], body).into_response()
}

async fn cookie(headers: HeaderMap) -> String {
    format!("{:?}", headers.get(header::COOKIE))
}

/// Streams two bytes and finds that the next are not those that were kept.
async fn damaged() -> Response {
    let found = std::io::Error::new(std::io::ErrorKind::InvalidData, "stored bytes are damaged");
    let pieces = [Ok(bytes::Bytes::from("ab")), Err(found)];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    ([(header::CONTENT_LENGTH, "4")], body).into_response()
}

async fn broken() -> Response {
    let detail = ErrorDetail("the disk of lrd_job_abcdef is on fire".to_owned());
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        Extension(detail),
        "sorry",
    )
        .into_response()
}

#[tokio::test]
async fn a_host_that_is_not_ours_gets_421_and_is_told_what_to_set() {
    let server = server().await;
    let answer = server
        .answer_to(b"GET /who/a HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(statuses(&answer), [421]);
    assert!(
        answer.contains("`evil`") && answer.contains("public_url"),
        "{answer}"
    );
    let answer = server
        .answer_to(b"GET /healthz HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.ends_with("alive"), "{answer}");
    let own = format!(
        "GET /who/a HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        server.address.port()
    );
    let answer = server.answer_to(own.as_bytes()).await;
    assert!(answer.ends_with("Main 127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn cookies_are_not_seen_where_users_files_are_shown() {
    let config = Config {
        public_url: Some("http://builds.test".parse().unwrap()),
        content_url: Some("http://files.test".to_owned().try_into().unwrap()),
        ..Config::default()
    };
    let server = server_of(&config).await;
    for (host, seen) in [("builds.test", "Some(\"a=b\")"), ("files.test", "None")] {
        let request = format!(
            "GET /cookie HTTP/1.1\r\nHost: {host}\r\nCookie: a=b\r\nConnection: close\r\n\r\n"
        );
        let answer = server.answer_to(request.as_bytes()).await;
        assert!(answer.ends_with(seen), "{host}: {answer}");
    }
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_request_is_one_line_without_its_path_and_secrets() {
    let memory = Memory::default();
    let writer = memory.clone();
    let config = LogConfig {
        format: LogFormat::Json,
        level: LogLevel::Info,
    };
    // The test's runtime has one thread, so the server logs on this one too.
    let _logging =
        tracing::subscriber::set_default(larder_server::log::subscriber(config, move || {
            writer.clone()
        }));
    let server = server().await;
    let host = server.address;
    let request = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: \x1b[31m\r\nConnection: close\r\n\r\n").replace('\x1b', "")
    };
    server
        .answer_to(request("/who/hunter2?circle-token=hunter2").as_bytes())
        .await;
    server
        .answer_to(request("/nowhere/hunter2").as_bytes())
        .await;
    server.answer_to(request("/broken").as_bytes()).await;
    server.answer_to(request("/stream/4").as_bytes()).await;
    server.answer_to(request("/stream/5").as_bytes()).await;
    server.answer_to(request("/damaged").as_bytes()).await;
    server.stop.cancel();
    server.task.await.unwrap();

    let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(
        !text.contains("hunter2") && !text.contains("abcdef"),
        "{text}"
    );
    let fields = |line: usize| {
        (
            lines[line]["route"].clone(),
            lines[line]["status"].clone(),
            lines[line]["bytes"].clone(),
        )
    };
    assert_eq!(
        fields(0),
        ("/who/{name}".into(), 200.into(), 14.into()),
        "{text}"
    );
    assert_eq!(fields(1), ("(none)".into(), 404.into(), 0.into()), "{text}");
    assert_eq!(
        fields(2),
        ("/broken".into(), 500.into(), 5.into()),
        "{text}"
    );
    assert_eq!(lines[2]["error"], "the disk of lrd_… is on fire");
    assert_eq!(lines[2]["level"], "ERROR");
    assert_eq!(lines[0]["peer"], "127.0.0.1");
    assert_eq!(lines[0]["request_id"].as_str().map(str::len), Some(32));
    let is_cut_off = |line: usize| lines[line].get("cut_off").is_some();
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(is_cut_off),
        [false, false, false, false, true, true],
        "{text}"
    );
    assert_eq!(lines[5]["level"], "ERROR", "{text}");
    assert_eq!(
        lines[5]["error"], "send the answer: stored bytes are damaged",
        "{text}"
    );
}

#[tokio::test]
async fn the_numbers_have_a_listener_of_their_own() {
    let metrics = Metrics::install();
    let server = server().await;
    let own = format!(
        "GET /who/a HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        server.address
    );
    server.answer_to(own.as_bytes()).await;
    let damaged = own.replace("/who/a", "/damaged");
    server.answer_to(damaged.as_bytes()).await;
    server.stop.cancel();
    server.task.await.unwrap();
    let numbers = Server::serve(Options::default(), metrics.routes(), Seen::default()).await;
    let page = numbers
        .answer_to(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    let counted = "larder_requests_total{method=\"GET\",route=\"/who/{name}\",status=\"200\"}";
    assert!(page.contains(counted), "{page}");
    assert!(page.contains("larder_damaged_reads_total "), "{page}");
    assert!(
        page.contains("larder_connections ") && page.contains("larder_received_bytes_total "),
        "{page}"
    );
}
