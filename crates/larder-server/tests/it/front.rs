//! What stands in front of the routes: which host answers what, refusals that keep an API's form, probes.

use crate::support::{Answer, DEMO, TestLarder, UNKNOWN_TOKENS_MAX};
use axum::body::Body;
use axum::http::{Method, Request};
use larder_core::DatabaseAddress;
use larder_core::model::{ArtifactId, EndState, Job, Principal, ProjectSlug};
use larder_server::listener::PeerAddr;
use std::net::IpAddr;

/// Of the form of a token, with a checksum that is right, and known to nobody.
async fn unknown_token() -> String {
    let elsewhere = TestLarder::start().await;
    elsewhere.root("root").await;
    elsewhere.token("root", "admin").await
}

/// A public project whose jobs 1 and 2 hold a file each.
async fn two_jobs(larder: &TestLarder) -> [(Job, ArtifactId); 2] {
    larder.project(DEMO, true).await;
    let mut jobs = Vec::new();
    for name in ["one", "two"] {
        let job = larder.job("master").await;
        let artifact = larder.keep(job.id, "report.html", name).await;
        larder.finish(job.id, EndState::Passed, None).await;
        jobs.push((job, artifact.id));
    }
    jobs.try_into().unwrap()
}

async fn get(larder: &TestLarder, host: &str, path: &str) -> Answer {
    larder.ask(Method::GET, path, &[("host", host)], "").await
}

async fn link(larder: &TestLarder, artifact: ArtifactId) -> String {
    let artifacts = &larder.larder.artifacts;
    let link = artifacts
        .link(&Principal::Operator, artifact)
        .await
        .unwrap();
    format!("/d/{}/report.html", link.token)
}

#[tokio::test]
async fn too_many_unknown_tokens_are_refused_in_the_form_of_each_api() {
    let (larder, token) = (TestLarder::start().await, unknown_token().await);
    let paths = [
        ("/larder/v1/projects", "/code"),
        ("/v2/user", "/message"),
        ("/api/v1.1/me", "/message"),
        ("/api/v3/jobs/x/artifacts", "/error/detail"),
    ];
    for (number, (path, member)) in (1..).zip(paths) {
        let mut answer = None;
        for _ in 0..=UNKNOWN_TOKENS_MAX {
            let mut request = Request::get(path)
                .header("authorization", format!("Bearer {token}"))
                .body(Body::empty())
                .unwrap();
            let ip = IpAddr::from([192, 0, 2, number]);
            request.extensions_mut().insert(PeerAddr {
                ip,
                is_https: true,
                is_through_proxy: false,
            });
            let before = answer.replace(larder.request(request).await);
            assert!(before.is_none_or(|before| before.status == 401), "{path}");
        }
        let answer = answer.unwrap().is(429);
        assert_eq!(answer.header("retry-after"), "60", "{path}");
        assert_eq!(answer.header("www-authenticate"), "", "{path}");
        assert!(
            answer.json().pointer(member).is_some(),
            "{path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn packed_bodies_are_refused_in_the_form_of_the_api() {
    let larder = TestLarder::with_demo().await;
    let (token, job) = (larder.admin().await, larder.job("master").await);
    let build = format!("/larder/v1/projects/{DEMO}/builds");
    let file = format!("/larder/v1/jobs/{}/artifacts/a", job.id);
    let output = format!("/larder/v1/jobs/{}/steps/0/output?offset=0", job.id);
    let packed = [("content-encoding", "gzip")];
    for (method, path) in [
        (Method::POST, build),
        (Method::PUT, file),
        (Method::POST, output),
    ] {
        let answer = larder.send_with(&token, method, &path, &packed, "{}").await;
        assert_eq!(answer.header("accept-encoding"), "identity", "{path}");
        answer.refused(415, "unsupported_encoding", "as they are");
    }
}

#[tokio::test]
async fn a_host_that_nobody_configured_answers_probes_only() {
    let larder = TestLarder::start().await;
    assert_eq!(get(&larder, "evil.test", "/v2").await.status, 421);
    assert_eq!(
        get(&larder, "evil.test", "/healthz").await.pair(),
        (200, "alive\n")
    );
    assert_eq!(
        get(&larder, "evil.test", "/readyz").await.pair(),
        (200, "ready\n")
    );
}

#[tokio::test]
async fn the_one_host_of_files_answers_files_links_and_probes_only() {
    let larder = TestLarder::with_content_url("https://files.test").await;
    let [(job, artifact), _] = two_jobs(&larder).await;
    let token = larder.admin().await;
    let output = format!("/output/job/{}/artifacts/0/report.html", job.id);
    let route = format!("/api/v1.1/project/{DEMO}/1/artifacts/0/report.html");
    let link = link(&larder, artifact).await;
    for path in [
        &*output,
        &*route,
        "/gh/acme/demo/1/artifacts/0/report.html",
        &*link,
    ] {
        assert_eq!(
            get(&larder, "files.test", path).await.pair(),
            (200, "one"),
            "{path}"
        );
    }
    assert_eq!(get(&larder, "files.test", "/healthz").await.status, 200);
    assert_eq!(get(&larder, "files.test", "/readyz").await.status, 200);
    let content = format!("/larder/v1/artifacts/{artifact}/content");
    let list = format!("/api/v1.1/project/{DEMO}/1/artifacts");
    for path in [
        "/v2",
        "/v2/user",
        "/larder/v1/projects",
        "/larder/v1/openapi.json",
        "/larder/v1/nothing",
        "/api/v1.1/me",
        "/sign-in/x",
        "/output/x",
        &*list,
        &*content,
    ] {
        let bearer = format!("Bearer {token}");
        let headers = [("host", "files.test"), ("authorization", &*bearer)];
        let answer = larder.ask(Method::GET, path, &headers, "").await;
        assert_eq!(
            answer.pair(),
            (404, "There is nothing at this address.\n"),
            "{path}"
        );
        assert_ne!(
            larder.get(&token, path).await.text(),
            answer.text(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_host_of_a_job_follows_links_to_its_own_files_only_and_answers_probes() {
    let larder = TestLarder::with_content_url("https://{n}-{project}-{vcs}.files.test").await;
    let [(_, one), (_, two)] = two_jobs(&larder).await;
    let (slug, projects) = (ProjectSlug::parse(DEMO).unwrap(), &larder.larder.projects);
    let project = projects
        .by_slug(&Principal::Operator, &slug)
        .await
        .unwrap()
        .number;
    let hosts = |n: u32, project: i64, vcs: &str| format!("{n}-{project}-{vcs}.files.test");
    let (link_one, link_two) = (link(&larder, one).await, link(&larder, two).await);
    let own = get(&larder, &hosts(1, project, "gh"), &link_one).await;
    assert_eq!(own.pair(), (200, "one"));
    for (host, path) in [
        (hosts(1, project, "gh"), &link_two),
        (hosts(2, project, "gh"), &link_one),
        (hosts(1, project + 1, "gh"), &link_one),
        (hosts(1, project, "bb"), &link_one),
    ] {
        let answer = get(&larder, &host, path).await;
        assert_eq!(answer.status, 404, "{host}");
        assert_eq!(answer.header("content-security-policy"), "", "{host}");
    }
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(
            get(&larder, &hosts(1, project, "gh"), probe).await.status,
            200
        );
    }
}

#[tokio::test]
async fn outside_the_path_of_the_public_address_the_answer_says_so() {
    let nothing = (404, "There is nothing at this address.\n");
    let larder = TestLarder::at("https://larder.test/builds", None).await;
    assert_eq!(larder.get("", "/v2").await.pair(), nothing);
    assert_eq!(larder.get("", "/builds/nowhere").await.pair(), nothing);
    assert_eq!(
        larder.get("", "/builds/healthz").await.pair(),
        (200, "alive\n")
    );
    // With and without the slash, the first page asks to sign in.
    for first in ["/builds", "/builds/"] {
        let answer = larder.get("", first).await;
        assert_eq!(answer.status, 302, "{first}");
        assert_eq!(answer.header("location"), "/builds/sign-in?to=/", "{first}");
    }
    // Probes often know nothing but an address.
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(
            get(&larder, "192.0.2.7", probe).await.status,
            200,
            "{probe}"
        );
    }
    // The host of a job has no such path.
    let pattern = "https://{n}-{project}-{vcs}.files.test";
    let larder = TestLarder::at("https://larder.test/builds", Some(pattern)).await;
    two_jobs(&larder).await;
    let list = format!("/builds/api/v1.1/project/{DEMO}/1/artifacts");
    let url = larder.get("", &list).await.json()[0]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(larder.get("", &url).await.pair(), (200, "one"));
}

/// An empty transaction would be fine on a full disk.
#[tokio::test]
async fn a_probe_writes_a_row() {
    let larder = TestLarder::start().await;
    let DatabaseAddress::Sqlite(database) = &larder.larder.settings().database else {
        return;
    };
    let log = database.with_extension("db-wal");
    let before = std::fs::read(&log).unwrap();
    larder.get("", "/readyz").await.is(200);
    assert_ne!(std::fs::read(&log).unwrap(), before);
}
