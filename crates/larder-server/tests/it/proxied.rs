//! Behind a proxy: users whom it has signed in, and paths of which it took the beginning away.

use crate::support::{Answer, DEMO, TestLarder, URL};
use axum::body::Body;
use axum::http::{Method, Request};
use larder_core::model::{EndState, Principal, Role};
use larder_server::config::SignInConfig;
use larder_server::listener::PeerAddr;
use std::net::IpAddr;

const FILES: &str = "https://files.test";

fn sign_in() -> SignInConfig {
    let rule = |text: &str| text.to_owned().try_into().unwrap();
    SignInConfig {
        user_header: Some("X-Forwarded-User".to_owned().try_into().unwrap()),
        groups_header: Some("X-Forwarded-Groups".to_owned().try_into().unwrap()),
        admin_group: Some("chiefs".to_owned()),
        groups: vec![rule("dev=github/acme:writer"), rule("all=a:b=*:reader")],
        sign_out_url: Some("https://sso.test/bye".to_owned().try_into().unwrap()),
    }
}

/// A private project with one file, behind a proxy.
async fn start() -> TestLarder {
    let larder = TestLarder::with_demo().await;
    let job = larder.job("master").await;
    larder.keep(job.id, "report.txt", "bread").await;
    larder.finish(job.id, EndState::Passed, None).await;
    larder.behind(URL, Some(FILES), sign_in())
}

/// A request as the trusted proxy sends it on.
async fn through(
    larder: &TestLarder,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    send(larder, method, path, headers, true).await
}

async fn send(
    larder: &TestLarder,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    is_through_proxy: bool,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(PeerAddr {
        ip: IpAddr::from([192, 0, 2, 1]),
        is_https: true,
        is_through_proxy,
    });
    larder.request(request).await
}

async fn users(larder: &TestLarder) -> Vec<String> {
    let users = larder.larder.access.users(&Principal::Operator).await;
    users.unwrap().into_iter().map(|user| user.name).collect()
}

const ADA: (&str, &str) = ("x-forwarded-user", "ada");
const DEV: (&str, &str) = ("x-forwarded-groups", "staff, dev");
const PROJECT: &str = "/github/acme/demo";

#[tokio::test]
async fn a_user_of_the_proxy_sees_what_the_groups_allow_and_nothing_a_request_later() {
    let larder = start().await;
    let answer = through(&larder, Method::GET, PROJECT, &[ADA, DEV])
        .await
        .is(200);
    assert!(answer.text().contains("ada"), "{}", answer.text());
    through(&larder, Method::GET, PROJECT, &[ADA]).await.is(404);
    let all = ("x-forwarded-groups", "all=a:b");
    through(&larder, Method::GET, PROJECT, &[ADA, all])
        .await
        .is(200);
    let chiefs = ("x-forwarded-groups", "chiefs");
    through(&larder, Method::GET, PROJECT, &[ADA, chiefs])
        .await
        .is(200);
    for near in ["chief", "developers", "DEV", "dev=github/acme:writer", "*"] {
        let groups = ("x-forwarded-groups", near);
        through(&larder, Method::GET, PROJECT, &[ADA, groups])
            .await
            .is(404);
    }
    assert_eq!(users(&larder).await, ["ada"]);
}

#[tokio::test]
async fn nobody_but_the_proxy_is_believed() {
    let larder = start().await;
    let answer = send(&larder, Method::GET, PROJECT, &[ADA, DEV], false)
        .await
        .is(302);
    assert!(answer.header("location").starts_with("/sign-in"));
    let twice = [ADA, ("x-forwarded-user", "bob"), DEV];
    send(&larder, Method::GET, PROJECT, &twice, false)
        .await
        .is(302);
    assert!(users(&larder).await.is_empty());
}

#[tokio::test]
async fn what_the_proxy_says_twice_or_wrong_is_refused() {
    let larder = start().await;
    let wrong: [&[(&str, &str)]; 6] = [
        &[ADA, ADA, DEV],
        &[ADA, ("x-forwarded-user", "bob")],
        &[ADA, DEV, ("x-forwarded-groups", "chiefs")],
        &[("x-forwarded-user", "ada, bob")],
        &[("x-forwarded-user", "(null)")],
        &[("x-forwarded-user", "ad\u{e9}"), DEV],
    ];
    for headers in wrong {
        for path in [PROJECT, "/larder/v1/projects"] {
            through(&larder, Method::GET, path, headers).await.is(400);
        }
    }
    assert!(users(&larder).await.is_empty());
    // Proxies that have nothing to say may say it.
    let nobody = [("x-forwarded-user", ""), DEV];
    through(&larder, Method::GET, PROJECT, &nobody)
        .await
        .is(302);
}

#[tokio::test]
async fn the_proxys_user_counts_where_a_session_would_and_no_further() {
    let larder = start().await;
    let file = format!("/api/v1.1/project/{DEMO}/1/artifacts/0/report.txt");
    let list = format!("/api/v1.1/project/{DEMO}/1/artifacts");
    for path in [&*file, &*list] {
        through(&larder, Method::GET, path, &[ADA, DEV])
            .await
            .is(200);
    }
    for path in ["/larder/v1/projects", "/v2/user"] {
        through(&larder, Method::GET, path, &[ADA, DEV])
            .await
            .is(401);
    }
    for method in [Method::PUT, Method::DELETE] {
        let path = "/larder/v1/artifacts/00000000-0000-0000-0000-000000000000";
        let answer = through(&larder, method, path, &[ADA, DEV]).await;
        assert!([401, 405].contains(&answer.status.as_u16()), "{answer:?}");
    }
    // What runs on the host of files is a build's.
    let there = format!("{FILES}{file}");
    let answer = through(&larder, Method::GET, &there, &[ADA, DEV]).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let twice = through(&larder, Method::GET, &there, &[ADA, ADA]).await;
    assert_eq!(twice, answer);
}

#[tokio::test]
async fn a_request_with_a_token_is_the_tokens() {
    let larder = start().await;
    let bob = larder.outsider("bob", "admin").await;
    let bearer = format!("Bearer {bob}");
    let token = ("authorization", &*bearer);
    let list = format!("/api/v1.1/project/{DEMO}/1/artifacts");
    through(&larder, Method::GET, &list, &[ADA, DEV, token])
        .await
        .is(404);
    larder.grant("bob", Role::Reader, DEMO).await;
    through(&larder, Method::GET, &list, &[ADA, token])
        .await
        .is(200);
}

#[tokio::test]
async fn forms_of_other_sites_are_refused_and_signing_out_leads_to_the_proxy() {
    let larder = start().await;
    for (origin, status) in [("https://evil.test", 403), (URL, 200)] {
        let headers = [ADA, DEV, ("origin", origin), FORM];
        let answer = through(&larder, Method::POST, "/sign-out", &headers).await;
        assert_eq!(answer.status, status, "{origin}");
        let leads = if status == 200 {
            "0; url=https://sso.test/bye"
        } else {
            ""
        };
        assert_eq!(answer.header("refresh"), leads);
    }
    through(&larder, Method::POST, "/sign-out", &[ADA, DEV, FORM])
        .await
        .is(403);
    let cross = [ADA, DEV, FORM, ("sec-fetch-site", "cross-site")];
    through(&larder, Method::POST, "/sign-out", &cross)
        .await
        .is(403);
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_disabled_user_of_the_proxy_is_refused() {
    let larder = start().await;
    through(&larder, Method::GET, "/", &[ADA, DEV])
        .await
        .is(200);
    let sql = "UPDATE account SET disabled_at = 1 WHERE name = 'ada'";
    larder.beside.run(sql).await;
    let file = format!("/api/v1.1/project/{DEMO}/1/artifacts/0/report.txt");
    for path in ["/", PROJECT, "/sign-in", "/settings/tokens", &*file] {
        let answer = through(&larder, Method::GET, path, &[ADA, DEV])
            .await
            .is(403);
        assert!(
            answer.text().contains("disabled"),
            "{path}: {}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_path_of_which_the_proxy_took_the_beginning_away_is_whole_again() {
    let larder = start().await;
    let larder = larder.behind("https://larder.test/larder", None, sign_in());
    let taken = ("x-forwarded-prefix", "/larder");
    for headers in [&[taken][..], &[("x-forwarded-prefix", "/larder/")]] {
        through(&larder, Method::GET, "/v2/user", headers)
            .await
            .is(401);
        through(&larder, Method::GET, "/larder/v1/projects", headers)
            .await
            .is(401);
    }
    let passed = through(&larder, Method::GET, "/larder/larder/v1/projects", &[]).await;
    passed.is(401);
    for headers in [
        &[][..],
        &[taken, taken],
        &[("x-forwarded-prefix", "/other")],
        &[("x-forwarded-prefix", "/")],
    ] {
        through(&larder, Method::GET, "/v2/user", headers)
            .await
            .is(404);
    }
    send(&larder, Method::GET, "/v2/user", &[taken], false)
        .await
        .is(404);
    let answer = through(&larder, Method::GET, "/github/acme/demo?page=2", &[taken]).await;
    let location = answer.is(302).header("location").to_owned();
    assert_eq!(location, "/larder/sign-in?to=/github/acme/demo%3Fpage%3D2");
}
