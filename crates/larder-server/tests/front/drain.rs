//! Stopping: what is on its way ends well, what idles ends at once, what hangs is cut off.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use larder_server::listener::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::support::{Seen, Server};

/// A server whose one handler says that it was reached and answers when it is let go.
async fn waiting_server(drain: Duration) -> (Server, Arc<Notify>, Arc<Notify>) {
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (handler_reached, handler_go) = (Arc::clone(&reached), Arc::clone(&go));
    let router = Router::new().fallback(move || {
        let (reached, go) = (Arc::clone(&handler_reached), Arc::clone(&handler_go));
        async move {
            reached.notify_one();
            go.notified().await;
            "done"
        }
    });
    let server = Server::serve(
        Options {
            drain,
            ..Options::default()
        },
        router,
        Seen::default(),
    )
    .await;
    (server, reached, go)
}

#[tokio::test]
async fn an_answer_on_its_way_ends_well_and_idle_connections_at_once() {
    let (server, reached, go) = waiting_server(Duration::from_secs(30)).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    reached.notified().await;
    let mut idle = server.connect().await;
    let mut begun = server.connect().await;
    begun.write_all(b"GET / HT").await.unwrap();

    server.stop.cancel();
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap_or(0), 0);
    assert_eq!(begun.read(&mut [0; 16]).await.unwrap_or(0), 0);
    go.notify_one();
    let mut answer = String::new();
    busy.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(server.task.await.unwrap().cut_off, 0);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn an_answer_that_hangs_is_cut_off() {
    let (server, reached, _go) = waiting_server(Duration::ZERO).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    reached.notified().await;
    server.stop.cancel();
    let drained = tokio::time::timeout(Duration::from_mins(1), server.task).await;
    assert_eq!(drained.expect("the server ends").unwrap().cut_off, 1);
    assert_eq!(busy.read(&mut [0; 16]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let (server, reached, go) = {
        let (server, reached, go) = waiting_server(Duration::from_secs(30)).await;
        server.stop.cancel();
        server.task.await.unwrap();
        let handler = (Arc::clone(&reached), Arc::clone(&go));
        let router = Router::new().fallback(move || {
            let (reached, go) = handler.clone();
            async move {
                reached.notify_one();
                go.notified().await;
                "done"
            }
        });
        let options = Options {
            connections_max: 1,
            ..Options::default()
        };
        (
            Server::serve(options, router, Seen::default()).await,
            reached,
            go,
        )
    };
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (mut first, mut second) = (server.connect().await, server.connect().await);
    second.write_all(request).await.unwrap();
    first.write_all(request).await.unwrap();
    reached.notified().await;
    go.notify_one();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    reached.notified().await;
    go.notify_one();
    answer.clear();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
}

#[tokio::test]
async fn a_handler_that_panics_costs_one_answer() {
    let router = Router::new().fallback(|| async { panic!("on purpose") as &'static str });
    let server = Server::serve(Options::default(), router, Seen::default()).await;
    let answer = server.answer_to(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let answer = server.answer_to(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
}
