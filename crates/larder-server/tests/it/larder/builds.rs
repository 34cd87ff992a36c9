//! Announcing and reading builds.

use super::{NOBODY, Running, announce};
use crate::support::{DEMO, TestLarder};
use larder_core::model::Role;
use serde_json::{Value, json};

#[tokio::test]
async fn an_announced_build_has_an_entry_for_each_node() {
    let test = TestLarder::with_demo().await;
    let writer = test
        .member("ada", Role::Writer, DEMO, "write_builds,read_builds")
        .await;
    let body = json!({
        "branch": "main", "revision": "cafe", "tag": "v1", "message": "Say hello", "fork": false,
        "jobs": [{ "name": "build", "parallelism": 2 }, { "name": "deploy", "queued": true }],
    });
    let announced = announce(&test, &writer, &body).await;
    assert_eq!(announced["number"], 1);
    assert_eq!(
        announced["url"],
        "https://larder.test/github/acme/demo/builds/1"
    );
    let nodes: Vec<_> = announced["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| (&job["name"], &job["number"], &job["index"]))
        .collect();
    assert_eq!(
        nodes,
        [
            (&json!("build"), &json!(1), &json!(0)),
            (&json!("build"), &json!(1), &json!(1)),
            (&json!("deploy"), &Value::Null, &json!(0)),
        ]
    );
    let mut tokens: Vec<_> = announced["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["token"].as_str().unwrap())
        .collect();
    assert!(
        tokens.iter().all(|token| token.starts_with("lrd_job_")),
        "{tokens:?}"
    );
    tokens.dedup();
    assert_eq!(tokens.len(), 3);

    let path = format!("/larder/v1/builds/{}", announced["id"].as_str().unwrap());
    let mut build = test.get(&writer, &path).await.is(200).json();
    assert_eq!(build["jobs"].as_array_mut().unwrap().len(), 3);
    build["jobs"] = Value::Null;
    build["id"] = Value::Null;
    assert_eq!(
        build,
        json!({
            "id": null, "number": 1, "project": DEMO, "url": "https://larder.test/github/acme/demo/builds/1",
            "state": "running", "branch": "main", "revision": "cafe", "tag": "v1", "message": "Say hello",
            "fork": false, "created_at": "2026-11-21T02:15:00.123Z", "finished_at": null, "artifact_count": 0,
            "total_bytes": 0, "jobs": null,
        })
    );
}

#[tokio::test]
async fn all_jobs_are_queued_if_the_build_says_so() {
    let test = TestLarder::with_demo().await;
    let writer = test.member("ada", Role::Writer, DEMO, "write_builds").await;
    let announced = announce(
        &test,
        &writer,
        &json!({ "queued": true, "jobs": [{ "name": "a" }, { "name": "b" }] }),
    )
    .await;
    assert!(
        announced["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .all(|job| job["number"].is_null())
    );
}

#[tokio::test]
async fn the_same_external_id_is_the_same_build_and_adds_what_it_lacks() {
    let test = TestLarder::with_demo().await;
    let writer = test.member("ada", Role::Writer, DEMO, "write_builds").await;
    let first = announce(
        &test,
        &writer,
        &json!({ "external_id": "ci-7", "jobs": [{ "name": "a" }] }),
    )
    .await;
    let again = announce(
        &test,
        &writer,
        &json!({ "external_id": "ci-7", "jobs": [{ "name": "a" }, { "name": "b" }] }),
    )
    .await;
    assert_eq!(
        (&first["id"], &first["number"]),
        (&again["id"], &again["number"])
    );
    assert_eq!(first["jobs"][0]["id"], again["jobs"][0]["id"]);
    assert_eq!(again["jobs"].as_array().unwrap().len(), 2);
    let other = announce(&test, &writer, &json!({ "external_id": "ci-8" })).await;
    assert_eq!(other["number"], 2);
    assert_ne!(first["id"], other["id"]);
}

#[tokio::test]
async fn more_jobs_are_added_once_by_list_or_alone() {
    let running = Running::start().await;
    let path = format!("/larder/v1/builds/{}/jobs", running.build);
    let many =
        json!({ "jobs": [{ "name": "build" }, { "name": "test", "parallelism": 2 }] }).to_string();
    let added = running
        .test
        .post(&running.writer, &path, many.clone())
        .await
        .is(200)
        .json();
    assert_eq!(added["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(added["jobs"][0]["id"], running.job.as_str());
    let again = running
        .test
        .post(&running.writer, &path, many)
        .await
        .is(200)
        .json();
    assert_eq!(again["jobs"][2]["id"], added["jobs"][2]["id"]);
    let alone = running
        .test
        .post(&running.writer, &path, r#"{"name":"lint","queued":true}"#)
        .await
        .is(200)
        .json();
    assert_eq!(alone["jobs"][0]["number"], Value::Null);
    let nobody = format!("/larder/v1/builds/{NOBODY}/jobs");
    running
        .test
        .post(&running.writer, &nobody, r#"{"name":"x"}"#)
        .await
        .refused(404, "not_found", "build");
    running
        .test
        .post(&running.writer, &path, r#"{"job":"x"}"#)
        .await
        .refused(400, "invalid", "unknown field `job`");
    running
        .test
        .post(&running.writer, &path, r#"["x"]"#)
        .await
        .refused(400, "invalid", "expected an object");
    let deep = format!(r#"{{"name":{}"#, "[".repeat(100_000));
    running
        .test
        .post(&running.writer, &path, deep)
        .await
        .refused(400, "invalid", "recursion limit");
}

#[tokio::test]
async fn an_unknown_project_is_made_only_by_who_may_make_it() {
    let test = TestLarder::with_demo().await;
    let admin = test.admin().await;
    let writer = test.member("ada", Role::Writer, DEMO, "write_builds").await;
    let path = "/larder/v1/projects/gitlab/new/one/builds";
    test.post(&writer, path, "{}")
        .await
        .refused(404, "not_found", "project");
    test.post(&admin, path, "{}").await.is(201);
    let made = test
        .get(&admin, "/larder/v1/projects/gl/new/one")
        .await
        .is(200)
        .json();
    assert_eq!(
        (&made["slug"], &made["public"]),
        (&json!("gitlab/new/one"), &json!(false))
    );
    let missing = "/larder/v1/projects/gitlab/new/two";
    test.get(&admin, missing)
        .await
        .refused(404, "not_found", "project");

    let open = TestLarder::with_settings(|settings| settings.auto_create_projects = true).await;
    open.project(DEMO, false).await;
    let writer = open.member("ada", Role::Writer, DEMO, "write_builds").await;
    open.post(&writer, path, "{}").await.is(201);
    let reader = open.token("ada", "read_builds").await;
    open.post(&reader, "/larder/v1/projects/gitlab/new/three/builds", "{}")
        .await
        .refused(404, "not_found", "project");
}

/// Bodies that announce nothing, and what is said of each.
const MISTAKES: &[(&str, &str)] = &[
    ("", "EOF"),
    ("not json", "expected"),
    ("[]", "expected an object"),
    (r#" ["main"]"#, "expected an object"),
    ("{} {}", "trailing"),
    (
        r#"{"brunch":"main"}"#,
        "unknown field `brunch`, expected one of `branch`",
    ),
    (
        r#"{"branch":7}"#,
        "branch: invalid type: integer `7`, expected a string",
    ),
    (
        r#"{"jobs":[{"name":"a","parallelism":"2"}]}"#,
        "jobs[0].parallelism: invalid type: string",
    ),
    (
        r#"{"jobs":[{"name":"a","parallelism":-1}]}"#,
        "jobs[0].parallelism",
    ),
    (
        r#"{"jobs":[{"name":"a","parallelism":0}]}"#,
        "parallelism: must be between 1 and 256",
    ),
    (
        r#"{"jobs":[{"name":"a","parallelism":257}]}"#,
        "parallelism: must be between 1 and 256",
    ),
    (r#"{"jobs":[{"parallelism":1}]}"#, "missing field `name`"),
    (r#"{"jobs":[{"name":""}]}"#, "name"),
    (r#"{"jobs":[{"name":"a\nb"}]}"#, "control characters"),
    (
        r#"{"jobs":[{"name":"a"},{"name":"a"}]}"#,
        "two are named `a`",
    ),
    (r#"{"external_id":""}"#, "external_id: is empty"),
    (r#"{"branch":"a\u0000b"}"#, "branch"),
    ("{\"branch\":\"\u{fffd}\"", "EOF"),
];

#[tokio::test]
async fn mistakes_in_a_body_are_named_and_nothing_is_made() {
    let test = TestLarder::with_demo().await;
    let writer = test
        .member("ada", Role::Writer, DEMO, "write_builds,read_builds")
        .await;
    let path = format!("/larder/v1/projects/{DEMO}/builds");
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(5_000));
    let deep = "[".repeat(100_000);
    let deep_jobs = format!(r#"{{"jobs":{deep}"#);
    let made = [
        (long.as_str(), "message: must be at most 4096 bytes"),
        (&deep, "expected an object"),
        (&deep_jobs, "jobs[0][0]: invalid type: sequence"),
    ];
    for (body, says) in MISTAKES.iter().chain(&made) {
        let answer = test.post(&writer, &path, (*body).to_owned()).await;
        answer.refused(400, "invalid", says);
    }
    let no_text = &b"{\"branch\":\"\xff\"}"[..];
    test.post(&writer, &path, no_text)
        .await
        .refused(400, "invalid", "");
    let huge = format!(r#"{{"message":"{}"}}"#, "x".repeat(1024 * 1024));
    test.post(&writer, &path, huge)
        .await
        .refused(413, "too_large", "1048576 bytes");
    let listed = test.get(&writer, &path).await.json();
    assert_eq!(listed, json!({ "builds": [], "next": null }));
}

#[tokio::test]
async fn mistakes_in_the_name_of_a_project_are_named() {
    let test = TestLarder::with_demo().await;
    let writer = test.member("ada", Role::Writer, DEMO, "write_builds").await;
    for slug in [
        "svn/acme/demo",
        "github/a%20b/demo",
        "github/../demo",
        "github/acme/%2e%2e",
        "github/acme/%00",
    ] {
        let path = format!("/larder/v1/projects/{slug}/builds");
        test.post(&writer, &path, "{}")
            .await
            .refused(400, "invalid", "project");
    }
    test.post(&writer, "/larder/v1/projects/github/acme/%FF/builds", "{}")
        .await
        .refused(400, "invalid", "UTF-8");
}

#[tokio::test]
async fn a_form_is_read_as_the_json_that_it_is() {
    let test = TestLarder::with_demo().await;
    let writer = test.member("ada", Role::Writer, DEMO, "write_builds").await;
    let path = format!("/larder/v1/projects/{DEMO}/builds");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    test.send_with(&writer, axum::http::Method::POST, &path, &headers, "{}")
        .await
        .is(201);
}
