//! Clients that take their time. The clock is the runtime's and moves only when everybody waits.

use std::sync::Arc;
use std::time::Duration;

use larder_server::listener::{Patience, Terms, TrustedProxies, serve_connection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Seen, counting, statuses};

fn terms(patience: Patience) -> Terms {
    Terms {
        patience,
        trusted_proxies: Arc::new(TrustedProxies::default()),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
    }
}

/// A connection to a counting server, with room for `room` unread bytes in each direction.
pub(crate) fn connect(room: usize) -> (DuplexStream, Seen) {
    let seen = Seen::default();
    let (client, far_end) = tokio::io::duplex(room);
    let service = counting(&seen);
    tokio::spawn(async move {
        let address = ([127, 0, 0, 1], 1).into();
        serve_connection(
            far_end,
            address,
            false,
            service,
            &terms(Patience::default()),
        )
        .await;
    });
    (client, seen)
}

/// What the server still sends. One that never ends is a failure, not a test that hangs.
async fn rest_of(mut client: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut answer = String::new();
    let reading = client.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_hours(1), reading)
        .await
        .expect("the connection ends")
        .unwrap();
    answer
}

/// Sends `bytes` one by one, `pause` apart, for as long as they are taken.
fn trickle(
    mut writer: impl tokio::io::AsyncWrite + Unpin + Send + 'static,
    bytes: Vec<u8>,
    pause: Duration,
) {
    tokio::spawn(async move {
        for byte in bytes {
            if writer.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
        std::future::pending::<()>().await;
    });
}

#[track_caller]
fn assert_about(began: Instant, seconds: u64) {
    let took = began.elapsed();
    let allowed = Duration::from_secs(seconds)..Duration::from_secs(seconds + 3);
    assert!(allowed.contains(&took), "took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_trickles_is_cut_off() {
    let (client, seen) = connect(1024);
    let (reader, writer) = tokio::io::split(client);
    let began = Instant::now();
    trickle(
        writer,
        b"GET / HTTP/1.1\r\nHost: a\r\nX: "
            .iter()
            .copied()
            .cycle()
            .take(500)
            .collect(),
        Duration::from_secs(1),
    );
    assert_eq!(statuses(&rest_of(reader).await), [408]);
    assert_about(began, 10);
    assert_eq!(seen.begun(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_in_time_is_answered() {
    let (client, _) = connect(1024);
    let (reader, writer) = tokio::io::split(client);
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec();
    trickle(writer, head, Duration::from_millis(200));
    assert_eq!(statuses(&rest_of(reader).await), [200]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word() {
    let (mut client, _) = connect(1024);
    let began = Instant::now();
    assert_eq!(rest_of(&mut client).await, "");
    assert_about(began, 60);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_its_last_answer() {
    let (mut client, _) = connect(1024);
    tokio::time::sleep(Duration::from_secs(50)).await;
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(statuses(&rest_of(&mut client).await), [200]);
    assert_about(began, 60);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_given_up() {
    let (mut client, seen) = connect(1024);
    client
        .write_all(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello")
        .await
        .unwrap();
    let began = Instant::now();
    let answer = rest_of(&mut client).await;
    assert_eq!(statuses(&answer), [400], "{answer}");
    assert!(answer.contains("did not come in time"), "{answer}");
    assert_about(began, 30);
    assert_eq!(seen.whole(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_stops_is_given_up() {
    for chunk in ["5\r\nhel", "5\r\nhello\r\n", "5", "0\r\nX: "] {
        let (mut client, seen) = connect(1024);
        client
            .write_all(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await
            .unwrap();
        client.write_all(chunk.as_bytes()).await.unwrap();
        let began = Instant::now();
        assert_eq!(statuses(&rest_of(&mut client).await), [400], "{chunk}");
        assert_about(began, 30);
        assert_eq!(seen.whole(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_given_up() {
    let (client, seen) = connect(1024);
    let (reader, mut writer) = tokio::io::split(client);
    writer
        .write_all(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n")
        .await
        .unwrap();
    let began = Instant::now();
    trickle(writer, vec![b'x'; 9000], Duration::from_secs(10));
    assert_eq!(statuses(&rest_of(reader).await), [400]);
    assert_about(began, 30);
    assert_eq!(seen.whole(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_but_steady_body_is_kept() {
    let (client, seen) = connect(1024);
    let (reader, mut writer) = tokio::io::split(client);
    let size = 2048 * 120;
    let head =
        format!("PUT / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n");
    writer.write_all(head.as_bytes()).await.unwrap();
    let sending = tokio::spawn(async move {
        for _ in 0..120 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            writer.write_all(&[b'x'; 2048]).await.unwrap();
        }
        writer
    });
    assert_eq!(statuses(&rest_of(reader).await), [200]);
    sending.await.unwrap();
    assert_eq!(seen.whole(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (mut client, seen) = connect(16);
    let (began, body) = (Instant::now(), "x".repeat(5000));
    let request = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n{body}");
    client.write_all(request.as_bytes()).await.unwrap();
    while seen.whole() == 0 {
        tokio::task::yield_now().await;
    }
    // Nothing is read; the server's end goes away nevertheless.
    tokio::time::sleep(Duration::from_secs(63)).await;
    assert!(client.write_all(b"more than sixteen bytes").await.is_err());
    assert_about(began, 63);
}

#[tokio::test(start_paused = true)]
async fn a_pipelined_head_does_not_hurry_the_answer_before_it() {
    let (mut client, far_end) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let address = ([127, 0, 0, 1], 1).into();
        serve_connection(far_end, address, false, late(), &terms(Patience::default())).await;
    });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT")
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(statuses(&rest_of(&mut client).await), [200, 408]);
    assert_about(began, 110);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_a_late_answer_too() {
    let (mut client, far_end) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let address = ([127, 0, 0, 1], 1).into();
        serve_connection(far_end, address, false, late(), &terms(Patience::default())).await;
    });
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let began = Instant::now();
    assert_eq!(statuses(&rest_of(&mut client).await), [200]);
    assert_about(began, 160);
}

fn late() -> axum::Router {
    axum::Router::new().fallback(|| async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        "late"
    })
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_that_goes_on_sending_is_left_after_two_seconds() {
    let (client, seen) = connect(64);
    let (mut reader, writer) = tokio::io::split(client);
    let began = Instant::now();
    trickle(
        writer,
        [b"\0".as_slice(), &[b'x'; 500]].concat(),
        Duration::from_millis(100),
    );
    let mut answer = [0; 12];
    reader.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    tokio::time::sleep(Duration::from_secs(3)).await;
    let _ = reader.read_to_end(&mut Vec::new()).await;
    assert_about(began, 3);
    assert_eq!(seen.begun(), 0);
}
