//! The private Garage.

use crate::{connect, hears, is_silent};
use larder_harness::Garage;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;

/// None, and the reason on the screen, where none can run.
fn start() -> Option<Garage> {
    if let Some(reason) = Garage::missing() {
        println!("skipped: {reason}");
        return None;
    }
    Some(Garage::start().unwrap())
}

/// What the server answers to a signed request, or curl's complaint.
fn curl(server: &Garage, key: &str, arguments: &[&str]) -> Result<String, String> {
    let url = format!("{}/{}/{key}", server.endpoint(), server.bucket());
    let user = format!("{}:{}", server.access_key(), server.secret_key());
    let signature = format!("aws:amz:{}:s3", server.region());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--max-time", "10"])
        .args(["--aws-sigv4", &signature, "--user", &user, &url])
        .args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .args(arguments);
    let output = curl.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

fn put(server: &Garage, key: &str, text: &str) -> Result<String, String> {
    curl(server, key, &["--request", "PUT", "--data-binary", text])
}

#[test]
fn the_key_opens_the_bucket_and_what_was_put_survives() {
    let Some(mut server) = start() else { return };
    let endpoint = server.endpoint();
    put(&server, "small", "hello").unwrap();
    let large = "0123456789".repeat(10_000);
    put(&server, "large", &large).unwrap();
    assert_eq!(server.requests().unwrap(), 2);

    server.stop().unwrap();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart().unwrap();
    assert_eq!(curl(&server, "small", &[]).unwrap(), "hello");

    server.kill().unwrap();
    assert!(TcpStream::connect(server.address()).is_err());
    server.restart().unwrap();
    assert_eq!(server.endpoint(), endpoint);
    assert_eq!(curl(&server, "large", &[]).unwrap(), large);
    assert!(curl(&server, "none", &[]).unwrap_err().contains("404"));
    put(&server, "small", "again").unwrap();
    assert_eq!(curl(&server, "small", &[]).unwrap(), "again");
}

#[test]
fn a_paused_server_is_silent() {
    let Some(mut server) = start() else { return };
    server.pause().unwrap();
    let mut stream = connect(server.address());
    let request = "GET /larder HTTP/1.1\r\nHost: garage\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    assert!(is_silent(&stream));
    server.resume().unwrap();
    assert_eq!(hears(&stream, 12), "HTTP/1.1 403");
}

#[test]
fn nothing_listens_when_it_is_gone() {
    let Some(server) = start() else { return };
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}
