//! Who may do what, and how it is said that somebody may not.

use super::{NOBODY, Running, announce};
use crate::support::{DEMO, TestLarder};
use axum::http::Method;
use larder_core::model::Role;
use serde_json::{Value, json};

/// One address for each route, of things that are there.
fn addresses(running: &Running, artifact: &str) -> Vec<(Method, String)> {
    let (build, job) = (&running.build, &running.job);
    [
        (Method::GET, "projects".to_owned()),
        (Method::GET, format!("projects/{DEMO}")),
        (Method::POST, format!("projects/{DEMO}/builds")),
        (Method::GET, format!("projects/{DEMO}/builds")),
        (Method::GET, format!("builds/{build}")),
        (Method::POST, format!("builds/{build}/jobs")),
        (Method::GET, format!("builds/{build}/artifacts")),
        (Method::GET, format!("jobs/{job}")),
        (Method::PATCH, format!("jobs/{job}")),
        (Method::POST, format!("jobs/{job}/heartbeat")),
        (Method::GET, format!("jobs/{job}/artifacts")),
        (Method::PUT, format!("jobs/{job}/artifacts/a.txt")),
        (Method::GET, format!("jobs/{job}/artifacts/a.txt")),
        (Method::DELETE, format!("jobs/{job}/artifacts/a.txt")),
        (Method::GET, format!("jobs/{job}/steps")),
        (Method::PUT, format!("jobs/{job}/steps/0")),
        (Method::POST, format!("jobs/{job}/steps/0/output?offset=0")),
        (Method::GET, format!("jobs/{job}/steps/0/output")),
        (Method::GET, format!("artifacts/{artifact}")),
        (Method::GET, format!("artifacts/{artifact}/content")),
        (Method::DELETE, format!("artifacts/{artifact}")),
    ]
    .into_iter()
    .map(|(method, path)| (method, format!("/larder/v1/{path}")))
    .collect()
}

/// A body that every route with one takes.
fn body_for(method: &Method, path: &str) -> &'static str {
    match path {
        path if path.ends_with("/builds") => "{}",
        path if path.ends_with("/jobs") => r#"{"name":"more"}"#,
        path if path.contains("/steps/") => r#"{"name":"s","state":"running"}"#,
        _ if *method == Method::PATCH => r#"{"state":"passed"}"#,
        _ => "",
    }
}

#[tokio::test]
async fn without_a_token_everything_asks_for_one_whether_or_not_it_is_there() {
    let running = Running::start().await;
    let artifact = running.keep("a.txt", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let there = addresses(&running, &artifact);
    let mut absent = addresses(&running, NOBODY);
    for (_, path) in &mut absent {
        *path = path
            .replace(&running.job, NOBODY)
            .replace(&running.build, NOBODY)
            .replace("acme", "nobody");
    }
    let mut bodies = std::collections::BTreeSet::new();
    for (method, path) in there.into_iter().chain(absent) {
        let answer = running
            .test
            .send("", method.clone(), &path, body_for(&method, &path))
            .await;
        let answer = answer.refused(401, "unauthenticated", "Authorization: Bearer");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn a_public_project_needs_a_token_here_too() {
    let test = TestLarder::with_demo().await;
    test.project("github/acme/open", true).await;
    test.get("", "/larder/v1/projects/github/acme/open")
        .await
        .refused(401, "unauthenticated", "");
    let stranger = test.member("eve", Role::Reader, DEMO, "read_builds").await;
    test.get(&stranger, "/larder/v1/projects/github/acme/open")
        .await
        .is(200);
}

#[tokio::test]
async fn outside_of_ones_projects_there_is_nothing() {
    let running = Running::start().await;
    running.test.project("github/other/one", false).await;
    let stranger = running
        .test
        .member(
            "eve",
            Role::Admin,
            "github/other/one",
            "read_builds,write_builds,read_artifacts,write_artifacts,delete_artifacts",
        )
        .await;
    let artifact = running.keep("a.txt", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (method, path) in addresses(&running, &artifact) {
        if path == "/larder/v1/projects" {
            continue;
        }
        let answer = running
            .test
            .send(&stranger, method.clone(), &path, body_for(&method, &path))
            .await;
        let answer = answer.refused(404, "not_found", "");
        let other = path
            .replace(&running.job, NOBODY)
            .replace(&running.build, NOBODY)
            .replace(&artifact, NOBODY);
        let absent = running
            .test
            .send(
                &stranger,
                method.clone(),
                &other.replace("acme", "nobody"),
                body_for(&method, &path),
            )
            .await;
        assert_eq!(absent.body, answer.body, "{method} {path}");
    }
    assert_eq!(
        running
            .test
            .get(&stranger, "/larder/v1/projects")
            .await
            .json()["projects"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn with_all_rights_every_route_does_its_work() {
    let running = Running::start().await;
    let artifact = running.keep("b.txt", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut statuses = Vec::new();
    for (method, path) in addresses(&running, &artifact) {
        if method == Method::PATCH {
            continue;
        }
        let answer = running
            .test
            .send(
                &running.writer,
                method.clone(),
                &path,
                body_for(&method, &path),
            )
            .await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {} {:?}",
            answer.status,
            answer.body
        );
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses.len(), 20);
    let heads: Vec<_> = addresses(&running, &artifact)
        .into_iter()
        .filter(|(method, _)| *method == Method::GET)
        .collect();
    for (_, path) in heads.iter().take(3) {
        let head = running
            .test
            .send(&running.writer, Method::HEAD, path, "")
            .await
            .is(200);
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn wrong_tokens_are_told_from_missing_ones() {
    let test = TestLarder::with_demo().await;
    let good = test.member("ada", Role::Reader, DEMO, "read_builds").await;
    for wrong in ["x", "lrd_personal_nonsense", &good[..good.len() - 1]] {
        let answer =
            test.get(wrong, "/larder/v1/projects")
                .await
                .refused(401, "invalid_token", "token");
        assert_eq!(
            answer.header("www-authenticate"),
            "Bearer error=\"invalid_token\""
        );
    }
    let other_carriers = [
        ("authorization", format!("Basic {good}")),
        ("authorization", format!("Token {good}")),
        ("authorization", "Bearer".to_owned()),
        ("authorization", "Bearer  ".to_owned()),
        ("circle-token", good.clone()),
    ];
    for (name, value) in other_carriers {
        let headers = [(name, value.as_str())];
        let answer = test
            .send_with("", Method::GET, "/larder/v1/projects", &headers, "")
            .await;
        answer.refused(401, "unauthenticated", "Bearer");
    }
    let query = format!("/larder/v1/projects?access_token={good}&circle-token={good}");
    test.get("", &query)
        .await
        .refused(401, "unauthenticated", "Bearer");
    let lower = format!("bearer {good}");
    test.send_with(
        "",
        Method::GET,
        "/larder/v1/projects",
        &[("authorization", &lower)],
        "",
    )
    .await
    .is(200);
}

#[tokio::test]
async fn each_route_names_the_scope_that_it_needs() {
    let running = Running::start().await;
    let artifact = running.keep("a.txt", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let none = running.test.token("ada", "read_user").await;
    for (method, path) in addresses(&running, &artifact) {
        let answer = running
            .test
            .send(&none, method.clone(), &path, body_for(&method, &path))
            .await;
        if path == format!("/larder/v1/projects/{DEMO}") {
            answer.is(200);
            continue;
        }
        let scope = match method {
            Method::PUT if path.contains("/artifacts/") => "write_artifacts",
            Method::DELETE => "delete_artifacts",
            Method::GET if path.contains("/artifacts") => "read_artifacts",
            Method::GET => "read_builds",
            _ => "write_builds",
        };
        answer.refused(
            403,
            "forbidden",
            &format!("the token lacks the scope {scope}"),
        );
        let enough = running.test.token("ada", scope).await;
        if method == Method::GET && !path.contains("/steps/") {
            running.test.get(&enough, &path).await.is(200);
        }
    }
    let deleter = running.test.token("ada", "delete_artifacts").await;
    running
        .test
        .delete(&deleter, &running.artifact("a.txt"))
        .await
        .is(204);
}

#[tokio::test]
async fn a_reader_changes_nothing() {
    let running = Running::start().await;
    let artifact = running.keep("a.txt", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let reader = running
        .test
        .member("bob", Role::Reader, DEMO, "admin")
        .await;
    for (method, path) in addresses(&running, &artifact) {
        let answer = running
            .test
            .send(&reader, method.clone(), &path, body_for(&method, &path))
            .await;
        if method == Method::GET {
            assert_ne!(answer.status, 403, "{path}");
        } else {
            answer.refused(403, "forbidden", "the role writer on the project is needed");
        }
    }
}

/// Another job of the same build, and one of another build of the same project.
async fn neighbours(running: &Running) -> (String, String) {
    let more = format!("/larder/v1/builds/{}/jobs", running.build);
    let beside = running
        .test
        .post(&running.writer, &more, r#"{"name":"test"}"#)
        .await;
    let outside = announce(
        &running.test,
        &running.writer,
        &json!({ "jobs": [{ "name": "x" }] }),
    )
    .await;
    let id = |announced: &Value| announced["jobs"][0]["id"].as_str().unwrap().to_owned();
    (id(&beside.is(200).json()), id(&outside))
}

#[tokio::test]
async fn a_job_reads_its_own_build_and_no_other() {
    let running = Running::start().await;
    let artifact = running.keep("a.txt", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (beside, outside) = neighbours(&running).await;
    for readable in [
        format!("builds/{}", running.build),
        format!("builds/{}/artifacts", running.build),
        format!("jobs/{beside}"),
        format!("jobs/{beside}/artifacts"),
        format!("jobs/{}/artifacts/a.txt", running.job),
        format!("artifacts/{artifact}/content"),
        format!("projects/{DEMO}"),
    ] {
        let path = format!("/larder/v1/{readable}");
        running.test.get(&running.job_token, &path).await.is(200);
    }
    for path in [
        format!("jobs/{outside}"),
        format!("jobs/{outside}/artifacts"),
    ] {
        let path = format!("/larder/v1/{path}");
        running
            .test
            .get(&running.job_token, &path)
            .await
            .refused(404, "not_found", "");
    }
    for path in ["projects".to_owned(), format!("projects/{DEMO}/builds")] {
        let path = format!("/larder/v1/{path}");
        running
            .test
            .get(&running.job_token, &path)
            .await
            .refused(403, "forbidden", "job's token");
    }
}

#[tokio::test]
async fn a_job_adds_to_itself_alone_and_deletes_nothing() {
    let running = Running::start().await;
    let artifact = running.keep("a.txt", "abc").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (beside, outside) = neighbours(&running).await;
    let end = r#"{"state":"failed"}"#;
    let step = r#"{"name":"a","state":"running"}"#;
    for (method, of_job, body) in [
        (Method::PUT, "/artifacts/x", "1"),
        (Method::PATCH, "", end),
        (Method::POST, "/heartbeat", ""),
        (Method::PUT, "/steps/0", step),
    ] {
        for (job, status, code) in [(&beside, 403, "forbidden"), (&outside, 404, "not_found")] {
            let path = format!("/larder/v1/jobs/{job}{of_job}");
            let answer = running
                .test
                .send(&running.job_token, method.clone(), &path, body)
                .await;
            answer.refused(status, code, "");
        }
        let own = format!("/larder/v1/jobs/{}{of_job}", running.job);
        if method != Method::PATCH {
            let answer = running
                .test
                .send(&running.job_token, method, &own, body)
                .await;
            assert!(answer.status.is_success(), "{own}: {:?}", answer.body);
        }
    }
    for (method, path, body) in [
        (
            Method::POST,
            format!("builds/{}/jobs", running.build),
            r#"{"name":"y"}"#,
        ),
        (Method::POST, format!("projects/{DEMO}/builds"), "{}"),
        (
            Method::DELETE,
            format!("jobs/{}/artifacts/a.txt", running.job),
            "",
        ),
        (Method::DELETE, format!("artifacts/{artifact}"), ""),
    ] {
        let path = format!("/larder/v1/{path}");
        let answer = running
            .test
            .send(&running.job_token, method, &path, body)
            .await;
        answer.refused(403, "forbidden", "its own running job");
    }
}

#[tokio::test]
async fn a_jobs_token_dies_ten_minutes_after_its_job() {
    let running = Running::start().await;
    running.finish().await;
    let path = format!("/larder/v1/jobs/{}", running.job);
    running
        .test
        .put(&running.job_token, &running.artifact("late"), "1")
        .await
        .refused(409, "conflict", "has ended");
    running.test.larder.clock().advance_ms(10 * 60 * 1000 - 1);
    running.test.get(&running.job_token, &path).await.is(200);
    running.test.larder.clock().advance_ms(1);
    running
        .test
        .get(&running.job_token, &path)
        .await
        .refused(401, "invalid_token", "expired");
    running.test.get(&running.writer, &path).await.is(200);
}

#[tokio::test]
async fn strays_and_wrong_methods_are_refused_in_this_apis_form() {
    let running = Running::start().await;
    for path in [
        "/larder/v1",
        "/larder/v1/",
        "/larder/v1/nothing",
        "/larder/v1/jobs",
        "/larder/v1/jobs/a/b/c/d",
        "/larder/v1/projects/github/acme",
        "/larder/v1/projects/github/acme/demo/",
        "/larder/v1//projects",
    ] {
        for token in ["", &running.writer] {
            running
                .test
                .get(token, path)
                .await
                .refused(404, "no_such_route", "openapi.json");
        }
    }
    let wrong = [
        (
            Method::DELETE,
            "/larder/v1/projects".to_owned(),
            "GET, HEAD",
        ),
        (
            Method::GET,
            format!("/larder/v1/jobs/{}/heartbeat", running.job),
            "POST",
        ),
        (
            Method::POST,
            running.artifact("x"),
            "PUT, GET, HEAD, DELETE",
        ),
        (
            Method::OPTIONS,
            format!("/larder/v1/jobs/{}", running.job),
            "GET, HEAD, PATCH",
        ),
    ];
    for (method, path, allow) in wrong {
        let answer = running.test.send(&running.writer, method, &path, "").await;
        assert_eq!(
            answer
                .refused(405, "method_not_allowed", "Allow")
                .header("allow"),
            allow
        );
    }
}

#[tokio::test]
async fn the_document_is_served_to_all() {
    let test = TestLarder::with_demo().await;
    let document = test.get("", "/larder/v1/openapi.json").await.is(200);
    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.json()["openapi"], "3.1.0");
    assert_eq!(document.json()["servers"][0]["url"], "https://larder.test");
}
