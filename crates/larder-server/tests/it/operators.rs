//! What operators delete, bound and forbid, as every API and page shows it.

use crate::support::{Answer, DEMO, START, TestLarder};
use axum::http::StatusCode;
use larder_core::clock::Timestamp;
use larder_core::model::{EndState, Job, NewBuild, Principal, ProjectSlug, Role, SpaceLimit};
use serde_json::json;

const OPERATOR: &Principal = &Principal::Operator;

fn demo() -> ProjectSlug {
    ProjectSlug::parse(DEMO).unwrap()
}

/// A larder with a finished build of one file, and all addresses that lead to it.
async fn with_a_file(test: &TestLarder) -> (Job, Vec<String>) {
    let new = NewBuild {
        branch: Some("main".to_owned()),
        ..NewBuild::default()
    };
    let announced = test.build(DEMO, new, &[("build", 1)]).await;
    let job = announced.nodes[0].job.clone();
    let kept = test.keep(job.id, "a.txt", "hello").await;
    test.finish(job.id, EndState::Passed, None).await;
    let (build, id, artifact) = (announced.build.id, job.id, kept.id);
    let (number, of_build) = (job.number.unwrap(), announced.build.number);
    let link = test.larder.artifacts.link(OPERATOR, artifact).await;
    let buildkite = format!("/v2/organizations/acme/pipelines/demo/builds/{of_build}");
    let addresses = [
        format!("/api/v1.1/project/github/acme/demo/{number}"),
        format!("/api/v1.1/project/github/acme/demo/{number}/artifacts"),
        format!("/api/v1.1/project/github/acme/demo/{number}/artifacts/0/a.txt"),
        "/api/v1.1/project/github/acme/demo/latest/artifacts/0/a.txt?branch=main".to_owned(),
        format!("/api/v2/project/github/acme/demo/{number}/artifacts"),
        format!("/api/v2/project/github/acme/demo/job/{number}"),
        format!("/api/v3/jobs/{id}/artifacts"),
        format!("/output/job/{id}/artifacts/0/a.txt"),
        format!("/gh/acme/demo/{number}/artifacts/0/a.txt"),
        buildkite.clone(),
        format!("{buildkite}/artifacts"),
        format!("{buildkite}/jobs/{id}/artifacts/{artifact}"),
        format!("{buildkite}/jobs/{id}/artifacts/{artifact}/download"),
        format!("/v2/organizations/acme/jobs/{id}/artifacts/{artifact}"),
        format!("/larder/v1/builds/{build}"),
        format!("/larder/v1/builds/{build}/artifacts"),
        format!("/larder/v1/jobs/{id}"),
        format!("/larder/v1/jobs/{id}/artifacts/a.txt"),
        format!("/larder/v1/jobs/{id}/steps"),
        format!("/larder/v1/artifacts/{artifact}"),
        format!("/larder/v1/artifacts/{artifact}/content"),
        format!("/d/{}", link.unwrap().token),
    ];
    (job, addresses.into())
}

/// Pages of the build, for whoever is signed in.
const PAGES: [&str; 3] = [
    "/github/acme/demo/builds/1",
    "/github/acme/demo/builds/1/steps",
    "/github/acme/demo/1",
];

async fn page(test: &TestLarder, session: &str, path: &str) -> Answer {
    let cookie = format!("__Host-larder_session={session}");
    let headers = [("cookie", cookie.as_str()), ("accept", "*/*")];
    test.ask(axum::http::Method::GET, path, &headers, "").await
}

async fn session(test: &TestLarder, user: &str) -> String {
    let access = &test.larder.access;
    let link = access.sign_in_link(OPERATOR, user, "/").await.unwrap();
    access.sign_in_by_link(&link).await.unwrap().secret
}

#[tokio::test]
async fn what_is_deleted_answers_404_at_once_on_every_api_and_page() {
    for of_project in [false, true] {
        let test = TestLarder::with_demo().await;
        let root = test.admin().await;
        let browser = session(&test, "root").await;
        let (_, addresses) = with_a_file(&test).await;
        for address in &addresses {
            let found = test.get(&root, address).await;
            assert!(found.status.as_u16() < 400, "{address}: {found:?}");
        }
        for path in PAGES {
            let found = page(&test, &browser, path).await;
            assert!(found.status.as_u16() < 400, "{path}: {found:?}");
        }
        let address = if of_project {
            format!("/larder/v1/projects/{DEMO}")
        } else {
            addresses[14].clone()
        };
        let deleted = test.delete(&root, &address).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{deleted:?}");
        // Before the sweep and after it.
        for _ in 0..2 {
            for address in &addresses {
                let gone = test.get(&root, address).await;
                assert_eq!(gone.status, StatusCode::NOT_FOUND, "{address}: {gone:?}");
            }
            for path in PAGES {
                let gone = page(&test, &browser, path).await;
                assert_eq!(gone.status, StatusCode::NOT_FOUND, "{path}: {gone:?}");
            }
            let again = test.delete(&root, &address).await;
            assert_eq!(again.status, StatusCode::NOT_FOUND);
            test.larder.collect_garbage().await.unwrap();
        }
        let listed = test
            .get(&root, &format!("/larder/v1/projects/{DEMO}/builds"))
            .await;
        if of_project {
            assert_eq!(listed.status, StatusCode::NOT_FOUND);
            let fresh = test.project(DEMO, false).await;
            assert_eq!(fresh.total_bytes, 0);
        } else {
            assert_eq!(listed.json()["builds"], json!([]));
        }
    }
}

#[tokio::test]
async fn a_full_project_takes_no_more_on_any_way() {
    let test = TestLarder::with_demo().await;
    let job = test.job("main").await;
    let writer = test
        .member("ada", Role::Writer, DEMO, "write_artifacts,write_builds")
        .await;
    test.keep(job.id, "a", "12345").await;
    let limit = SpaceLimit::parse("8").unwrap();
    let projects = &test.larder.projects;
    projects
        .set_space_limit(OPERATOR, &demo(), limit)
        .await
        .unwrap();
    let path = format!("/larder/v1/jobs/{}/artifacts/b", job.id);
    let uploads = format!("/larder/v1/jobs/{}/uploads", job.id);
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let begin = json!({ "path": "c", "size": 4, "sha256": sha256 }).to_string();
    for refused in [
        test.put(&writer, &path, "1234").await,
        test.post(&writer, &uploads, begin).await,
    ] {
        assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE);
        let body = refused.json();
        assert_eq!(body["code"], "project_full");
        let message = body["message"].as_str().unwrap();
        for part in [
            "github/acme/demo keeps 5 of at most 8 bytes",
            "4 more",
            "delete",
            "admin project limit",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    assert_eq!(
        test.put(&writer, &path, "123").await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_disabled_user_is_out_on_every_way_at_once() {
    let test = TestLarder::with_demo().await;
    let token = test.member("ada", Role::Reader, DEMO, "admin").await;
    let (_, addresses) = with_a_file(&test).await;
    let browser = session(&test, "ada").await;
    let access = &test.larder.access;
    let who = access.authenticate(&token).await.unwrap();
    let address = addresses
        .iter()
        .find(|address| address.ends_with("/content"))
        .unwrap();
    let id = address.split('/').nth(4).unwrap();
    let id = larder_core::model::ArtifactId::parse(id).unwrap();
    let link = test.larder.artifacts.link(&who, id).await.unwrap();
    let link = format!("/d/{}", link.token);
    for (path, token) in [(address.as_str(), token.as_str()), (&link, "")] {
        assert_eq!(test.get(token, path).await.status, StatusCode::OK);
    }
    assert_eq!(page(&test, &browser, PAGES[0]).await.status, StatusCode::OK);
    access.disable_user(OPERATOR, "ada").await.unwrap();
    assert_eq!(
        test.get(&token, address).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(test.get("", &link).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        page(&test, &browser, PAGES[0]).await.status,
        StatusCode::FOUND
    );
    access.enable_user(OPERATOR, "ada").await.unwrap();
    assert_eq!(test.get(&token, address).await.status, StatusCode::OK);
    assert_eq!(
        page(&test, &browser, PAGES[0]).await.status,
        StatusCode::FOUND
    );
}

#[tokio::test]
async fn downloads_from_private_projects_come_into_the_log_by_every_api() {
    let test = TestLarder::with_demo().await;
    let token = test
        .member("ada", Role::Reader, DEMO, "read_artifacts")
        .await;
    let (_, addresses) = with_a_file(&test).await;
    let files: Vec<_> = addresses
        .iter()
        .filter(|address| {
            address.ends_with("/content") || address.contains("a.txt") || address.starts_with("/d/")
        })
        .collect();
    test.clock.set(Timestamp(START.0 + 5_000));
    for address in &files {
        assert_eq!(
            test.get(&token, address).await.status,
            StatusCode::OK,
            "{address}"
        );
    }
    // What is not sent is no download.
    let known = test.get(&token, files[0]).await;
    let etag = known.header("etag").to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("if-none-match", &etag)];
    let not_sent = test
        .ask(axum::http::Method::GET, files[0], &headers, "")
        .await;
    assert_eq!(not_sent.status, StatusCode::NOT_MODIFIED);
    let done = test.larder.note_downloads().await.unwrap();
    assert_eq!(done.noted, files.len() as u64 + 1);
}
