//! A host for each job, with the content host set to a wildcard.

use super::{LIST, keep_sample};
use crate::support::{Answer, DEMO, TestLarder};
use axum::http::Method;
use larder_core::model::{Principal, ProjectSlug, Role};

const HOSTS: &str = "https://{n}-{project}-{vcs}.artifacts.example";

async fn wildcard(public: bool) -> (TestLarder, String) {
    let larder = TestLarder::with_content_url(HOSTS).await;
    keep_sample(&larder, public).await;
    let slug = ProjectSlug::parse(DEMO).unwrap();
    let project = larder
        .larder
        .projects
        .by_slug(&Principal::Operator, &slug)
        .await
        .unwrap();
    (larder, format!("1-{}-gh.artifacts.example", project.number))
}

async fn get(larder: &TestLarder, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = [&[("host", host)], headers].concat();
    larder.ask(Method::GET, path, &headers, "").await
}

#[tokio::test]
async fn lists_give_the_host_of_the_job_and_the_host_gives_the_file() {
    let (larder, host) = wildcard(true).await;
    let list = larder.get("", LIST).await.json();
    assert_eq!(list[0]["url"], format!("https://{host}/0/artifact-file"));
    assert_eq!(
        list[1]["url"],
        format!("https://{host}/0/tmp/artifacts/artifact-2")
    );
    for (path, bytes) in [
        ("/0/artifact-file", "my artifact file\n"),
        (
            "/0//tmp/artifacts/artifact-2",
            "my artifact files in a dir\n",
        ),
        (
            "/0/tmp/artifacts/artifact%2d2",
            "my artifact files in a dir\n",
        ),
    ] {
        assert_eq!(
            get(&larder, &host, path, &[]).await.pair(),
            (200, bytes),
            "{path}"
        );
        assert_eq!(
            get(&larder, &format!("{}:443", host.to_uppercase()), path, &[])
                .await
                .pair(),
            (200, bytes)
        );
        // Absolute, as a proxy would ask.
        assert_eq!(
            larder
                .get("", &format!("https://{host}{path}"))
                .await
                .pair(),
            (200, bytes)
        );
    }
}

/// The documents' `curl -L … -H "Circle-Token: …"`: the bytes come from this very host.
#[tokio::test]
async fn a_private_file_comes_with_any_carrier_and_is_never_redirected() {
    let (larder, host) = wildcard(false).await;
    let token = larder
        .member("ada", Role::Reader, DEMO, "view-builds")
        .await;
    let path = "/0//tmp/artifacts/artifact-2";
    let bearer = format!("Bearer {token}");
    for header in [("circle-token", &*token), ("authorization", &*bearer)] {
        let answer = get(&larder, &host, path, &[header]).await;
        assert_eq!(answer.pair(), (200, "my artifact files in a dir\n"));
        assert!(!answer.headers.contains_key("location"));
    }
    assert_eq!(
        get(&larder, &host, &format!("{path}?circle-token={token}"), &[])
            .await
            .status,
        200
    );
    let not_found = (404, r#"{"message":"Build not found"}"#);
    assert_eq!(get(&larder, &host, path, &[]).await.pair(), not_found);
    assert_eq!(get(&larder, &host, "/0/nope", &[]).await.pair(), not_found);
    let elsewhere = host.replace("1-", "999-");
    assert_eq!(get(&larder, &elsewhere, path, &[]).await.pair(), not_found);
    assert_eq!(
        get(&larder, &elsewhere, path, &[("circle-token", &token)])
            .await
            .pair(),
        not_found
    );
    assert_eq!(
        get(&larder, &host, "/0/nope", &[("circle-token", &token)])
            .await
            .pair(),
        (404, r#"{"message":"Artifact not found"}"#)
    );
    let status = larder.token("ada", "status").await;
    assert_eq!(
        get(&larder, &host, path, &[("circle-token", &status)])
            .await
            .pair(),
        (403, r#"{"message":"Permission denied"}"#)
    );
    assert_eq!(
        get(&larder, &host, path, &[("circle-token", "guess")])
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_host_of_another_vcs_is_another_project() {
    let (larder, host) = wildcard(true).await;
    let answer = get(
        &larder,
        &host.replace("-gh.", "-bb."),
        "/0/artifact-file",
        &[],
    )
    .await;
    assert_eq!(answer.pair(), (404, r#"{"message":"Build not found"}"#));
}

/// An origin is one job's: the routes of the APIs are not there, where a report's script could reach them.
#[tokio::test]
async fn the_host_of_a_job_answers_nothing_but_its_files() {
    let (larder, host) = wildcard(true).await;
    for path in ["/", LIST, "/static/x.css", "/0/", "/api/v1.1/me"] {
        let answer = get(&larder, &host, path, &[]).await;
        assert_eq!(
            answer.pair(),
            (404, "invalid build specification"),
            "{path}"
        );
    }
    let answer = larder
        .ask(Method::DELETE, "/0/artifact-file", &[("host", &host)], "")
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    let evil = format!("{host}.evil.test");
    assert_eq!(
        get(&larder, &evil, "/0/artifact-file", &[]).await.status,
        421
    );
    assert_eq!(get(&larder, "larder.test", LIST, &[]).await.status, 200);
}
