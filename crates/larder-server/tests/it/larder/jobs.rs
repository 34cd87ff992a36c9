//! Jobs are read, started, ended and heard of.

use super::{NOBODY, Running};
use serde_json::{Value, json};

#[tokio::test]
async fn a_job_is_ended_once_and_the_same_end_again_is_no_error() {
    let running = Running::start().await;
    let path = format!("/larder/v1/jobs/{}", running.job);
    running.test.larder.clock().advance_ms(1_500);
    let end = r#"{"state":"failed","exit_status":134}"#;
    let mut ended = running
        .test
        .patch(&running.job_token, &path, end)
        .await
        .is(200)
        .json();
    ended["id"] = Value::Null;
    ended["build_id"] = Value::Null;
    assert_eq!(
        ended,
        json!({
            "id": null, "build_id": null, "name": "build", "number": 1, "index": 0, "parallelism": 1, "state": "failed",
            "exit_status": 134, "created_at": "2026-11-21T02:15:00.123Z", "started_at": "2026-11-21T02:15:00.123Z",
            "finished_at": "2026-11-21T02:15:01.623Z", "artifact_count": 0, "total_bytes": 0,
        })
    );
    running
        .test
        .patch(&running.job_token, &path, end)
        .await
        .is(200);
    let other = running
        .test
        .patch(&running.writer, &path, r#"{"state":"passed"}"#)
        .await;
    other.refused(409, "conflict", "ended already: failed");
    running
        .test
        .patch(&running.writer, &path, r#"{"state":"running"}"#)
        .await
        .refused(409, "conflict", "failed");
    assert_eq!(
        running
            .test
            .get(&running.writer, &path)
            .await
            .is(200)
            .json()["state"],
        "failed"
    );
    let build = running
        .test
        .get(
            &running.writer,
            &format!("/larder/v1/builds/{}", running.build),
        )
        .await
        .json();
    assert_eq!(
        (&build["state"], &build["finished_at"]),
        (&json!("failed"), &json!("2026-11-21T02:15:01.623Z"))
    );
}

#[tokio::test]
async fn every_end_has_its_word_and_a_user_may_end_a_job_too() {
    for end in ["passed", "failed", "canceled", "timed_out"] {
        let running = Running::start().await;
        let path = format!("/larder/v1/jobs/{}", running.job);
        let ended = running
            .test
            .patch(&running.writer, &path, json!({ "state": end }).to_string())
            .await
            .is(200);
        assert_eq!(ended.json()["state"], end);
    }
}

#[tokio::test]
async fn a_queued_job_gets_its_number_when_it_starts() {
    let running = Running::start().await;
    let more = format!("/larder/v1/builds/{}/jobs", running.build);
    let queued = running
        .test
        .post(&running.writer, &more, r#"{"name":"later","queued":true}"#)
        .await
        .is(200)
        .json();
    let (id, token) = (
        queued["jobs"][0]["id"].as_str().unwrap(),
        queued["jobs"][0]["token"].as_str().unwrap(),
    );
    let path = format!("/larder/v1/jobs/{id}");
    assert_eq!(
        running.test.get(token, &path).await.json()["state"],
        "queued"
    );
    running
        .test
        .put(token, &format!("{path}/artifacts/x"), "1")
        .await
        .refused(409, "conflict", "start it first");
    let started = running
        .test
        .patch(token, &path, r#"{"state":"running"}"#)
        .await
        .is(200)
        .json();
    assert_eq!(
        (&started["state"], &started["number"]),
        (&json!("running"), &json!(2))
    );
    running
        .test
        .patch(token, &path, r#"{"state":"running"}"#)
        .await
        .is(200);
    running
        .test
        .put(token, &format!("{path}/artifacts/x"), "1")
        .await
        .is(201);
}

#[tokio::test]
async fn mistakes_are_named() {
    let running = Running::start().await;
    let path = format!("/larder/v1/jobs/{}", running.job);
    for (body, says) in [
        (
            r#"{"state":"green"}"#,
            "state: unknown variant `green`, expected one of `queued`, `running`, `passed`",
        ),
        (
            r#"{"state":"queued"}"#,
            "running, passed, failed, canceled, timed_out",
        ),
        (r#"{"state":"running","exit_status":0}"#, "exit_status"),
        (r#"{"state":"passed","exit":0}"#, "unknown field `exit`"),
        (
            r#"{"state":"passed","exit_status":"0"}"#,
            "exit_status: invalid type: string",
        ),
        (r#"{"exit_status":0}"#, "missing field `state`"),
    ] {
        running
            .test
            .patch(&running.job_token, &path, body)
            .await
            .refused(400, "invalid", says);
    }
    assert_eq!(
        running.test.get(&running.writer, &path).await.json()["state"],
        "running"
    );
    for id in [
        NOBODY,
        "1",
        "..",
        "%2e%2e",
        "%00",
        "{00000000-0000-0000-0000-000000000000}",
    ] {
        let path = format!("/larder/v1/jobs/{id}");
        running
            .test
            .get(&running.writer, &path)
            .await
            .refused(404, "not_found", "no job found");
    }
    running
        .test
        .get(&running.writer, "/larder/v1/jobs/%FF")
        .await
        .refused(400, "invalid", "UTF-8");
}

#[tokio::test]
async fn a_job_unheard_of_times_out_and_a_heartbeat_keeps_it_alive() {
    let running = Running::start().await;
    let heartbeat = format!("/larder/v1/jobs/{}/heartbeat", running.job);
    let lease = running.test.larder.settings().job_lease_ms;
    running.test.larder.clock().advance_ms(lease - 1);
    let answer = running
        .test
        .post(&running.job_token, &heartbeat, "")
        .await
        .is(204);
    assert!(answer.body.is_empty());
    running.test.larder.clock().advance_ms(lease - 1);
    assert_eq!(
        running.test.larder.jobs.time_out_unheard().await.unwrap(),
        0
    );
    running.test.larder.clock().advance_ms(2);
    assert_eq!(
        running.test.larder.jobs.time_out_unheard().await.unwrap(),
        1
    );
    let nobody = format!("/larder/v1/jobs/{NOBODY}/heartbeat");
    running
        .test
        .post(&running.writer, &nobody, "")
        .await
        .refused(404, "not_found", "job");
}
