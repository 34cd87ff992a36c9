//! Who may ask, and by which carriers a token comes.

use super::{LIST, keep_sample, sample};
use crate::support::{DEMO, TestLarder};
use axum::http::Method;
use base64::Engine as _;
use larder_core::model::{EndState, NewBuild, Role};

const NOT_FOUND: (u16, &str) = (404, r#"{"message":"Build not found"}"#);
const WRONG: (u16, &str) = (401, r#"{"message":"Invalid token provided."}"#);
const DENIED: (u16, &str) = (403, r#"{"message":"Permission denied"}"#);

/// A private project and a reader's token for it.
async fn private() -> (TestLarder, String) {
    let larder = TestLarder::start().await;
    keep_sample(&larder, false).await;
    let token = larder
        .member("ada", Role::Reader, DEMO, "view-builds")
        .await;
    (larder, token)
}

fn basic(user: &str, password: &str) -> String {
    let pair = format!("{user}:{password}");
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

/// Vector 8; and two carriers at once, as pycircleci sends them.
#[tokio::test]
async fn every_carrier_of_a_token_is_taken() {
    let (larder, token) = private().await;
    let (user, bearer) = (basic(&token, ""), format!("Bearer {token}"));
    for path in [LIST.to_owned(), format!("{LIST}/0/artifact-file")] {
        for headers in [
            &[("circle-token", &*token)][..],
            &[("authorization", &*user)],
            &[("authorization", &*bearer)],
            &[("circle-token", &*token), ("authorization", &*user)],
            &[("circle-token", ""), ("authorization", &*bearer)],
        ] {
            let answer = larder.ask(Method::GET, &path, headers, "").await;
            assert_eq!(answer.status, 200, "{path} {headers:?}");
        }
        let query = format!("{path}?circle-token={token}");
        assert_eq!(larder.get("", &query).await.status, 200, "{query}");
    }
}

/// Vector 9.
#[tokio::test]
async fn an_empty_token_is_none_and_a_public_project_needs_none() {
    let (larder, _) = sample().await;
    let nobody = basic("", "");
    assert_eq!(
        larder
            .get("", &format!("{LIST}?circle-token="))
            .await
            .status,
        200
    );
    for header in [
        ("circle-token", ""),
        ("authorization", &*nobody),
        ("authorization", "Bearer "),
    ] {
        assert_eq!(
            larder.ask(Method::GET, LIST, &[header], "").await.status,
            200,
            "{header:?}"
        );
    }
}

/// Vector 10.
#[tokio::test]
async fn a_wrong_token_is_refused_even_where_none_is_needed() {
    let (larder, job) = sample().await;
    let guess = basic("guess", "");
    for path in [
        LIST.to_owned(),
        format!("{LIST}/0/artifact-file"),
        format!("/output/job/{}/artifacts/0/artifact-file", job.id),
        "/api/v1.1/me".into(),
        "/api/v2/project/gh/acme/demo/1/artifacts".into(),
    ] {
        for header in [
            ("circle-token", "guess"),
            ("authorization", &*guess),
            ("authorization", "Bearer guess"),
            ("authorization", "Basic not-base64!"),
        ] {
            let answer = larder.ask(Method::GET, &path, &[header], "").await;
            assert_eq!(answer.pair(), WRONG, "{path} {header:?}");
            assert!(answer.headers.contains_key("www-authenticate"));
        }
        assert_eq!(
            larder
                .get("", &format!("{path}?circle-token=guess"))
                .await
                .pair(),
            WRONG,
            "{path}"
        );
    }
}

/// Vectors 11 and 12: without a token, a private project is like one that is not there.
#[tokio::test]
async fn without_a_token_nothing_private_can_be_told_from_nothing_at_all() {
    let (larder, _) = private().await;
    for rest in [
        "1/artifacts",
        "999/artifacts",
        "x/artifacts",
        "latest/artifacts",
        "1/artifacts/0/artifact-file",
        "1/artifacts/0/nope",
        "1",
        "1/tests",
        "1/output/0/0",
        "tree/master",
        "",
    ] {
        for project in [
            "github/acme/demo",
            "github/acme/other",
            "github/nobody/demo",
            "svn/acme/demo",
        ] {
            let path = format!("/api/v1.1/project/{project}/{rest}");
            assert_eq!(
                larder.get("", path.trim_end_matches('/')).await.pair(),
                NOT_FOUND,
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_stranger_finds_no_project_and_a_member_no_build() {
    let (larder, member) = private().await;
    let stranger = larder.outsider("eve", "admin").await;
    let no_project = (404, r#"{"message":"Project not found"}"#);
    for project in ["github/acme/demo", "github/acme/other"] {
        let path = format!("/api/v1.1/project/{project}/1/artifacts");
        assert_eq!(
            larder.get(&stranger, &path).await.pair(),
            no_project,
            "{path}"
        );
    }
    let other = "/api/v1.1/project/github/acme/other/1/artifacts";
    assert_eq!(larder.get(&member, other).await.pair(), no_project);
    for number in ["999", "x", "-1", "+1", "99999999999999999999"] {
        let path = format!("/api/v1.1/project/github/acme/demo/{number}/artifacts");
        assert_eq!(larder.get(&member, &path).await.pair(), NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn status_sees_builds_and_neither_lists_nor_downloads() {
    let (larder, reader) = private().await;
    let status = larder.project_token("ada", DEMO, "status").await;
    let view = larder.project_token("ada", DEMO, "view-builds").await;
    let build = "/api/v1.1/project/github/acme/demo/1";
    for token in [&reader, &status, &view] {
        assert_eq!(larder.get(token, build).await.status, 200);
    }
    let v2 = "/api/v2/project/gh/acme/demo/1/artifacts".to_owned();
    for path in [
        LIST.to_owned(),
        format!("{LIST}/0/artifact-file"),
        format!("{LIST}/0/nope"),
        v2,
    ] {
        assert_eq!(larder.get(&status, &path).await.pair(), DENIED, "{path}");
    }
    for path in [LIST.to_owned(), format!("{LIST}/0/artifact-file")] {
        assert_eq!(larder.get(&view, &path).await.status, 200, "{path}");
    }
    let lists_only = larder.token("ada", "read_artifacts").await;
    for path in [
        build.to_owned(),
        format!("{build}/tests"),
        "/api/v2/project/gh/acme/demo/job/1".into(),
    ] {
        assert_eq!(
            larder.get(&lists_only, &path).await.pair(),
            DENIED,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_token_of_another_project_reaches_nothing_here() {
    let (larder, _) = private().await;
    larder.project("github/acme/other", false).await;
    let token = larder
        .project_token("ada", "github/acme/other", "admin")
        .await;
    assert_eq!(
        larder.get(&token, LIST).await.pair(),
        (404, r#"{"message":"Project not found"}"#)
    );
}

#[tokio::test]
async fn a_jobs_token_reads_its_own_build_only_and_ends_with_it() {
    let larder = TestLarder::start().await;
    keep_sample(&larder, false).await;
    let own = larder
        .build(DEMO, NewBuild::default(), &[("build", 1)])
        .await
        .nodes
        .remove(0);
    larder.keep(own.job.id, "out", "bytes").await;
    let list = "/api/v1.1/project/github/acme/demo/2/artifacts";
    assert_eq!(larder.get(&own.token, list).await.status, 200);
    assert_eq!(
        larder
            .get(&own.token, &format!("{list}/0/out"))
            .await
            .text(),
        "bytes"
    );
    assert_eq!(larder.get(&own.token, LIST).await.pair(), NOT_FOUND);
    assert_eq!(
        larder
            .get(&own.token, &format!("{LIST}/0/artifact-file"))
            .await
            .pair(),
        NOT_FOUND
    );
    assert_eq!(larder.get(&own.token, "/api/v1.1/me").await.pair(), DENIED);
    larder.finish(own.job.id, EndState::Passed, None).await;
    larder.clock.advance_ms(10 * 60 * 1000);
    assert_eq!(larder.get(&own.token, list).await.pair(), WRONG);
}
