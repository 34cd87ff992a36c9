//! One file kept by a plain PUT.

use super::{NOBODY, Running};
use crate::support::{Answer, DEMO, TestLarder};
use axum::body::{Body, Bytes};
use axum::http::Method;

/// SHA-256 of `abc`.
const ABC: &str = "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:";

async fn put(
    running: &Running,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    running
        .test
        .send_with(
            &running.job_token,
            Method::PUT,
            &running.artifact(path),
            headers,
            body,
        )
        .await
}

/// Files or objects that hold bytes of users and that rows name.
async fn blob_files(test: &TestLarder) -> i64 {
    let sql = "SELECT COUNT(*) FROM container WHERE state <> 'intent'";
    test.beside.number(sql).await
}

#[tokio::test]
async fn the_same_content_again_is_the_same_artifact() {
    let running = Running::start().await;
    let first = put(&running, "a", &[], "abc").await.is(201).json();
    let again = put(&running, "a", &[], "abc").await.is(200).json();
    assert_eq!(first, again);
    let other = put(&running, "a", &[], "abd").await.is(201).json();
    assert_ne!(first["id"], other["id"]);
    // Not the newest any more, hence new again; its bytes are those that are there.
    let back = put(&running, "a", &[], "abc").await.is(201).json();
    assert_ne!(first["id"], back["id"]);
    put(&running, "b", &[], "abc").await.is(201);
    assert_eq!(blob_files(&running.test).await, 2);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let running = Running::start().await;
    assert_eq!(
        put(&running, "empty", &[], "").await.is(201).json()["size"],
        0
    );
    assert!(
        running
            .test
            .get(&running.writer, &running.artifact("empty"))
            .await
            .is(200)
            .body
            .is_empty()
    );
}

#[tokio::test]
async fn a_digest_that_is_sent_is_checked() {
    let running = Running::start().await;
    for name in ["repr-digest", "content-digest"] {
        put(&running, name, &[(name, ABC)], "abc").await.is(201);
        let wrong = put(&running, "wrong", &[(name, ABC)], "abd").await;
        let said = wrong.refused(
            422,
            "digest_mismatch",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
        assert!(
            said.json()["message"]
                .as_str()
                .unwrap()
                .contains("Nothing was kept")
        );
        for malformed in [
            "sha-256",
            "sha-256=abc",
            "sha-256=:abc:",
            "sha-256=:====:",
            "sha-256=::",
        ] {
            put(&running, "wrong", &[(name, malformed)], "abc")
                .await
                .refused(400, "invalid", "sha-256=:BASE64");
        }
        put(
            &running,
            &format!("{name}-512"),
            &[(name, "sha-512=:AAAA:")],
            "anything",
        )
        .await
        .is(201);
    }
    let two = [
        ("repr-digest", ABC),
        (
            "content-digest",
            "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
        ),
    ];
    put(&running, "wrong", &two, "abc")
        .await
        .refused(400, "invalid", "two different");
    running
        .test
        .get(&running.writer, &running.artifact("wrong"))
        .await
        .refused(404, "not_found", "");
    let job = running
        .test
        .get(&running.writer, &format!("/larder/v1/jobs/{}", running.job))
        .await
        .json();
    assert_eq!(job["artifact_count"], 4);
    assert_eq!(blob_files(&running.test).await, 2);
}

#[tokio::test]
async fn the_media_type_is_the_clients_or_the_extensions() {
    let running = Running::start().await;
    for (path, given, expected) in [
        (
            "a.json",
            "application/x-www-form-urlencoded",
            "application/json",
        ),
        ("b.json", "text/plain", "text/plain"),
        ("c.tgz", "", "application/x-gzip"),
        ("d", "", "application/octet-stream"),
        ("e.html", "nonsense", "text/html"),
    ] {
        let headers = [("content-type", given)];
        let headers = if given.is_empty() {
            &[][..]
        } else {
            &headers[..]
        };
        let kept = put(&running, path, headers, path.to_owned())
            .await
            .is(201)
            .json();
        assert!(
            kept["content_type"].as_str().unwrap().starts_with(expected),
            "{path}: {}",
            kept["content_type"]
        );
    }
    let form = [("content-type", "multipart/form-data; boundary=x")];
    put(&running, "form", &form, "--x")
        .await
        .refused(400, "invalid", "curl -T");
    let encoded = [("content-encoding", "gzip")];
    put(&running, "gz", &encoded, "abc").await.refused(
        415,
        "unsupported_encoding",
        "Content-Encoding",
    );
}

#[tokio::test]
async fn a_file_over_the_limit_names_the_limit_and_leaves_nothing() {
    let test = TestLarder::with_settings(|settings| settings.max_file_bytes = 10).await;
    test.project(DEMO, false).await;
    let running = Running::over(test).await;
    put(&running, "ten", &[], "0123456789").await.is(201);
    put(&running, "eleven", &[], "0123456789a")
        .await
        .refused(413, "too_large", "10 bytes");
    put(
        &running,
        "declared",
        &[("content-length", "11")],
        "0123456789a",
    )
    .await
    .refused(413, "too_large", "10 bytes");
    let chunks =
        futures_util::stream::iter((0..4).map(|_| Ok::<_, std::io::Error>(Bytes::from("abcdefg"))));
    put(&running, "chunked", &[], Body::from_stream(chunks))
        .await
        .refused(413, "too_large", "10 bytes");
    assert_eq!(blob_files(&running.test).await, 1);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let running = Running::start().await;
    let chunks = [
        Ok(Bytes::from("abc")),
        Err(std::io::Error::other("connection reset")),
    ];
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    put(&running, "cut", &[], body)
        .await
        .refused(400, "upload_interrupted", "connection reset");
    running
        .test
        .get(&running.writer, &running.artifact("cut"))
        .await
        .refused(404, "not_found", "");
    assert_eq!(blob_files(&running.test).await, 0);
}

#[tokio::test]
async fn an_ended_or_unknown_job_takes_nothing() {
    let running = Running::start().await;
    let nobody = format!("/larder/v1/jobs/{NOBODY}/artifacts/x");
    running
        .test
        .put(&running.writer, &nobody, "1")
        .await
        .refused(404, "not_found", "job");
    running.finish().await;
    put(&running, "late", &[], "1")
        .await
        .refused(409, "conflict", "the job has ended (passed)");
    running
        .test
        .put(&running.writer, &running.artifact("late"), "1")
        .await
        .refused(409, "conflict", "ended");
    assert_eq!(blob_files(&running.test).await, 0);
}

#[tokio::test]
async fn a_mistaken_alias_is_named() {
    let running = Running::start().await;
    for wrong in ["%FF", "%00", "%0a", ""] {
        put(&running, "a", &[("larder-alias", wrong)], "1")
            .await
            .refused(400, "invalid", "lias");
    }
    put(&running, "a", &[("larder-alias", &"x".repeat(2_000))], "1")
        .await
        .refused(400, "invalid", "alias");
}

#[tokio::test]
async fn an_upload_outlives_the_patience_of_its_client() {
    let running = Running::start().await;
    // The request is dropped right after its last byte was taken: what is durable is also named.
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let chunks = futures_util::stream::unfold(Some(sender), |sender| async move {
        let sender = sender?;
        sender.send(()).ok();
        Some((Ok::<_, std::io::Error>(Bytes::from("abc")), None))
    });
    let address = running.artifact("patient");
    tokio::select! {
        biased;
        answer = running.test.put(&running.job_token, &address, Body::from_stream(chunks)) => { answer.is(201); }
        _ = receiver => {}
    }
    let mut tries = 0;
    while running.test.get(&running.writer, &address).await.status != 200 {
        tries += 1;
        assert!(tries < 10_000, "the file was never kept");
        tokio::task::yield_now().await;
    }
}
