//! Methods, routes and values that are mistaken.

use super::{LIST, sample};
use crate::support::DEMO;
use axum::http::Method;

/// Nothing here creates or deletes, whatever the token may do elsewhere.
#[tokio::test]
async fn other_methods_are_refused_in_this_apis_form_with_what_is_allowed() {
    let (larder, job) = sample().await;
    let token = larder
        .member("root", larder_core::model::Role::Admin, DEMO, "admin")
        .await;
    let message = r#"{"message":"Method not allowed: this API only reads"}"#;
    for path in [
        LIST.to_owned(),
        format!("{LIST}/0/artifact-file"),
        "/api/v1/project/acme/demo/1/artifacts/0/artifact-file".into(),
        "/gh/acme/demo/1/artifacts/0/artifact-file".into(),
        format!("/output/job/{}/artifacts/0/artifact-file", job.id),
        "/api/v2/project/gh/acme/demo/1/artifacts".into(),
        "/api/v1.1/me".into(),
    ] {
        for method in [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
        ] {
            let answer = larder
                .ask(method.clone(), &path, &[("circle-token", &token)], "")
                .await;
            assert_eq!(answer.pair(), (405, message), "{method} {path}");
            assert_eq!(answer.headers["allow"], "GET, HEAD", "{method} {path}");
        }
    }
    let path = format!("/api/v3/jobs/{}/artifacts", job.id);
    let answer = larder.ask(Method::DELETE, &path, &[], "").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "GET, HEAD");
    assert_eq!(answer.json()["error"]["title"], "Method Not Allowed");
    assert_eq!(
        larder
            .get("", &format!("{LIST}/0/artifact-file"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn addresses_that_are_no_route_say_so_in_the_form_of_their_generation() {
    let (larder, _) = sample().await;
    for path in [
        "/api/v1.1/nope",
        "/api/v1/project/acme",
        "/api/v2/me/collaborations",
        "/api/v1.1/project/github/acme/demo/1/artifacts/0",
    ] {
        let answer = larder.get("", path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(
            answer.json()["message"]
                .as_str()
                .unwrap()
                .starts_with("Not found"),
            "{path}"
        );
    }
    let answer = larder.get("", "/api/v3/nope").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["id"]),
        (404, &"not-found".into())
    );
}

#[tokio::test]
async fn values_that_mean_nothing_are_named() {
    let (larder, _) = sample().await;
    let project = "/api/v1.1/project/github/acme/demo";
    for (path, message) in [
        (
            format!("{project}?limit=many"),
            "limit: must be a whole number from 0",
        ),
        (
            format!("{project}?offset=-1"),
            "offset: must be a whole number from 0",
        ),
        (
            "/api/v2/project/gh/acme/demo/1/artifacts?page-token=x".into(),
            "page-token: must be a next_page_token that this list gave",
        ),
    ] {
        let answer = larder.get("", &path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["message"].as_str()),
            (400, Some(message)),
            "{path}"
        );
    }
    for path in [format!("{LIST}/0/%ff"), format!("{project}/tree/%ff")] {
        assert_eq!(larder.get("", &path).await.status, 400, "{path}");
    }
}
