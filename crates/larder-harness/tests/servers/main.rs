//! What tests rely on when they break servers and the way to them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails by panicking"
)]

mod chaos_proxy;
mod garage;
mod postgres;
mod round_robin;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long without an answer there will be none.
const SILENCE: Duration = Duration::from_millis(300);

/// A server that says its name to each client and then everything that it hears.
fn echo(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let _ = stream.write_all(name.as_bytes());
                let mut back = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Write);
            });
        }
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The next bytes, as text.
fn hears(mut stream: &TcpStream, length: usize) -> String {
    let mut heard = vec![0; length];
    stream.read_exact(&mut heard).unwrap();
    String::from_utf8(heard).unwrap()
}

/// Everything up to the end of the connection.
fn hears_all(mut stream: &TcpStream) -> String {
    let mut heard = Vec::new();
    // An end that comes as an error is an end too.
    let _ = stream.read_to_end(&mut heard);
    String::from_utf8(heard).unwrap()
}

fn is_silent(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    // Unlike `read`, this goes on after a halt of the whole machine.
    let read = stream.read_exact(&mut [0]);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}
