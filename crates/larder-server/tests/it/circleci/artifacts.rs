//! Lists of v1 and v1.1.

use super::{LIST, keep_sample, sample};
use crate::support::{DEMO, TestLarder};
use axum::http::Method;
use larder_core::model::{EndState, NewBuild};
use serde_json::json;

/// Vectors 3, 4 and 5.
#[tokio::test]
async fn a_job_lists_its_artifacts_with_four_keys_however_its_project_is_named() {
    let (larder, job) = sample().await;
    let url = format!("https://larder.test/output/job/{}/artifacts/0", job.id);
    let expected = json!([
        { "path": "artifact-file", "pretty_path": "artifact-file", "node_index": 0, "url": format!("{url}/artifact-file") },
        {
            "path": "tmp/artifacts/artifact-2",
            "pretty_path": "tmp/artifacts/artifact-2",
            "node_index": 0,
            "url": format!("{url}/tmp/artifacts/artifact-2"),
        },
    ]);
    for path in [
        LIST,
        "/api/v1.1/project/gh/acme/demo/1/artifacts",
        "/api/v1.1/project/github/acme/demo/latest/artifacts",
        "/api/v1/project/acme/demo/1/artifacts",
        "/api/v1/project/acme/demo/latest/artifacts?branch=master&filter=successful",
    ] {
        let answer = larder.get("", path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json(), expected, "{path}");
        assert_eq!(
            answer.headers["content-type"],
            "application/json; charset=utf-8"
        );
    }
}

/// The document's example is of job 24 in project 88881093 on GitHub: the same must be spelled the same, byte for byte.
#[tokio::test]
async fn lists_are_spelled_as_the_source_document_prints_them() {
    let document = include_str!("../../../../../tests/fixtures/source-documents/003.txt");
    let (_, example) = document.split_once("```json\n").unwrap();
    let (example, _) = example.split_once("\n```").unwrap();
    let hosts = "https://{n}-{project}-{vcs}.circle-artifacts.com";
    let larder = TestLarder::with_content_url(hosts).await;
    let project = larder.project(DEMO, true).await;
    for _ in 1..24 {
        larder.job("master").await;
    }
    let job = larder.job("master").await;
    larder
        .keep(job.id, "raw-test-output/go-test.out", "b")
        .await;
    larder
        .keep(job.id, "raw-test-output/go-test-report.xml", "a")
        .await;
    let list = larder
        .get("", "/api/v1.1/project/github/acme/demo/24/artifacts")
        .await;
    let example = example.replace("88881093", &project.number.to_string());
    assert_eq!(list.text(), example);
}

/// Vector 6, and 7 as far as the text of the list goes.
#[tokio::test]
async fn lists_are_compact_only_for_clients_that_ask_for_json() {
    let (larder, _) = sample().await;
    let compact = larder
        .ask(Method::GET, LIST, &[("accept", "application/json")], "")
        .await;
    assert!(
        compact.text().contains(r#""url":"https://larder.test/"#),
        "{compact:?}"
    );
    assert!(!compact.text().contains('\n'));
    for headers in [&[("accept", "*/*")][..], &[("accept", "text/plain")], &[]] {
        let pretty = larder.ask(Method::GET, LIST, headers, "").await;
        assert!(
            pretty
                .text()
                .starts_with("[ {\n  \"path\" : \"artifact-file\",\n"),
            "{pretty:?}"
        );
        assert!(pretty.text().contains(r#""url" : "https://larder.test/"#));
        // What the documents' `grep -o 'https://[^"]*'` finds.
        let urls: Vec<_> = pretty.text().match_indices("https://").collect();
        assert_eq!(urls.len(), 2);
        assert!(!pretty.text().contains("\\/"));
    }
}

/// Vector 29, v1.1.
#[tokio::test]
async fn a_job_without_artifacts_lists_none() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    larder.job("master").await;
    for path in [LIST, "/api/v1.1/project/github/acme/demo/latest/artifacts"] {
        assert_eq!(larder.get("", path).await.pair(), (200, "[]"), "{path}");
    }
}

/// Vector 41, and the order of lists.
#[tokio::test]
async fn the_nodes_of_a_job_list_the_same_path_each_with_its_own_address() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let nodes = larder
        .build(DEMO, NewBuild::default(), &[("build", 2)])
        .await
        .nodes;
    larder.keep(nodes[1].job.id, "out.txt", "one").await;
    larder.keep(nodes[0].job.id, "z.txt", "last").await;
    larder.keep(nodes[0].job.id, "out.txt", "zero").await;
    let list = larder.get("", LIST).await.json();
    let places: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (&item["node_index"], &item["path"]))
        .collect();
    assert_eq!(
        json!(places),
        json!([[0, "out.txt"], [0, "z.txt"], [1, "out.txt"]])
    );
    for (index, content) in [(0, "zero"), (2, "one")] {
        let url = list[index]["url"].as_str().unwrap();
        assert_eq!(larder.get("", url).await.pair(), (200, content));
    }
}

/// Vector 44.
#[tokio::test]
async fn of_equal_paths_the_later_content_wins() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let job = larder.job("master").await;
    larder.keep(job.id, "out.txt", "first").await;
    larder.keep(job.id, "out.txt", "second").await;
    assert_eq!(
        larder.get("", LIST).await.json().as_array().unwrap().len(),
        1
    );
    assert_eq!(
        larder.get("", &format!("{LIST}/0/out.txt")).await.pair(),
        (200, "second")
    );
}

#[tokio::test]
async fn what_is_deleted_disappears_from_lists_and_addresses() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let job = larder.job("master").await;
    let kept = larder.keep(job.id, "out.txt", "bytes").await;
    let artifacts = &larder.larder.artifacts;
    let operator = larder_core::model::Principal::Operator;
    artifacts
        .delete(&operator, kept.id, larder_core::DeletingScope::Delete)
        .await
        .unwrap();
    assert_eq!(larder.get("", LIST).await.pair(), (200, "[]"));
    let file = larder.get("", &format!("{LIST}/0/out.txt")).await;
    assert_eq!(file.pair(), (404, r#"{"message":"Artifact not found"}"#));
}

#[tokio::test]
async fn a_running_job_lists_what_it_has_kept_so_far() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let job = larder.job("master").await;
    larder.keep(job.id, "a", "a").await;
    assert_eq!(
        larder.get("", LIST).await.json().as_array().unwrap().len(),
        1
    );
    larder.keep(job.id, "b", "b").await;
    larder.finish(job.id, EndState::Failed, None).await;
    assert_eq!(
        larder.get("", LIST).await.json().as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn other_hosts_of_code_have_projects_of_their_own() {
    let larder = TestLarder::start().await;
    keep_sample(&larder, true).await;
    larder.project("bitbucket/acme/demo", true).await;
    for vcs in ["bb", "bitbucket"] {
        let path = format!("/api/v1.1/project/{vcs}/acme/demo/1/artifacts");
        assert_eq!(
            larder.get("", &path).await.pair(),
            (404, r#"{"message":"Build not found"}"#),
            "{vcs}"
        );
    }
}
