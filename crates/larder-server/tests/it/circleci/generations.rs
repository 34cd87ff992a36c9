//! v2 and v3.

use super::sample;
use crate::support::{Answer, DEMO, TestLarder};
use larder_core::model::{
    ArtifactPath, EndState, NewArtifact, NewBuild, NewJob, Principal, ProjectSlug, Role,
};
use larder_core::{Announced, Incoming};
use serde_json::json;

const V2: &str = "/api/v2/project/gh/acme/demo/1/artifacts";

/// Vectors 26 and 27.
#[tokio::test]
async fn v2_lists_without_pretty_path_and_takes_a_slug_in_one_segment_too() {
    let (larder, job) = sample().await;
    let url = format!("https://larder.test/output/job/{}/artifacts/0", job.id);
    let expected = json!({
        "items": [
            { "path": "artifact-file", "node_index": 0, "url": format!("{url}/artifact-file") },
            { "path": "tmp/artifacts/artifact-2", "node_index": 0, "url": format!("{url}/tmp/artifacts/artifact-2") },
        ],
        "next_page_token": null,
    });
    for slug in [
        "gh/acme/demo",
        "github/acme/demo",
        "gh%2Facme%2Fdemo",
        "github%2facme%2fdemo",
    ] {
        let answer = larder
            .get("", &format!("/api/v2/project/{slug}/1/artifacts"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (200, expected.clone()),
            "{slug}"
        );
    }
}

/// Vector 28.
#[tokio::test]
async fn v2_knows_no_such_job() {
    let (larder, _) = sample().await;
    let token = larder
        .member("ada", Role::Reader, DEMO, "view-builds")
        .await;
    let missing = (404, r#"{"message":"Job not found."}"#);
    for path in [
        "/api/v2/project/gh/acme/demo/999/artifacts",
        "/api/v2/project/gh%2Facme%2Fdemo/999/artifacts",
        "/api/v2/project/gh/acme/demo/job/999",
        "/api/v2/project/gh/acme/demo/latest/artifacts",
    ] {
        assert_eq!(larder.get("", path).await.pair(), missing, "{path}");
        assert_eq!(larder.get(&token, path).await.pair(), missing, "{path}");
    }
    for path in [
        "/api/v2/project/gh/acme/other/1/artifacts",
        "/api/v2/project/demo/1/artifacts",
    ] {
        assert_eq!(larder.get("", path).await.pair(), missing, "{path}");
        let known = larder.get(&token, path).await;
        assert_eq!(
            known.pair(),
            (404, r#"{"message":"Project not found"}"#),
            "{path}"
        );
    }
}

/// Vector 29, v2.
#[tokio::test]
async fn v2_lists_nothing_for_a_job_without_artifacts() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    larder.job("master").await;
    assert_eq!(
        larder.get("", V2).await.json(),
        json!({ "items": [], "next_page_token": null })
    );
}

#[tokio::test]
async fn v2_gives_long_lists_in_pages_that_join_without_gap_or_overlap() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let nodes = larder
        .build(DEMO, NewBuild::default(), &[("build", 2)])
        .await
        .nodes;
    for node in &nodes {
        let jobs: Vec<_> = (0..600)
            .map(|number| {
                let path = ArtifactPath::parse(&format!("{number:04}")).unwrap();
                let incoming = Incoming::from_bytes("x");
                let new = NewArtifact::new(path, "text/plain");
                let artifacts = larder.larder.artifacts.clone();
                let id = node.job.id;
                tokio::spawn(async move {
                    artifacts
                        .keep(&Principal::Operator, id, new, incoming)
                        .await
                        .unwrap()
                })
            })
            .collect();
        for job in jobs {
            job.await.unwrap();
        }
    }
    let items = |answer: &Answer| answer.json()["items"].as_array().unwrap().clone();
    let first = larder.get("", V2).await;
    let token = first.json()["next_page_token"].as_str().unwrap().to_owned();
    let second = larder.get("", &format!("{V2}?page-token={token}")).await;
    assert_eq!(second.json()["next_page_token"], json!(null));
    assert_eq!((items(&first).len(), items(&second).len()), (1_000, 200));
    let mut urls: Vec<_> = [items(&first), items(&second)]
        .concat()
        .iter()
        .map(|item| item["url"].to_string())
        .collect();
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), 1_200);
}

/// A build whose job `test` passed on two nodes in 1.5 s, and whose job `deploy` is queued.
async fn two_jobs() -> (TestLarder, Announced) {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    let jobs = vec![
        NewJob {
            name: "test".into(),
            parallelism: 2,
            queued: false,
        },
        NewJob {
            name: "deploy".into(),
            parallelism: 1,
            queued: true,
        },
    ];
    let slug = ProjectSlug::parse(DEMO).unwrap();
    let builds = &larder.larder.builds;
    let announced = builds
        .announce(&Principal::Operator, &slug, NewBuild::default(), jobs)
        .await;
    let announced = announced.unwrap();
    larder.clock.advance_ms(1_500);
    for node in &announced.nodes[..2] {
        larder.finish(node.job.id, EndState::Passed, None).await;
    }
    (larder, announced)
}

#[tokio::test]
async fn v2_shows_a_job() {
    let (larder, _) = two_jobs().await;
    for slug in ["gh/acme/demo", "gh%2Facme%2Fdemo"] {
        let job = larder
            .get("", &format!("/api/v2/project/{slug}/job/1"))
            .await
            .json();
        let keys = ["number", "name", "status", "duration", "parallelism"];
        let facts = json!(keys.map(|key| job[key].clone()));
        assert_eq!(facts, json!([1, "test", "success", 1500, 2]));
        assert_eq!(job["project"]["slug"], "gh/acme/demo");
    }
}

#[tokio::test]
async fn v2_lists_the_jobs_of_a_workflow_which_is_a_build() {
    let (larder, announced) = two_jobs().await;
    let path = format!("/api/v2/workflow/{}/job", announced.build.id);
    let items = larder.get("", &path).await.json()["items"].clone();
    let keys = ["name", "job_number", "project_slug", "id", "status"];
    let facts = |item: &serde_json::Value| json!(keys.map(|key| item[key].clone()));
    let id = |place: usize| announced.nodes[place].job.id.to_string();
    assert_eq!(items.as_array().unwrap().len(), 2);
    assert_eq!(
        facts(&items[0]),
        json!(["test", 1, "gh/acme/demo", id(0), "success"])
    );
    assert_eq!(
        facts(&items[1]),
        json!(["deploy", null, "gh/acme/demo", id(2), "queued"])
    );
    let unknown = larder.get("", "/api/v2/workflow/nope/job").await;
    assert_eq!(unknown.pair(), (404, r#"{"message":"Job not found."}"#));
}

/// Vector 30.
#[tokio::test]
async fn v3_lists_the_artifacts_of_a_job_by_its_id() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, false).await;
    let nodes = larder
        .build(DEMO, NewBuild::default(), &[("build", 2)])
        .await
        .nodes;
    let kept = larder.keep(nodes[1].job.id, "a b", "bytes").await;
    let token = larder
        .member("ada", Role::Reader, DEMO, "view-builds")
        .await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer), ("accept", "application/json")];
    let path = format!("/api/v3/jobs/{}/artifacts", nodes[0].job.id);
    let answer = larder
        .ask(axum::http::Method::GET, &path, &headers, "")
        .await;
    let url = format!(
        "https://larder.test/output/job/{}/artifacts/1/a%20b",
        nodes[1].job.id
    );
    assert_eq!(
        answer.json(),
        json!({
            "data": [{ "id": kept.id.to_string(), "attributes": { "path": "a b", "url": url, "execution": 1 } }],
            "page": { "next": null },
        })
    );
    let file = larder
        .ask(axum::http::Method::GET, &url, &headers, "")
        .await;
    assert_eq!(file.pair(), (200, "bytes"));
}

#[tokio::test]
async fn v3_refuses_with_an_id_a_title_and_a_detail() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, false).await;
    let job = larder.job("master").await;
    let missing =
        json!({ "error": { "id": "not-found", "title": "Not Found", "detail": "Job not found." } });
    for id in [
        job.id.to_string(),
        "00000000-0000-7000-8000-000000000000".into(),
        "nope".into(),
    ] {
        let answer = larder
            .get("", &format!("/api/v3/jobs/{id}/artifacts"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (404, missing.clone()),
            "{id}"
        );
    }
    let path = format!("/api/v3/jobs/{}/artifacts", job.id);
    let wrong = larder.get("guess", &path).await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.json()["error"]["detail"]),
        (401, &"Invalid token provided.".into())
    );
    let status = larder.member("ada", Role::Reader, DEMO, "status").await;
    let denied = larder.get(&status, &path).await;
    assert_eq!(
        (denied.status.as_u16(), &denied.json()["error"]["detail"]),
        (403, &"Permission denied".into())
    );
}
