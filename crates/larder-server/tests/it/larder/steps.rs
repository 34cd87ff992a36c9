//! Steps and their output.

use super::Running;
use serde_json::{Value, json};

#[tokio::test]
async fn steps_are_reported_and_listed_in_order() {
    let running = Running::start().await;
    let path = |seq: u32| format!("/larder/v1/jobs/{}/steps/{seq}", running.job);
    let second = json!({ "name": "test", "state": "skipped" }).to_string();
    running
        .test
        .put(&running.job_token, &path(1), second)
        .await
        .is(200);
    let begun = json!({ "name": "compile", "command": "make", "state": "running" }).to_string();
    let reported = running
        .test
        .put(&running.job_token, &path(0), begun.clone())
        .await
        .is(200)
        .json();
    running
        .test
        .put(&running.job_token, &path(0), begun)
        .await
        .is(200);
    assert_eq!(
        reported,
        json!({
            "seq": 0, "name": "compile", "command": "make", "state": "running", "exit_status": null,
            "started_at": "2026-11-21T02:15:00.123Z", "finished_at": null, "output_bytes": 0,
        })
    );
    running.test.larder.clock().advance_ms(2_000);
    let ended =
        json!({ "name": "compile", "command": "make", "state": "failed", "exit_status": 2 })
            .to_string();
    let ended = running
        .test
        .put(&running.job_token, &path(0), ended)
        .await
        .is(200)
        .json();
    assert_eq!(
        (&ended["exit_status"], &ended["finished_at"]),
        (&json!(2), &json!("2026-11-21T02:15:02.123Z"))
    );
    let list = running
        .test
        .get(
            &running.writer,
            &format!("/larder/v1/jobs/{}/steps", running.job),
        )
        .await
        .is(200)
        .json();
    let names: Vec<_> = list["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (&step["name"], &step["state"]))
        .collect();
    assert_eq!(
        names,
        [
            (&json!("compile"), &json!("failed")),
            (&json!("test"), &json!("skipped"))
        ]
    );
}

#[tokio::test]
async fn output_is_appended_by_offset_and_may_be_sent_again() {
    let running = Running::start().await;
    let step = format!("/larder/v1/jobs/{}/steps/0", running.job);
    let append = async |offset: u64, chunk: &'static [u8]| {
        running
            .test
            .post(
                &running.job_token,
                &format!("{step}/output?offset={offset}"),
                chunk,
            )
            .await
    };
    append(0, b"early").await.refused(404, "not_found", "step");
    running
        .test
        .put(
            &running.job_token,
            &step,
            r#"{"name":"a","state":"running"}"#,
        )
        .await
        .is(200);
    assert_eq!(
        append(0, b"hello ").await.is(200).json(),
        json!({ "output_bytes": 6 })
    );
    assert_eq!(
        append(0, b"hello ").await.is(200).json(),
        json!({ "output_bytes": 6 })
    );
    assert_eq!(
        append(3, b"lo \xff\x00<b>").await.is(200).json(),
        json!({ "output_bytes": 11 })
    );
    append(12, b"gap")
        .await
        .refused(409, "conflict", "ends at 11");
    let read = async |query: &str| {
        running
            .test
            .get(&running.writer, &format!("{step}/output{query}"))
            .await
            .is(200)
    };
    let output = read("").await;
    assert_eq!(&output.body[..], b"hello \xff\x00<b>");
    assert_eq!(output.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(output.header("x-content-type-options"), "nosniff");
    assert_eq!(&read("?offset=8").await.body[..], b"<b>");
    assert_eq!(&read("?offset=11").await.body[..], b"");
    assert_eq!(&read("?offset=9000000000").await.body[..], b"");
}

#[tokio::test]
async fn mistakes_are_named() {
    let running = Running::start().await;
    let job = format!("/larder/v1/jobs/{}", running.job);
    for (path, body, says) in [
        ("steps/x", r#"{"name":"a","state":"running"}"#, "seq"),
        ("steps/-1", r#"{"name":"a","state":"running"}"#, "seq"),
        (
            "steps/10000",
            r#"{"name":"a","state":"running"}"#,
            "seq: must be below 10000",
        ),
        (
            "steps/0",
            r#"{"name":"a","state":"green"}"#,
            "state: unknown variant `green`",
        ),
        ("steps/0", r#"{"state":"running"}"#, "missing field `name`"),
        (
            "steps/0",
            r#"{"name":"a","state":"running","shell":"sh"}"#,
            "unknown field `shell`",
        ),
    ] {
        running
            .test
            .put(&running.job_token, &format!("{job}/{path}"), body)
            .await
            .refused(400, "invalid", says);
    }
    running
        .test
        .put(
            &running.job_token,
            &format!("{job}/steps/0"),
            r#"{"name":"a","state":"running"}"#,
        )
        .await
        .is(200);
    for (query, says) in [
        ("", "missing field `offset`"),
        ("?offset=-1", "offset"),
        ("?offset=99999999999999999999", "offset"),
        ("?offset=18446744073709551615", "offset"),
        ("?ofset=1", "unknown field `ofset`"),
    ] {
        let path = format!("{job}/steps/0/output{query}");
        running
            .test
            .post(&running.job_token, &path, "x")
            .await
            .refused(400, "invalid", says);
    }
    let output = format!("{job}/steps/0/output?offset=0");
    let limit = larder_protocol::OUTPUT_CHUNK_BYTES_MAX;
    running
        .test
        .post(&running.job_token, &output, vec![b'x'; limit + 1])
        .await
        .refused(413, "too_large", "262144 bytes");
    let full = running
        .test
        .post(&running.job_token, &output, vec![b'x'; limit])
        .await
        .is(200)
        .json();
    assert_eq!(full["output_bytes"], Value::from(limit));
}
