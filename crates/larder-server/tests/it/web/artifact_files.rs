//! The documented addresses of files, in a browser.

use super::support::TestLarder;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use larder_core::model::{ArtifactId, ProjectSlug, Role};

const FILE: &str = "/api/v1.1/project/github/acme/demo/1/artifacts/0/out/a%20b.txt";
const LATEST: &str =
    "/api/v1.1/project/github/acme/demo/latest/artifacts/0/out/a%20b.txt?branch=main";

async fn larder() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.user("bob", None).await;
    larder.build().await;
    larder
}

#[tokio::test]
async fn documented_file_addresses_work_with_a_session() {
    let larder = larder().await;
    let ada = larder.browser_of("ada").await;
    for path in [FILE, LATEST, "/gh/acme/demo/1/artifacts/0/out/a%20b.txt"] {
        assert_eq!(ada.get(path).await.text, "first", "{path}");
        let head = ada.ask(Method::HEAD, path, &[], "").await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (StatusCode::OK, "5")
        );
    }
    let bob = larder.browser_of("bob").await;
    for path in [FILE, LATEST, &FILE.replace("demo", "none")] {
        let answer = bob.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_browser_in_which_nobody_is_signed_in_is_sent_to_sign_in_and_back() {
    let larder = larder().await;
    let browser = larder.browser();
    let sent = browser.get(LATEST).await;
    let target = "/sign-in?to=/api/v1.1/project/github/acme/demo/latest/artifacts/0/out/a%2520b.txt%3Fbranch%3Dmain";
    assert_eq!(sent.leads(), (302, target));
    let form = browser.get(target).await;
    form.shows(&format!("value=\"{}\"", LATEST.replace('&', "&#38;")));
    let token = larder.token("ada", "admin", None).await;
    let to = LATEST.replace('%', "%25").replace('?', "%3F");
    let back = browser
        .post("/sign-in", &format!("token={token}&to={to}"))
        .await;
    assert_eq!(back.leads(), (303, LATEST));
    assert_eq!(browser.get(LATEST).await.text, "first");

    // Whether there is such a thing is told to nobody.
    for path in [
        FILE.replace("demo", "none"),
        FILE.replace("/1/", "/77/"),
        format!("/output/job/{}/artifacts/0/x", uuid::Uuid::nil()),
        format!("/larder/v1/artifacts/{}/content", uuid::Uuid::nil()),
        format!(
            "/v2/organizations/acme/pipelines/demo/builds/1/jobs/{0}/artifacts/{0}/download",
            uuid::Uuid::nil()
        ),
    ] {
        let answer = larder.browser().get(&path).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{path}");
        assert!(answer.header("location").starts_with("/sign-in?to=/"));
    }
}

#[tokio::test]
async fn programs_are_refused_as_before() {
    let larder = larder().await;
    let plain = larder.ask(Method::GET, FILE, &[], "").await;
    assert_eq!(plain.status, StatusCode::NOT_FOUND);
    let fetched = [("sec-fetch-mode", "cors")];
    let fetched = larder.ask(Method::GET, FILE, &fetched, "").await;
    assert_eq!(fetched.status, StatusCode::NOT_FOUND);
    let wrong = [("sec-fetch-mode", "navigate"), ("circle-token", "wrong")];
    let wrong = larder.ask(Method::GET, FILE, &wrong, "").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_counts_before_a_session() {
    let larder = larder().await;
    let ada = larder.browser_of("ada").await;
    let bobs = larder.token("bob", "read_artifacts", None).await;
    for (token, status) in [(bobs.as_str(), 404), ("wrong", 401)] {
        let answer = ada
            .ask(Method::GET, FILE, &[("circle-token", token)], "")
            .await;
        assert_eq!(answer.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_session_reads_artifacts_on_the_apis_and_does_nothing_else() {
    let larder = larder().await;
    let slug = ProjectSlug::parse("github/acme/demo").unwrap();
    let access = &larder.larder.access;
    let operator = super::support::OPERATOR;
    access
        .grant(operator, "ada", &slug, Role::Admin)
        .await
        .unwrap();
    let ada = larder.browser_of("ada").await;
    let list = ada
        .get("/api/v1.1/project/github/acme/demo/1/artifacts")
        .await;
    assert_eq!(list.status, StatusCode::OK);
    let builds = "/v2/organizations/acme/pipelines/demo/builds/1/artifacts";
    let list = ada.get(builds).await;
    let artifacts: serde_json::Value = serde_json::from_str(&list.text).unwrap();
    let artifact = artifacts[0]["id"].as_str().unwrap();
    assert!(ArtifactId::parse(artifact).is_some());
    let ours = format!("/larder/v1/artifacts/{artifact}");
    let theirs = artifacts[0]["url"].as_str().unwrap();
    let theirs = theirs.strip_prefix("https://larder.test").unwrap();
    assert_eq!(ada.get(&ours).await.status, StatusCode::OK);
    assert_eq!(ada.get(theirs).await.status, StatusCode::OK);

    for (method, path) in [
        (Method::DELETE, ours.as_str()),
        (Method::DELETE, theirs),
        (Method::GET, "/api/v1.1/me"),
        (Method::GET, "/v2/user"),
        (Method::GET, "/larder/v1/projects"),
        (
            Method::GET,
            "/v2/organizations/acme/pipelines/demo/builds/1",
        ),
        (Method::POST, "/larder/v1/projects/github/acme/demo/builds"),
    ] {
        let headers = [("sec-fetch-mode", "navigate")];
        let answer = ada.ask(method.clone(), path, &headers, "{}").await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "{method} {path}: {}",
            answer.text
        );
    }
    assert_eq!(ada.get(&ours).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_download_link_of_a_session_ends_with_the_session() {
    let larder = larder().await;
    let ada = larder.browser_of("ada").await;
    let list = ada
        .get("/v2/organizations/acme/pipelines/demo/builds/1/artifacts")
        .await;
    let artifacts: serde_json::Value = serde_json::from_str(&list.text).unwrap();
    let address = artifacts[0]["download_url"].as_str().unwrap();
    let address = address.strip_prefix("https://larder.test").unwrap();
    let link = ada.get(address).await;
    assert_eq!(link.status, StatusCode::FOUND);
    let link = link.header("location").to_owned();
    let path = link.strip_prefix("https://larder.test").unwrap();
    assert_eq!(larder.ask(Method::GET, path, &[], "").await.text, "first");
    ada.post("/sign-out", "").await;
    let late = larder.ask(Method::GET, path, &[], "").await;
    assert!(late.status.is_client_error() && late.text != "first");
}

#[tokio::test]
async fn the_host_of_a_job_takes_tokens_and_never_cookies() {
    let larder = TestLarder::at(
        "https://larder.test",
        Some("https://{n}-{project}-{vcs}.artifacts.test"),
    )
    .await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.build().await;
    let ada = larder.browser_of("ada").await;
    let list = ada
        .get("/api/v1.1/project/github/acme/demo/1/artifacts")
        .await;
    let artifacts: serde_json::Value = serde_json::from_str(&list.text).unwrap();
    let url = artifacts[0]["url"].as_str().unwrap();
    let (host, path) = url
        .strip_prefix("https://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let path = format!("/{path}");
    let headers = [("host", host), ("sec-fetch-mode", "navigate")];
    let with_cookie = ada.ask(Method::GET, &path, &headers, "").await;
    assert_eq!(with_cookie.status, StatusCode::NOT_FOUND);
    let token = larder.token("ada", "read_artifacts", None).await;
    let headers = [("host", host), ("circle-token", &token)];
    let with_token = larder.ask(Method::GET, &path, &headers, "").await;
    assert_eq!(with_token.text, "first");
}

#[tokio::test]
async fn the_host_of_users_content_shows_no_pages_and_reads_no_cookies() {
    let larder = TestLarder::at("https://larder.test", Some("https://files.test")).await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.build().await;
    let ada = larder.browser_of("ada").await;
    let cookie = ada.cookie.borrow().clone().unwrap();
    for path in [FILE, "/", "/sign-in", "/settings/tokens"] {
        let mut request = Request::get(path).header("cookie", &cookie);
        request = request.header("sec-fetch-mode", "navigate");
        let request = request.header("host", "files.test");
        let answer = larder.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn public_files_ask_nobody_to_sign_in() {
    let larder = TestLarder::start().await;
    larder.project(true).await;
    larder.build().await;
    let nobody = larder.browser();
    assert_eq!(nobody.get(FILE).await.text, "first");
    let missing = nobody.get(&FILE.replace("a%20b", "c")).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}
