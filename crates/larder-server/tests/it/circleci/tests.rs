//! Results of tests.

use crate::support::{DEMO, TestLarder};
use larder_core::model::{JobId, NewBuild, Principal, TestOutcome, TestResult};
use serde_json::json;

const PROJECT: &str = "/api/v1.1/project/github/acme/demo";

async fn demo() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    larder
}

async fn keep(larder: &TestLarder, job: JobId, report: u32, results: Vec<TestResult>) {
    let kept = &larder.larder.test_results;
    kept.keep(&Principal::Operator, job, report, results)
        .await
        .unwrap();
}

fn passed(name: &str) -> TestResult {
    TestResult {
        name: name.into(),
        classname: None,
        file: None,
        outcome: TestOutcome::Success,
        run_time_ms: 250,
        message: None,
    }
}

fn failed() -> TestResult {
    TestResult {
        classname: Some("Oven".into()),
        file: Some("spec/oven_spec.rb".into()),
        outcome: TestOutcome::Failure,
        run_time_ms: 1_234,
        message: Some("too hot".into()),
        ..passed("bakes")
    }
}

/// A job of two nodes, each with results.
async fn two_nodes() -> TestLarder {
    let larder = demo().await;
    let build = larder.build(DEMO, NewBuild::default(), &[("test", 2)]);
    let nodes = build.await.nodes;
    keep(&larder, nodes[0].job.id, 0, vec![passed("rises"), failed()]).await;
    keep(&larder, nodes[1].job.id, 3, vec![passed("cools")]).await;
    larder
}

#[tokio::test]
async fn a_build_lists_the_results_of_all_its_nodes() {
    let larder = two_nodes().await;
    let expected = json!([
        {
            "message": "too hot", "source": "unknown", "run_time": 1.234, "file": "spec/oven_spec.rb",
            "result": "failure", "name": "bakes", "classname": "Oven",
        },
        {
            "message": "", "source": "unknown", "run_time": 0.25, "file": "",
            "result": "success", "name": "rises", "classname": "",
        },
        {
            "message": "", "source": "unknown", "run_time": 0.25, "file": "",
            "result": "success", "name": "cools", "classname": "",
        },
    ]);
    for path in [
        format!("{PROJECT}/1/tests"),
        "/api/v1/project/acme/demo/1/tests".into(),
    ] {
        let listed = larder.get("", &path).await.json();
        assert_eq!(listed, json!({ "tests": expected, "exceptions": [] }));
    }
    for project in ["gh/acme/demo", "gh%2Facme%2Fdemo"] {
        let path = format!("/api/v2/project/{project}/1/tests");
        let first = larder.get("", &path).await.json();
        assert_eq!(
            first["items"].as_array().unwrap(),
            &expected.as_array().unwrap()[..2]
        );
        let token = first["next_page_token"].as_str().unwrap();
        let second = larder.get("", &format!("{path}?page-token={token}")).await;
        assert_eq!(
            second.json(),
            json!({ "items": [expected[2]], "next_page_token": null })
        );
        // A place behind all results of its node leads to those of the next.
        let behind = format!("{path}?page-token=0-success-ff-1");
        let behind = larder.get("", &behind).await.json();
        assert_eq!(behind["items"], json!([expected[2]]));
        let wrong = larder.get("", &format!("{path}?page-token=x")).await;
        assert_eq!(wrong.status, 400);
    }
}

#[tokio::test]
async fn a_job_without_results_lists_none() {
    let larder = demo().await;
    larder.job("master").await;
    for path in [
        format!("{PROJECT}/1/tests"),
        "/api/v1/project/acme/demo/1/tests".into(),
    ] {
        let listed = larder.get("", &path).await.json();
        assert_eq!(listed, json!({ "tests": [], "exceptions": [] }));
    }
    let listed = larder.get("", "/api/v2/project/gh/acme/demo/1/tests").await;
    let none = json!({ "items": [], "next_page_token": null });
    assert_eq!(listed.json(), none);
    for path in [
        format!("{PROJECT}/2/tests"),
        "/api/v2/project/gh/acme/demo/2/tests".into(),
    ] {
        assert_eq!(larder.get("", &path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn many_results_are_listed_at_once_or_in_pages() {
    let larder = demo().await;
    let job = larder.job("master").await;
    let results: Vec<_> = (0..2_500).map(|at| passed(&at.to_string())).collect();
    keep(&larder, job.id, 0, results).await;
    let all = larder.get("", &format!("{PROJECT}/1/tests")).await.json();
    let all = all["tests"].as_array().unwrap();
    let names = |tests: &[serde_json::Value]| -> Vec<String> {
        let names = tests.iter().map(|test| test["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let expected: Vec<_> = (0..2_500).map(|at| at.to_string()).collect();
    assert_eq!(names(all), expected);
    let (mut pages, mut query) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v2/project/gh/acme/demo/1/tests{query}");
        let page = larder.get("", &path).await.json();
        pages.push(names(page["items"].as_array().unwrap()));
        let Some(next) = page["next_page_token"].as_str() else {
            break;
        };
        query = format!("?page-token={next}");
    }
    assert_eq!(pages.len(), 3);
    assert_eq!(pages.concat(), expected);
}
