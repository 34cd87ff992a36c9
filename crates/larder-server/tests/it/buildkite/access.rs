//! Who may do what, and in which words others are refused.

use super::{BUILD, Sample};
use crate::support::TestLarder;
use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use larder_core::model::{NewBuild, Role};

const REQUIRED: &str = "Authentication required. Please supply a valid API Access Token: https://buildkite.com/docs/apis/rest-api#authentication";

fn no_scope(scope: &str) -> (u16, String) {
    (
        403,
        format!("Your access token doesn't have the {scope} scope"),
    )
}

#[tokio::test]
async fn without_a_token_everything_is_401_whether_or_not_it_exists() {
    let sample = Sample::new().await;
    sample.larder.project("github/open/source", true).await;
    let artifact = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    for (method, path) in [
        (Method::GET, "/v2/organizations"),
        (Method::GET, "/v2/organizations/acme"),
        (Method::GET, "/v2/organizations/nobody"),
        (Method::GET, "/v2/organizations/open/pipelines/source"),
        (Method::GET, "/v2/builds"),
        (Method::GET, "/v2/user"),
        (Method::GET, "/v2/access-token"),
        (Method::DELETE, "/v2/access-token"),
        (Method::GET, "/v2/nothing/like/this"),
        (Method::GET, &format!("{BUILD}/artifacts")),
        (Method::GET, &format!("{BUILD}/artifacts?state=foo")),
        (Method::GET, &artifact),
        (Method::GET, &format!("{artifact}/download")),
        (Method::DELETE, &artifact),
    ] {
        for token in ["", "lrd_personal_wrong", "\u{20}"] {
            let answer = sample.larder.send(token, method.clone(), path, "").await;
            assert_eq!(
                answer.refusal(),
                (401, REQUIRED.to_owned()),
                "{method} {path} {token}"
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
}

#[tokio::test]
async fn a_token_comes_as_bearer_as_token_or_in_the_query_and_never_as_basic() {
    let sample = Sample::new().await;
    let token = &sample.token;
    let path = format!("{BUILD}/artifacts");
    let check = async |header_value: &str, query: &str, expected: u16| {
        let mut request = Request::get(format!("{path}{query}"));
        if !header_value.is_empty() {
            request = request.header(header::AUTHORIZATION, header_value);
        }
        let answer = sample
            .larder
            .request(request.body(Body::empty()).unwrap())
            .await;
        assert_eq!(answer.status.as_u16(), expected, "{header_value} {query}");
    };
    check(&format!("Bearer {token}"), "", 200).await;
    check(&format!("bearer  {token}"), "", 200).await;
    check(&format!("Token {token}"), "", 200).await;
    check("", &format!("?access_token={token}"), 200).await;
    check("Bearer ", &format!("?access_token={token}"), 200).await;
    check("Basic eDp5", &format!("?access_token={token}"), 200).await;
    check("Bearer wrong", &format!("?access_token={token}"), 401).await;
    check(&format!("Basic {token}"), "", 401).await;
    check(token, "", 401).await;
    check("", "?access_token=", 401).await;
}

/// What each endpoint below `/v2` needs.
fn endpoints(sample: &Sample) -> Vec<(&'static str, String)> {
    let artifact = format!("artifacts/{}", sample.app.id);
    let mut endpoints = vec![
        ("read_artifacts", format!("{BUILD}/artifacts")),
        ("read_builds", "/v2/builds".to_owned()),
        ("read_builds", "/v2/builds?state=blocked".to_owned()),
        ("read_builds", BUILD.to_owned()),
        ("read_builds", format!("{BUILD}/jobs")),
        ("read_organizations", "/v2/organizations".to_owned()),
        ("read_user", "/v2/user".to_owned()),
    ];
    for (scope, rest) in [
        ("read_organizations", ""),
        ("read_pipelines", "/pipelines"),
        ("read_pipelines", "/pipelines/demo"),
        ("read_builds", "/builds"),
        ("read_builds", "/pipelines/demo/builds"),
    ] {
        endpoints.push((scope, format!("/v2/organizations/acme{rest}")));
    }
    for job in sample.job_addresses() {
        endpoints.extend([
            ("read_builds", job.clone()),
            ("read_artifacts", format!("{job}/artifacts")),
            ("read_artifacts", format!("{job}/{artifact}")),
            ("read_artifacts", format!("{job}/{artifact}/download")),
        ]);
    }
    endpoints
}

#[tokio::test]
async fn each_endpoint_asks_for_its_scope() {
    const SCOPES: [&str; 5] = [
        "read_artifacts",
        "read_organizations",
        "read_pipelines",
        "read_builds",
        "read_user",
    ];
    let sample = Sample::new().await;
    let larder = &sample.larder;
    for scope in SCOPES {
        let with = larder.token("ada", scope).await;
        let others = SCOPES.into_iter().filter(|other| *other != scope);
        let others: Vec<_> = others.chain(["write_artifacts"]).collect();
        let without = larder.token("ada", &others.join(",")).await;
        for (needed, path) in endpoints(&sample) {
            if needed != scope {
                continue;
            }
            let answer = larder.get(&with, &path).await;
            let expected = if path.ends_with("/download") {
                302
            } else {
                200
            };
            assert_eq!(answer.status.as_u16(), expected, "{path}");
            let answer = larder.get(&without, &path).await;
            assert_eq!(answer.refusal(), no_scope(scope), "{path}");
        }
    }
}

#[tokio::test]
async fn writing_or_deleting_is_the_scope_to_delete_and_a_role_is_needed() {
    for scope in ["write_artifacts", "delete_artifacts"] {
        let sample = Sample::new().await;
        let path = format!(
            "{BUILD}/jobs/{}/artifacts/{}",
            sample.build_job, sample.app.id
        );
        let token = sample.larder.token("ada", scope).await;
        let answer = sample.larder.send(&token, Method::DELETE, &path, "").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{scope}");
    }
    let sample = Sample::new().await;
    let path = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    let token = sample
        .larder
        .token("ada", "read_artifacts,read_builds")
        .await;
    let answer = sample.larder.send(&token, Method::DELETE, &path, "").await;
    assert_eq!(answer.refusal(), no_scope("write_artifacts"));
    sample
        .larder
        .user("bob", Role::Reader, "github/acme/demo")
        .await;
    let token = sample.larder.token("bob", "admin").await;
    let answer = sample.larder.send(&token, Method::DELETE, &path, "").await;
    let message = "Forbidden: the role writer on the pipeline is needed";
    assert_eq!(answer.refusal(), (403, message.to_owned()));
    assert_eq!(
        sample.larder.get(&sample.token, &path).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_jobs_token_reads_its_own_build_and_never_deletes() {
    let sample = Sample::new().await;
    let (larder, token) = (&sample.larder, &sample.job_token);
    let own = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    let beside = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.test_job, sample.log.id
    );
    let other = larder
        .build("github/acme/demo", NewBuild::default(), &[("build", 1)])
        .await;
    let kept = larder.keep(other.nodes[0].job.id, "x", b"x").await;
    for path in [
        &own,
        &beside,
        &format!("{BUILD}/artifacts"),
        &BUILD.to_owned(),
    ] {
        assert_eq!(
            larder.get(token, path).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    for path in [&own, &beside] {
        let answer = larder.send(token, Method::DELETE, path, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(answer.json()["message"].is_string());
    }
    let build_2 = BUILD.replace("builds/1", "builds/2");
    let answer = larder.get(token, &format!("{build_2}/artifacts")).await;
    assert_eq!(answer.refusal(), (404, "No build found".to_owned()));
    let path = format!(
        "/v2/organizations/acme/jobs/{}/artifacts/{}",
        other.nodes[0].job.id, kept.id
    );
    assert_eq!(
        larder.get(token, &path).await.refusal(),
        (404, "No job found".to_owned())
    );
    for path in [
        "/v2/organizations",
        "/v2/user",
        "/v2/builds",
        "/v2/organizations/acme/pipelines/demo",
    ] {
        assert_eq!(
            larder.get(token, path).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let token_body = larder.get(token, "/v2/access-token").await.json();
    assert_eq!(token_body["user"], serde_json::Value::Null);
}

#[tokio::test]
async fn outside_the_callers_projects_the_answer_is_as_for_what_does_not_exist() {
    let sample = Sample::new().await;
    let larder = &sample.larder;
    larder.project("github/acme/secret", false).await;
    larder.project("github/hidden/thing", false).await;
    let secret = larder
        .build("github/acme/secret", NewBuild::default(), &[("build", 1)])
        .await;
    let hidden = larder
        .build("github/hidden/thing", NewBuild::default(), &[("build", 1)])
        .await;
    let file = larder.keep(secret.nodes[0].job.id, "x", b"x").await;
    let (job, hidden_job) = (secret.nodes[0].job.id, hidden.nodes[0].job.id);
    let nothing = sample.app.build_id;
    let pairs = [
        (
            format!("hidden/pipelines/thing/builds/1/jobs/{hidden_job}/artifacts"),
            format!("nobody/pipelines/thing/builds/1/jobs/{hidden_job}/artifacts"),
        ),
        ("hidden".to_owned(), "nobody".to_owned()),
        ("hidden/pipelines".to_owned(), "nobody/pipelines".to_owned()),
        ("hidden/builds".to_owned(), "nobody/builds".to_owned()),
        (
            format!("hidden/jobs/{hidden_job}/artifacts"),
            format!("nobody/jobs/{nothing}/artifacts"),
        ),
        (
            "acme/pipelines/secret".to_owned(),
            "acme/pipelines/nothing".to_owned(),
        ),
        (
            "acme/pipelines/secret/builds/1/artifacts".to_owned(),
            "acme/pipelines/nothing/builds/1/artifacts".to_owned(),
        ),
        (format!("acme/jobs/{job}"), format!("acme/jobs/{nothing}")),
        (
            format!("acme/jobs/{job}/artifacts/{}", file.id),
            format!("acme/jobs/{nothing}/artifacts/{}", file.id),
        ),
        (
            format!(
                "acme/pipelines/demo/builds/1/jobs/{}/artifacts/{}",
                sample.build_job, file.id
            ),
            format!(
                "acme/pipelines/demo/builds/1/jobs/{}/artifacts/{nothing}",
                sample.build_job
            ),
        ),
    ];
    for (exists, does_not) in pairs {
        let exists = larder
            .get(&sample.token, &format!("/v2/organizations/{exists}"))
            .await;
        let does_not = larder
            .get(&sample.token, &format!("/v2/organizations/{does_not}"))
            .await;
        assert_eq!(exists.status, StatusCode::NOT_FOUND);
        assert_eq!(exists.refusal(), does_not.refusal());
        assert_eq!(exists.headers, does_not.headers);
    }
    let pipelines = larder
        .get(&sample.token, "/v2/organizations/acme/pipelines")
        .await
        .json();
    assert_eq!(pipelines.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_public_project_can_be_read_by_everybody_with_a_token() {
    let larder = TestLarder::start().await;
    larder.project("github/acme/demo", false).await;
    larder.project("github/open/source", true).await;
    larder.user("ada", Role::Writer, "github/acme/demo").await;
    let token = larder.token("ada", "read_artifacts,write_artifacts").await;
    let announced = larder
        .build("github/open/source", NewBuild::default(), &[("build", 1)])
        .await;
    let job = announced.nodes[0].job.id;
    let kept = larder.keep(job, "x", b"x").await;
    for form in ["jobs", "pipelines/source/builds/1/jobs"] {
        let path = format!("/v2/organizations/open/{form}/{job}/artifacts/{}", kept.id);
        assert_eq!(larder.get(&token, &path).await.status, StatusCode::OK);
        assert_eq!(
            larder.send(&token, Method::DELETE, &path, "").await.status,
            StatusCode::FORBIDDEN
        );
    }
}

#[tokio::test]
async fn a_token_shows_and_revokes_itself() {
    let sample = Sample::new().await;
    let token = sample
        .larder
        .token("ada", "read_artifacts,read_builds")
        .await;
    let shown = sample.larder.get(&token, "/v2/access-token").await;
    let body = shown.json();
    let uuid = body["uuid"].as_str().unwrap();
    insta::assert_snapshot!(shown.text().replace(uuid, "UUID"), @r#"
    {
      "uuid": "UUID",
      "scopes": [
        "read_artifacts",
        "read_builds"
      ],
      "description": "a test's",
      "created_at": "2026-11-21 02:15:00 UTC",
      "expires_at": null,
      "user": {
        "name": "ada",
        "email": null
      }
    }
    "#);
    let gone = sample
        .larder
        .send(&token, Method::DELETE, "/v2/access-token", "")
        .await;
    assert_eq!((gone.status, gone.body.len()), (StatusCode::NO_CONTENT, 0));
    let answer = sample.larder.get(&token, "/v2/access-token").await;
    assert_eq!(answer.refusal(), (401, REQUIRED.to_owned()));
    let admin = sample
        .larder
        .get(&sample.token, "/v2/access-token")
        .await
        .json();
    assert!(
        admin["scopes"]
            .as_array()
            .unwrap()
            .contains(&"read_artifacts".into())
    );
}

#[tokio::test]
async fn scripts_of_every_origin_may_read_every_answer() {
    let sample = Sample::new().await;
    let artifact = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    for (method, path, token) in [
        (Method::GET, BUILD, sample.token.as_str()),
        (Method::GET, BUILD, ""),
        (Method::GET, "/v2/nothing", &sample.token),
        (Method::GET, "/v2", ""),
        (Method::POST, BUILD, &sample.token),
        (Method::GET, &format!("{artifact}/download"), &sample.token),
        (Method::DELETE, &artifact, &sample.token),
    ] {
        let answer = sample.larder.send(token, method.clone(), path, "").await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{method} {path}"
        );
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "Link",
            "{method} {path}"
        );
        assert_eq!(
            answer.header("cache-control"),
            "no-store",
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_refused_in_json() {
    let sample = Sample::new().await;
    for (method, path) in [
        (Method::GET, "/v2/nothing"),
        (Method::POST, "/v2/nothing/at/all"),
        (Method::GET, "/v2/organizations/acme/nothing"),
        (Method::GET, "/v2/organizations/acme/agents"),
        (Method::PUT, &format!("{BUILD}/nothing")),
    ] {
        let answer = sample
            .larder
            .send(&sample.token, method.clone(), path, "")
            .await;
        assert_eq!(
            answer.refusal(),
            (404, "Not Found".to_owned()),
            "{method} {path}"
        );
    }
    let job = format!(
        "{BUILD}/jobs/{}/artifacts/{}",
        sample.build_job, sample.app.id
    );
    for (method, path, allow) in [
        (Method::POST, format!("{BUILD}/artifacts"), "GET, HEAD"),
        (Method::PUT, job.clone(), "GET, HEAD, DELETE"),
        (Method::DELETE, format!("{job}/download/"), "GET, HEAD"),
        (
            Method::POST,
            "/v2/access-token".to_owned(),
            "GET, HEAD, DELETE",
        ),
    ] {
        let answer = sample
            .larder
            .send(&sample.token, method.clone(), &path, "")
            .await;
        assert_eq!(
            answer.refusal(),
            (405, "Method not allowed".to_owned()),
            "{method} {path}"
        );
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}
