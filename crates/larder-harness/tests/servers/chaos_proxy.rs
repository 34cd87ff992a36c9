//! The proxy that does what networks do.

use crate::{connect, echo, hears, hears_all, is_silent, wait_until};
use larder_harness::{ChaosProxy, Mode, Moment, Side};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const COMMIT: &[u8] = b"COMMIT";

fn proxy() -> ChaosProxy {
    ChaosProxy::start(echo("a")).unwrap()
}

/// A connection that the server has answered already.
fn opened(proxy: &ChaosProxy) -> TcpStream {
    let stream = connect(proxy.address());
    assert_eq!(hears(&stream, 1), "a");
    stream
}

fn says(mut stream: &TcpStream, words: &str) {
    stream.write_all(words.as_bytes()).unwrap();
}

/// A server that answers `done` to what ends in a dot, and tells all that it heard from each client.
fn witness() -> (std::net::SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let tell = tell.clone();
            thread::spawn(move || {
                let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
                while let Ok(read @ 1..) = stream.read(&mut buffer) {
                    heard.extend_from_slice(&buffer[..read]);
                    if heard.ends_with(b".") {
                        let _ = stream.write_all(b"done");
                    }
                }
                let _ = tell.send(String::from_utf8(heard).unwrap());
            });
        }
    });
    (address, told)
}

#[test]
fn bytes_pass_both_ways_and_are_counted_by_connection() {
    let proxy = proxy();
    let stream = opened(&proxy);
    says(&stream, "hello");
    assert_eq!(hears(&stream, 5), "hello");
    assert_eq!((proxy.connections(), proxy.open_connections()), (1, 1));
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(hears_all(&stream), "");
    wait_until("the connection is forgotten", || {
        proxy.open_connections() == 0
    });
    assert_eq!((proxy.connections(), proxy.cuts()), (1, 0));
}

#[test]
fn what_is_large_passes_whole() {
    let proxy = proxy();
    let stream = opened(&proxy);
    let sent = "0123456789".repeat(200_000);
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            says(&stream, &sent);
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        hears_all(&stream)
    });
    assert!(received == sent, "{} bytes came back", received.len());
}

#[test]
fn a_refusing_proxy_is_like_nobody_and_comes_back_on_its_port() {
    let proxy = proxy();
    let before = opened(&proxy);
    for _ in 0..3 {
        proxy.set(Mode::Refuse).unwrap();
        let refused = TcpStream::connect(proxy.address()).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        proxy.set(Mode::Pass).unwrap();
        opened(&proxy);
    }
    says(&before, "x");
    assert_eq!(hears(&before, 1), "x");
    assert_eq!(proxy.connections(), 4);
}

#[test]
fn a_proxy_that_hangs_up_says_nothing() {
    let proxy = proxy();
    proxy.set_once(Mode::HangUp).unwrap();
    assert_eq!(hears_all(&connect(proxy.address())), "");
    assert_eq!(proxy.cuts(), 1);
    opened(&proxy);
}

#[test]
fn all_are_cut_at_once_and_later_ones_are_not() {
    let proxy = proxy();
    proxy
        .set_once(Mode::CutAt {
            pattern: COMMIT.to_vec(),
            moment: Moment::Before,
        })
        .unwrap();
    let streams: Vec<_> = (0..5).map(|_| opened(&proxy)).collect();
    assert_eq!(proxy.cut_all(), 5);
    for stream in &streams {
        assert_eq!(hears_all(stream), "");
    }
    assert_eq!(proxy.cuts(), 5);
    // A rule for once still waits for its own cut.
    let stream = opened(&proxy);
    says(&stream, "COMMIT");
    assert_eq!(hears_all(&stream), "");
}

#[test]
fn a_stalled_connection_is_silent_and_goes_on_later() {
    let proxy = proxy();
    let before = opened(&proxy);
    proxy.set(Mode::Stall).unwrap();
    says(&before, "x");
    let during = connect(proxy.address());
    assert!(is_silent(&before) && is_silent(&during));
    assert_eq!(proxy.open_connections(), 2);
    proxy.set(Mode::Pass).unwrap();
    assert_eq!(
        (hears(&before, 1), hears(&during, 1)),
        ("x".into(), "a".into())
    );
    // What is stalled can be cut.
    proxy.set(Mode::Stall).unwrap();
    says(&before, "x");
    assert_eq!(proxy.cut_all(), 2);
    assert_eq!(hears_all(&before), "");
}

#[test]
fn a_delay_waits_both_ways() {
    let proxy = proxy();
    let stream = opened(&proxy);
    let delay = Duration::from_millis(100);
    proxy.set(Mode::Delay(delay)).unwrap();
    let start = Instant::now();
    says(&stream, "x");
    assert_eq!(hears(&stream, 1), "x");
    assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());
}

#[test]
fn a_cut_after_bytes_lets_exactly_those_pass() {
    let proxy = proxy();
    let stream = opened(&proxy);
    proxy
        .set(Mode::CutAfter {
            towards: Side::Client,
            bytes: 3,
        })
        .unwrap();
    says(&stream, "abcdef");
    assert_eq!(hears_all(&stream), "abc");
    assert_eq!(proxy.cuts(), 1);

    let (server, told) = witness();
    let proxy = ChaosProxy::start(server).unwrap();
    proxy
        .set(Mode::CutAfter {
            towards: Side::Server,
            bytes: 4,
        })
        .unwrap();
    let stream = connect(proxy.address());
    says(&stream, "abcdef.");
    assert_eq!(hears_all(&stream), "");
    assert_eq!(told.recv().unwrap(), "abcd");
}

#[test]
fn a_pattern_cuts_before_or_after_the_server_gets_it() {
    for (moment, heard) in [
        (Moment::Before, "BEGIN. COM"),
        (Moment::After, "BEGIN. COMMIT."),
    ] {
        let (server, told) = witness();
        let proxy = ChaosProxy::start(server).unwrap();
        let pattern = COMMIT.to_vec();
        proxy.set_once(Mode::CutAt { pattern, moment }).unwrap();
        let stream = connect(proxy.address());
        says(&stream, "BEGIN.");
        assert_eq!(hears(&stream, 4), "done");
        says(&stream, " COM");
        thread::sleep(Duration::from_millis(50));
        says(&stream, "MIT.");
        assert_eq!(hears_all(&stream), "", "{moment:?}: the answer is lost");
        assert_eq!(told.recv().unwrap(), heard, "{moment:?}");
        assert_eq!(proxy.cuts(), 1);

        // Once was once.
        let stream = connect(proxy.address());
        says(&stream, "COMMIT.");
        assert_eq!(hears(&stream, 4), "done");
    }
}

#[test]
fn a_proxy_that_is_dropped_ends_its_connections() {
    let proxy = proxy();
    let (address, stream) = (proxy.address(), opened(&proxy));
    drop(proxy);
    assert_eq!(hears_all(&stream), "");
    assert!(TcpStream::connect(address).is_err());
}
