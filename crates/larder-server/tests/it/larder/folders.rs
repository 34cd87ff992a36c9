//! Empty folders of jobs, and modes of files.

use super::{NOBODY, Running};
use crate::support::Answer;
use axum::http::Method;
use serde_json::{Value, json};

async fn put(running: &Running, path: &str, headers: &[(&str, &str)]) -> Answer {
    let address = format!("/larder/v1/jobs/{}/folders/{path}", running.job);
    let (test, token) = (&running.test, &running.job_token);
    test.send_with(token, Method::PUT, &address, headers, "")
        .await
}

async fn listed(running: &Running, holder: &str) -> Value {
    let address = format!("/larder/v1/{holder}/folders");
    running
        .test
        .get(&running.writer, &address)
        .await
        .is(200)
        .json()["folders"]
        .take()
}

#[tokio::test]
async fn empty_folders_are_kept_once_and_listed_by_path() {
    let running = Running::start().await;
    let made = put(&running, "out/empty", &[("larder-mode", "0750")])
        .await
        .is(201)
        .json();
    assert_eq!(
        made,
        json!({ "job_id": running.job, "path": "out/empty", "mode": "750" })
    );
    // Without a mode nothing is said of it.
    assert_eq!(put(&running, "out/empty", &[]).await.is(200).json(), made);
    put(&running, "caf%C3%A9", &[]).await.is(201);
    let expected = json!([
        { "job_id": running.job, "path": "café" },
        { "job_id": running.job, "path": "out/empty", "mode": "750" },
    ]);
    for holder in [
        format!("jobs/{}", running.job),
        format!("builds/{}", running.build),
    ] {
        assert_eq!(listed(&running, &holder).await, expected);
    }
    let changed = put(&running, "out/empty", &[("larder-mode", "700")]).await;
    assert_eq!(changed.is(200).json()["mode"], "700");
    // The vendors' lists know nothing of them.
    let artifacts = format!("/larder/v1/jobs/{}/artifacts", running.job);
    let artifacts = running.test.get(&running.writer, &artifacts).await.json();
    assert_eq!(artifacts["artifacts"], json!([]));
}

#[tokio::test]
async fn a_folder_is_named_as_a_file_is_and_kept_for_a_running_job() {
    let running = Running::start().await;
    for path in ["a%2F..%2Fb", "a%00b", "a%5Cb", "a//b", "a/"] {
        put(&running, path, &[])
            .await
            .refused(400, "invalid", "path");
    }
    let nobody = format!("/larder/v1/jobs/{NOBODY}/folders/a");
    let (test, token) = (&running.test, &running.writer);
    test.put(token, &nobody, "")
        .await
        .refused(404, "not_found", "job");
    running.finish().await;
    put(&running, "late", &[])
        .await
        .refused(409, "conflict", "the job has ended");
}

#[tokio::test]
async fn a_mode_is_kept_and_another_one_is_another_artifact() {
    let running = Running::start().await;
    let keep = async |mode: Option<&str>| {
        let headers: Vec<_> = mode.map(|mode| ("larder-mode", mode)).into_iter().collect();
        let (test, token, path) = (
            &running.test,
            &running.job_token,
            running.artifact("run.sh"),
        );
        test.send_with(token, Method::PUT, &path, &headers, "#!/bin/sh")
            .await
    };
    let plain = keep(None).await.is(201).json();
    assert!(plain.get("mode").is_none());
    let executable = keep(Some("755")).await.is(201).json();
    assert_eq!(executable["mode"], "755");
    assert_ne!(executable["id"], plain["id"]);
    assert_eq!(keep(Some("0755")).await.is(200).json(), executable);
    // Who says nothing of the mode means no other one.
    assert_eq!(keep(None).await.is(200).json(), executable);
    for wrong in ["7", "888", "4755", "rwxr-xr-x", "", "\u{e9}"] {
        keep(Some(wrong))
            .await
            .refused(400, "invalid", "Larder-Mode: must be three octal digits");
        put(&running, "a", &[("larder-mode", wrong)]).await.refused(
            400,
            "invalid",
            "Larder-Mode: must be three octal digits",
        );
    }
}
