//! SIGTERM in the middle of a transfer: what is on its way ends well or not at all, never with a 2xx for a part.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::support::{Job, Made, Opened, PATIENCE, ServeProcess, Store, Upload, wait_for};

/// More than the kernel's buffers of a connection hold.
const SIZE: usize = 16 * 1024 * 1024;

#[test]
fn an_upload_on_its_way_is_finished_and_kept() {
    for is_chunked in [false, true] {
        let (store, bytes) = (Store::new(), Made::new(5).bytes(SIZE));
        let mut server = store.serve().start();
        let job = server.client().announce(&server.token());
        let mut stream = begin_upload(&server, &job, &bytes, is_chunked);
        server.terminate();
        wait_until_draining(&server);
        write_piece(&mut stream, &bytes[SIZE / 2..], is_chunked);
        if is_chunked {
            stream.write_all(b"0\r\n\r\n").unwrap();
        }
        let answer = Opened::read(BufReader::new(stream))
            .unwrap()
            .answer()
            .unwrap()
            .is(201);
        assert_eq!(answer.json()["size"], SIZE);
        assert_eq!(server.wait(PATIENCE).code(), Some(0));

        let server = store.serve().start();
        let kept = server
            .client()
            .get(&job.artifact("file"), &job.token)
            .unwrap()
            .is(200);
        assert!(kept.body == bytes, "other bytes were kept than were sent");
    }
}

#[test]
fn an_upload_that_stops_is_cut_off_and_leaves_nothing() {
    for is_chunked in [false, true] {
        let (store, bytes) = (Store::new(), Made::new(6).bytes(SIZE));
        let mut server = store
            .serve()
            .variable("LARDER__LIMITS__DRAIN_TIMEOUT_S", "1")
            .start();
        let job = server.client().announce(&server.token());
        let stream = begin_upload(&server, &job, &bytes, is_chunked);
        server.terminate();
        assert_eq!(server.wait(PATIENCE).code(), Some(0));
        check_no_success(stream);
        check_nothing_kept(&store, &job);
    }
}

#[test]
fn an_upload_whose_client_goes_away_leaves_nothing() {
    for is_chunked in [false, true] {
        let (store, bytes) = (Store::new(), Made::new(7).bytes(SIZE));
        let mut server = store.serve().start();
        let job = server.client().announce(&server.token());
        let stream = begin_upload(&server, &job, &bytes, is_chunked);
        stream.shutdown(Shutdown::Write).unwrap();
        check_no_success(stream);
        server.terminate();
        assert_eq!(server.wait(PATIENCE).code(), Some(0));
        check_nothing_kept(&store, &job);
    }
}

#[test]
fn a_download_on_its_way_is_finished() {
    let (store, bytes) = (Store::new(), Made::new(8).bytes(SIZE));
    let mut server = store.serve().start();
    let job = server.client().announce(&server.token());
    server.client().put(&job, "file", &bytes).unwrap().is(201);
    let nothing = Upload {
        source: &mut std::io::empty(),
        declared: Some(0),
        sent: &mut |_| (),
    };
    let opened = server
        .client()
        .open("GET", &job.artifact("file"), &job.token, nothing)
        .unwrap();
    server.terminate();
    wait_until_draining(&server);
    assert!(opened.answer().unwrap().body == bytes);
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
}

/// Sends the head and the first half.
fn begin_upload(server: &ServeProcess, job: &Job, bytes: &[u8], is_chunked: bool) -> TcpStream {
    let client = server.client();
    let declared = (!is_chunked).then_some(bytes.len() as u64);
    let mut stream = client.connect();
    let head = client.head("PUT", &job.artifact("file"), &job.token, declared);
    stream.write_all(head.as_bytes()).unwrap();
    // That this does not block means that a handler reads.
    write_piece(&mut stream, &bytes[..SIZE / 2], is_chunked);
    stream
}

fn write_piece(stream: &mut TcpStream, bytes: &[u8], is_chunked: bool) {
    if is_chunked {
        stream
            .write_all(format!("{:x}\r\n", bytes.len()).as_bytes())
            .unwrap();
    }
    stream.write_all(bytes).unwrap();
    if is_chunked {
        stream.write_all(b"\r\n").unwrap();
    }
}

/// From then on nobody new gets in.
fn wait_until_draining(server: &ServeProcess) {
    wait_for("the drain", Duration::from_secs(20), || {
        TcpStream::connect(server.address()).err()
    });
}

/// Whatever the answer is, it is no success.
fn check_no_success(mut stream: TcpStream) {
    let mut answer = Vec::new();
    // A connection that is reset has no answer.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

/// The server cleaned up before it ended, and the next one knows of nothing.
fn check_nothing_kept(store: &Store, job: &Job) {
    let half_written = std::fs::read_dir(store.data().join("blobs/tmp")).unwrap();
    assert_eq!(half_written.count(), 0);
    let server = store.serve().start();
    server
        .client()
        .get(&job.artifact("file"), &job.token)
        .unwrap()
        .is(404);
    server.admin(&["check", "--strict"]).is(0);
}
