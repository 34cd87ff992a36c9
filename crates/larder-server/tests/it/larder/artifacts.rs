//! Artifacts are read and deleted.

use super::{NOBODY, Running};
use axum::http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_kept_file_is_described_and_comes_back() {
    let running = Running::start().await;
    let mut kept = running.keep("dist/app%20(1).tgz", "abc").await;
    let (id, url) = (
        kept["id"].as_str().unwrap().to_owned(),
        kept["url"].as_str().unwrap().to_owned(),
    );
    assert_eq!(
        url,
        format!("https://larder.test/larder/v1/artifacts/{id}/content")
    );
    let described = running
        .test
        .get(&running.writer, &format!("/larder/v1/artifacts/{id}"))
        .await
        .is(200)
        .json();
    assert_eq!(described, kept);
    assert_eq!(
        (&kept["job_id"], &kept["build_id"]),
        (&json!(running.job), &json!(running.build))
    );
    assert!(kept["number"].as_i64().unwrap() > 0);
    for name in ["id", "number", "job_id", "build_id", "url"] {
        kept[name] = Value::Null;
    }
    assert_eq!(
        kept,
        json!({
            "id": null, "number": null, "job_id": null, "build_id": null, "url": null, "path": "dist/app (1).tgz",
            "state": "finished", "size": 3, "content_type": "application/x-gzip",
            "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "created_at": "2026-11-21T02:15:00.123Z", "finished_at": "2026-11-21T02:15:00.123Z",
        })
    );
    for path in [
        format!("/larder/v1/artifacts/{id}/content"),
        running.artifact("dist/app%20%281%29.tgz"),
    ] {
        assert_eq!(
            &running.test.get(&running.writer, &path).await.is(200).body[..],
            b"abc"
        );
        let head = running
            .test
            .send(&running.writer, Method::HEAD, &path, "")
            .await
            .is(200);
        assert!(head.body.is_empty());
        assert_eq!(head.header("content-length"), "3");
    }
    let job = running
        .test
        .get(&running.writer, &format!("/larder/v1/jobs/{}", running.job))
        .await
        .json();
    assert_eq!(
        (&job["artifact_count"], &job["total_bytes"]),
        (&json!(1), &json!(3))
    );
}

#[tokio::test]
async fn by_path_the_newest_wins_and_a_deleted_one_uncovers_the_one_before() {
    let running = Running::start().await;
    running.keep("a", "old").await;
    let newer = running.keep("a", "new").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = running.artifact("a");
    assert_eq!(
        &running.test.get(&running.writer, &path).await.body[..],
        b"new"
    );
    running.test.delete(&running.writer, &path).await.is(204);
    for path in [
        format!("/larder/v1/artifacts/{newer}"),
        format!("/larder/v1/artifacts/{newer}/content"),
    ] {
        running
            .test
            .get(&running.writer, &path)
            .await
            .refused(404, "not_found", "artifact");
    }
    running
        .test
        .delete(&running.writer, &format!("/larder/v1/artifacts/{newer}"))
        .await
        .refused(404, "not_found", "");
    assert_eq!(
        &running.test.get(&running.writer, &path).await.body[..],
        b"old"
    );
    running.test.delete(&running.writer, &path).await.is(204);
    running
        .test
        .delete(&running.writer, &path)
        .await
        .refused(404, "not_found", "artifact");
    running
        .test
        .get(&running.writer, &path)
        .await
        .refused(404, "not_found", "artifact");
    let job = running
        .test
        .get(&running.writer, &format!("/larder/v1/jobs/{}", running.job))
        .await
        .json();
    assert_eq!(
        (&job["artifact_count"], &job["total_bytes"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn a_file_is_found_by_its_alias_too() {
    let running = Running::start().await;
    let headers = [("larder-alias", "%24CIRCLE_ARTIFACTS/caf%C3%A9.txt")];
    let kept = running
        .test
        .send_with(
            &running.job_token,
            Method::PUT,
            &running.artifact("tmp/x.txt"),
            &headers,
            "abc",
        )
        .await;
    assert_eq!(kept.is(201).json()["alias"], "$CIRCLE_ARTIFACTS/café.txt");
    let path = running.artifact("%24CIRCLE_ARTIFACTS/caf%C3%A9.txt");
    assert_eq!(
        &running.test.get(&running.writer, &path).await.is(200).body[..],
        b"abc"
    );
    running.test.delete(&running.writer, &path).await.is(204);
    running
        .test
        .get(&running.writer, &running.artifact("tmp/x.txt"))
        .await
        .refused(404, "not_found", "");
}

#[tokio::test]
async fn deleting_by_id_is_done_once() {
    let running = Running::start().await;
    let id = running.keep("a", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/larder/v1/artifacts/{id}");
    let writer = running.test.token("ada", "write_artifacts").await;
    running
        .test
        .delete(&writer, &path)
        .await
        .refused(403, "forbidden", "delete_artifacts");
    running
        .test
        .delete(&writer, &running.artifact("a"))
        .await
        .refused(403, "forbidden", "delete_artifacts");
    assert!(
        running
            .test
            .delete(&running.writer, &path)
            .await
            .is(204)
            .body
            .is_empty()
    );
    running
        .test
        .delete(&running.writer, &path)
        .await
        .refused(404, "not_found", "artifact");
    for id in [NOBODY, "7", "%2e%2e"] {
        for path in [
            format!("/larder/v1/artifacts/{id}"),
            format!("/larder/v1/artifacts/{id}/content"),
        ] {
            running.test.get(&running.writer, &path).await.refused(
                404,
                "not_found",
                "no artifact found",
            );
        }
    }
}

#[tokio::test]
async fn a_range_is_sent_alone_and_one_outside_is_refused_with_the_length() {
    let running = Running::start().await;
    running.keep("a", "0123456789").await;
    let path = running.artifact("a");
    let range = async |value: &str| {
        let headers = [("range", value)];
        running
            .test
            .send_with(&running.writer, Method::GET, &path, &headers, "")
            .await
    };
    assert_eq!(&range("bytes=2-4").await.is(206).body[..], b"234");
    let outside = range("bytes=10-").await;
    let outside = outside.refused(416, "range_not_satisfiable", "Content-Range");
    assert_eq!(outside.header("content-range"), "bytes */10");
}
