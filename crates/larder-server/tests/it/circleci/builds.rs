//! Builds: recent ones, those of a branch, one with its steps.

use crate::support::{Answer, DEMO, TestLarder};
use bytes::Bytes;
use larder_core::model::{EndState, NewBuild, NewStep, Principal, Role, StepState};
use serde_json::json;

const PROJECT: &str = "/api/v1.1/project/github/acme/demo";

fn numbers(answer: &Answer) -> Vec<i64> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|build| build["build_num"].as_i64().unwrap())
        .collect()
}

async fn demo() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    larder
}

/// Vectors 20 and 21.
#[tokio::test]
async fn a_project_lists_its_newest_builds_first_thirty_or_at_most_a_hundred() {
    let larder = demo().await;
    for _ in 0..105 {
        larder.job("master").await;
    }
    let descending = |from: i64, count| (0..count).map(|place| from - place).collect::<Vec<_>>();
    for (query, expected) in [
        ("", descending(105, 30)),
        ("?limit=30&offset=0&filter=None", descending(105, 30)),
        ("?limit=30&offset=0&filter=", descending(105, 30)),
        ("?limit=1000", descending(105, 100)),
        ("?limit=100&offset=100", descending(5, 5)),
        ("?limit=2&offset=3&shallow=true", descending(102, 2)),
        ("?filter=completed", vec![]),
    ] {
        assert_eq!(
            numbers(&larder.get("", &format!("{PROJECT}{query}")).await),
            expected,
            "{query}"
        );
        let v1 = format!("/api/v1/project/acme/demo{query}");
        assert_eq!(numbers(&larder.get("", &v1).await), expected, "{v1}");
    }
}

/// Vector 22.
#[tokio::test]
async fn a_branch_lists_its_builds_encoded_or_not() {
    let larder = demo().await;
    larder.job("feature/x").await;
    larder.job("master").await;
    for path in ["tree/feature%2Fx", "tree/feature/x"] {
        assert_eq!(
            numbers(&larder.get("", &format!("{PROJECT}/{path}")).await),
            [1],
            "{path}"
        );
        let v1 = format!("/api/v1/project/acme/demo/{path}");
        assert_eq!(numbers(&larder.get("", &v1).await), [1], "{v1}");
    }
    assert_eq!(
        numbers(&larder.get("", &format!("{PROJECT}/tree/nope")).await),
        [0; 0]
    );
}

#[tokio::test]
async fn recent_builds_are_those_of_the_callers_projects() {
    let larder = demo().await;
    larder.project("github/acme/other", true).await;
    larder.job("master").await;
    larder.job("master").await;
    let member = larder
        .member("ada", Role::Reader, DEMO, "view-builds")
        .await;
    let stranger = larder.outsider("eve", "view-builds").await;
    for api in ["/api/v1.1", "/api/v1"] {
        let path = format!("{api}/recent-builds?limit=5&filter=nonsense");
        assert_eq!(numbers(&larder.get(&member, &path).await), [2, 1]);
        assert_eq!(numbers(&larder.get(&stranger, &path).await), [0; 0]);
        assert_eq!(
            larder.get("", &path).await.pair(),
            (401, r#"{"message":"You must log in first"}"#)
        );
    }
}

#[tokio::test]
async fn a_running_build_has_no_outcome_and_no_end() {
    let larder = demo().await;
    larder.job("master").await;
    let build = larder.get("", &format!("{PROJECT}/1")).await.json();
    let standing = json!([build["lifecycle"], build["outcome"], build["status"]]);
    assert_eq!(standing, json!(["running", null, "running"]));
    assert_eq!(build["stop_time"], json!(null));
}

#[tokio::test]
async fn a_build_sums_up_its_job() {
    let larder = demo().await;
    let new = NewBuild {
        branch: Some("master".into()),
        revision: Some("abc123".into()),
        message: Some("Fix it\n\nFor good.".into()),
        ..NewBuild::default()
    };
    let job = larder
        .build(DEMO, new, &[("build", 1)])
        .await
        .nodes
        .remove(0)
        .job;
    larder.keep(job.id, "out", "bytes").await;
    larder.clock.advance_ms(2_000);
    larder.finish(job.id, EndState::Failed, None).await;
    let mut build = larder.get("", &format!("{PROJECT}/1")).await.json();
    assert_eq!(build["workflows"]["job_id"], job.id.to_string());
    assert_eq!(build["workflows"]["workflow_id"], job.build_id.to_string());
    build.as_object_mut().unwrap().remove("workflows");
    let text = serde_json::to_string_pretty(&build).unwrap();
    insta::assert_snapshot!(text, @r#"
    {
      "body": "For good.",
      "branch": "master",
      "build_num": 1,
      "build_time_millis": 2000,
      "build_url": "https://larder.test/gh/acme/demo/1",
      "canceled": false,
      "dont_build": null,
      "failed": true,
      "has_artifacts": true,
      "infrastructure_fail": false,
      "lifecycle": "finished",
      "outcome": "failed",
      "parallel": 1,
      "platform": "2.0",
      "previous": null,
      "previous_successful_build": null,
      "pull_requests": [],
      "queued_at": "2026-11-21T02:15:00.123Z",
      "reponame": "demo",
      "retries": null,
      "retry_of": null,
      "start_time": "2026-11-21T02:15:00.123Z",
      "status": "failed",
      "steps": [],
      "stop_time": "2026-11-21T02:15:02.123Z",
      "subject": "Fix it",
      "timedout": false,
      "usage_queued_at": "2026-11-21T02:15:00.123Z",
      "user": {
        "is_user": false,
        "login": null,
        "name": null,
        "vcs_type": "github"
      },
      "username": "acme",
      "vcs_revision": "abc123",
      "vcs_tag": null,
      "vcs_type": "github",
      "vcs_url": "https://github.com/acme/demo",
      "why": "api"
    }
    "#);
    assert_eq!(
        larder.get("", "/api/v1/project/acme/demo/1").await.json()["build_num"],
        1
    );
}

/// A job of two nodes: the step passed on one and failed on the other, which printed something.
async fn two_nodes() -> TestLarder {
    let larder = demo().await;
    let nodes = larder
        .build(DEMO, NewBuild::default(), &[("build", 2)])
        .await
        .nodes;
    let steps = &larder.larder.steps;
    for (node, state, exit) in [
        (&nodes[0].job, StepState::Passed, 0),
        (&nodes[1].job, StepState::Failed, 134),
    ] {
        let mut step = step("Compile");
        steps
            .report(&Principal::Operator, node.id, 0, step.clone())
            .await
            .unwrap();
        if exit != 0 {
            // A character that two chunks share, and a byte that is none.
            for (offset, chunk) in [(0, &b"h\xc3"[..]), (2, b"\xa9\x1b[31m \xff")] {
                let chunk = Bytes::from_static(chunk);
                steps
                    .append(&Principal::Operator, node.id, 0, offset, chunk)
                    .await
                    .unwrap();
            }
        }
        larder.clock.advance_ms(250);
        (step.state, step.exit_status) = (state, Some(exit));
        steps
            .report(&Principal::Operator, node.id, 0, step)
            .await
            .unwrap();
    }
    larder
}

fn step(name: &str) -> NewStep {
    NewStep {
        name: name.into(),
        command: Some("make".into()),
        state: StepState::Running,
        exit_status: None,
    }
}

#[tokio::test]
async fn a_build_shows_its_steps_node_by_node() {
    let larder = two_nodes().await;
    let build = larder.get("", &format!("{PROJECT}/1")).await.json();
    assert_eq!(build["steps"][0]["name"], "Compile");
    let keys = [
        "index",
        "status",
        "exit_code",
        "failed",
        "bash_command",
        "has_output",
        "run_time_millis",
    ];
    let facts = |action: &serde_json::Value| json!(keys.map(|key| action[key].clone()));
    let actions = build["steps"][0]["actions"].as_array().unwrap();
    assert_eq!(
        facts(&actions[0]),
        json!([0, "success", 0, null, "make", false, 250])
    );
    assert_eq!(
        facts(&actions[1]),
        json!([1, "failed", 134, true, "make", true, 250])
    );
    assert!(actions[0].get("output_url").is_none());
}

#[tokio::test]
async fn what_a_step_printed_is_at_its_output_url() {
    let larder = two_nodes().await;
    let build = larder.get("", &format!("{PROJECT}/1")).await.json();
    let action = &build["steps"][0]["actions"][1];
    let output = larder.get("", action["output_url"].as_str().unwrap()).await;
    let message = "hé\u{1b}[31m \u{fffd}";
    let expected = json!([{ "type": "out", "time": action["start_time"], "message": message }]);
    assert_eq!(output.json(), expected);
    assert_eq!(
        larder
            .get("", &format!("{PROJECT}/1/output/0/0"))
            .await
            .pair(),
        (200, "[]")
    );
}

#[tokio::test]
async fn output_that_is_not_there_or_not_to_be_seen_is_refused() {
    let larder = two_nodes().await;
    for path in ["1/output/1/0", "1/output/0/2", "1/output/x/0"] {
        let answer = larder.get("", &format!("{PROJECT}/{path}")).await;
        assert_eq!(
            answer.pair(),
            (404, r#"{"message":"Step not found"}"#),
            "{path}"
        );
    }
    let token = larder
        .member("ada", Role::Reader, DEMO, "read_artifacts")
        .await;
    let denied = larder.get(&token, &format!("{PROJECT}/1/output/0/1")).await;
    assert_eq!(denied.pair(), (403, r#"{"message":"Permission denied"}"#));
}

#[tokio::test]
async fn long_output_comes_in_several_messages_that_join_to_what_was_printed() {
    let larder = demo().await;
    let job = larder.job("master").await;
    let steps = &larder.larder.steps;
    steps
        .report(&Principal::Operator, job.id, 0, step("Print"))
        .await
        .unwrap();
    // Three bytes a character, so that no chunk ends where a character does.
    let printed = "€".repeat(700_000);
    let mut offset = 0;
    for chunk in printed.as_bytes().chunks(256 * 1024) {
        let chunk = Bytes::copy_from_slice(chunk);
        offset = steps
            .append(&Principal::Operator, job.id, 0, offset, chunk)
            .await
            .unwrap();
    }
    let output = larder
        .get("", &format!("{PROJECT}/1/output/0/0"))
        .await
        .json();
    let messages = output.as_array().unwrap();
    let joined: String = messages
        .iter()
        .map(|message| message["message"].as_str().unwrap())
        .collect();
    assert!(messages.len() > 1);
    assert!(
        joined == printed,
        "{} of {} bytes",
        joined.len(),
        printed.len()
    );
}
