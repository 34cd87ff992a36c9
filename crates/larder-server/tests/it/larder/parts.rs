//! Files that come in parts.

use super::{NOBODY, Running};
use crate::support::{Answer, DEMO, TestLarder};
use axum::body::{Body, Bytes};
use axum::http::Method;
use serde_json::{Value, json};

/// SHA-256 of `abc`.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
/// SHA-256 of `0123456789`.
const DIGITS: &str = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";

/// A running job of a larder whose parts have four bytes.
async fn start() -> Running {
    let test = TestLarder::with_settings(|settings| settings.part_bytes = 4).await;
    test.project(DEMO, false).await;
    Running::over(test).await
}

async fn begin(running: &Running, body: &Value) -> Answer {
    let address = format!("/larder/v1/jobs/{}/uploads", running.job);
    let (test, token) = (&running.test, &running.job_token);
    test.post(token, &address, body.to_string()).await
}

/// The upload of ten digits.
async fn begin_digits(running: &Running, path: &str) -> Value {
    let body = json!({ "path": path, "size": 10, "sha256": DIGITS });
    begin(running, &body).await.is(201).json()
}

/// The address of an upload, or of something in it.
fn address(running: &Running, upload: &Value, rest: &str) -> String {
    let id = upload["id"].as_str().unwrap();
    format!("/larder/v1/jobs/{}/uploads/{id}{rest}", running.job)
}

async fn send(running: &Running, upload: &Value, part: &str, body: impl Into<Body>) -> Answer {
    let address = address(running, upload, &format!("/parts/{part}"));
    running.test.put(&running.job_token, &address, body).await
}

async fn finish(running: &Running, upload: &Value) -> Answer {
    let address = address(running, upload, "/finish");
    running.test.post(&running.job_token, &address, "").await
}

#[tokio::test]
async fn a_file_in_parts_is_an_artifact_like_any_other() {
    let running = start().await;
    let given = json!({
        "path": "out/digits", "size": 10, "sha256": DIGITS, "alias": "$X/digits", "content_type": "text/x-digits",
        "mode": "640",
    });
    let upload = begin(&running, &given).await.is(201).json();
    let id = upload["id"].clone();
    let expected = json!({ "id": id, "part_bytes": 4, "parts": 3, "held": [] });
    assert_eq!(upload, expected);
    send(&running, &upload, "2", "89").await.is(204);
    send(&running, &upload, "0", "0123").await.is(204);
    finish(&running, &upload).await.refused(
        409,
        "conflict",
        "parts are missing, send them and finish again: 1",
    );
    let again = begin(&running, &given).await.is(200).json();
    let expected = json!({ "id": id, "part_bytes": 4, "parts": 3, "held": [0, 2] });
    assert_eq!(again, expected);
    let seen = running
        .test
        .get(&running.job_token, &address(&running, &upload, ""))
        .await;
    assert_eq!(seen.is(200).json(), expected);
    send(&running, &upload, "1", "4567").await.is(204);
    let artifact = finish(&running, &upload).await.is(201).json();
    assert_eq!(artifact["id"], id);
    assert_eq!(artifact["sha256"], DIGITS);
    assert_eq!(artifact["sha1"], "87acec17cd9dcd20a716cc2cf67417b71c8a7016");
    assert_eq!(artifact["alias"], "$X/digits");
    assert_eq!(artifact["content_type"], "text/x-digits");
    assert_eq!(artifact["mode"], "640");
    assert_eq!(finish(&running, &upload).await.is(200).json(), artifact);
    let done = begin(&running, &given).await.is(200).json();
    assert_eq!(
        (&done["artifact"], &done["held"]),
        (&artifact, &json!([0, 1, 2]))
    );
    let file = running.artifact("out/digits");
    let (test, reader) = (&running.test, &running.writer);
    assert_eq!(test.get(reader, &file).await.is(200).text(), "0123456789");
    let range = [("range", "bytes=3-8")];
    let part = test.send_with(reader, Method::GET, &file, &range, "").await;
    assert_eq!(part.is(206).text(), "345678");
    let head = test.send(reader, Method::HEAD, &file, "").await.is(200);
    assert_eq!(head.header("content-length"), "10");
}

#[tokio::test]
async fn a_part_is_whole_or_nothing() {
    let running = start().await;
    let upload = begin_digits(&running, "a").await;
    for (part, body, says) in [
        ("0", "012", "part 0 has 4 bytes and 3 came"),
        ("0", "01234", "part 0 has 4 bytes and"),
        ("2", "8", "part 2 has 2 bytes and 1 came"),
        ("3", "", "the file has 3 parts"),
        ("4294967296", "", "counted from 0"),
        ("-1", "", "counted from 0"),
    ] {
        send(&running, &upload, part, body)
            .await
            .refused(400, "invalid", says);
    }
    let chunks = [Ok(Bytes::from("01")), Err(std::io::Error::other("reset"))];
    let cut = Body::from_stream(futures_util::stream::iter(chunks));
    send(&running, &upload, "0", cut)
        .await
        .refused(400, "upload_interrupted", "reset");
    let chunks = ["0123", "4567"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
    let long = Body::from_stream(futures_util::stream::iter(chunks));
    send(&running, &upload, "0", long)
        .await
        .refused(400, "invalid", "more came");
    let place = address(&running, &upload, "/parts/0");
    for (name, value, status, code) in [
        (
            "repr-digest",
            "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:",
            422,
            "digest_mismatch",
        ),
        ("content-digest", "sha-256=:x:", 400, "invalid"),
        ("content-encoding", "gzip", 415, "unsupported_encoding"),
    ] {
        let (test, token, headers) = (&running.test, &running.job_token, [(name, value)]);
        test.send_with(token, Method::PUT, &place, &headers, "0123")
            .await
            .refused(status, code, "");
    }
    let seen = running
        .test
        .get(&running.job_token, &address(&running, &upload, ""))
        .await;
    assert_eq!(seen.json()["held"], json!([]));
    let swept = running.test.larder.collect_garbage().await.unwrap();
    // Objects of a bucket are given up on record, and swept.
    if running.test.beside.blob_files().is_some() {
        assert_eq!(swept.orphans, 0, "nothing was kept");
    }
}

#[tokio::test]
async fn other_bytes_than_announced_end_the_upload() {
    let running = start().await;
    let upload = begin_digits(&running, "a").await;
    for (part, bytes) in [("0", "0123"), ("1", "4567"), ("2", "98")] {
        send(&running, &upload, part, bytes).await.is(204);
    }
    finish(&running, &upload)
        .await
        .refused(422, "digest_mismatch", DIGITS);
    finish(&running, &upload)
        .await
        .refused(409, "conflict", "is error");
    let artifact = format!("/larder/v1/artifacts/{}", upload["id"].as_str().unwrap());
    let artifact = running.test.get(&running.writer, &artifact).await.json();
    assert_eq!(artifact["state"], "error");
    begin_digits(&running, "a").await;
}

#[tokio::test]
async fn mistakes_in_what_begins_an_upload_are_named() {
    let test = TestLarder::with_settings(|settings| settings.max_file_bytes = 10).await;
    test.project(DEMO, false).await;
    let running = Running::over(test).await;
    let good = json!({ "path": "a", "size": 3, "sha256": ABC });
    for (field, value, status, says) in [
        ("path", json!("../a"), 400, "path: holds the component `..`"),
        ("path", json!(""), 400, "path: is empty"),
        (
            "path",
            json!("a\u{202e}b"),
            400,
            "path: holds the character U+202E",
        ),
        ("size", json!(-1), 400, "size"),
        ("size", json!(11), 413, "limit of 10 bytes"),
        ("sha256", json!("abc"), 400, "sha256: must be 64"),
        (
            "mode",
            json!("rwx"),
            400,
            "mode: must be three octal digits",
        ),
        ("alias", json!(""), 400, "alias"),
        ("content_type", json!("a\nb"), 400, "content_type"),
        ("more", json!(1), 400, "more"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let code = if status == 413 {
            "too_large"
        } else {
            "invalid"
        };
        begin(&running, &body).await.refused(status, code, says);
    }
    let empty = json!({ "path": "a", "size": 0, "sha256": ABC });
    begin(&running, &empty)
        .await
        .refused(422, "digest_mismatch", ABC);
    begin(&running, &good).await.is(201);
}

#[tokio::test]
async fn an_upload_is_given_up_once_and_unknown_ones_are_not_found() {
    let running = start().await;
    let upload = begin_digits(&running, "a").await;
    send(&running, &upload, "0", "0123").await.is(204);
    let (test, token) = (&running.test, &running.job_token);
    let place = address(&running, &upload, "");
    test.delete(token, &place).await.is(204);
    test.delete(token, &place)
        .await
        .refused(409, "conflict", "is error");
    send(&running, &upload, "1", "4567")
        .await
        .refused(409, "conflict", "awaits no bytes");
    for id in [NOBODY, "nonsense"] {
        let unknown = json!({ "id": id });
        let place = address(&running, &unknown, "");
        test.get(token, &place)
            .await
            .refused(404, "not_found", "no upload found");
        test.delete(token, &place)
            .await
            .refused(404, "not_found", "no upload found");
        send(&running, &unknown, "0", "0123")
            .await
            .refused(404, "not_found", "no upload found");
        finish(&running, &unknown)
            .await
            .refused(404, "not_found", "no upload found");
    }
}

#[tokio::test]
async fn a_part_outlives_the_patience_of_its_client() {
    let running = start().await;
    let upload = begin_digits(&running, "a").await;
    // The request is dropped right after its last byte was taken: what is durable is also named.
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let chunks = futures_util::stream::unfold(Some(sender), |sender| async move {
        let sender = sender?;
        sender.send(()).ok();
        Some((Ok::<_, std::io::Error>(Bytes::from("0123")), None))
    });
    tokio::select! {
        biased;
        answer = send(&running, &upload, "0", Body::from_stream(chunks)) => { answer.is(204); }
        _ = receiver => {}
    }
    let mut tries = 0;
    let place = address(&running, &upload, "");
    while running.test.get(&running.job_token, &place).await.json()["held"] != json!([0]) {
        tries += 1;
        assert!(tries < 10_000, "the part was never kept");
        tokio::task::yield_now().await;
    }
}
