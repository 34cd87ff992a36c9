//! Signing in with a password, and setting one by a link.

use super::support::{Answer, OPERATOR, TestLarder};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use larder_core::model::{Password, Role};
use larder_server::listener::PeerAddr;

const PAGE: &str = "/github/acme/demo/builds/1";
/// ` correct+horse&` as a form sends it: every letter counts.
const FORM: &str = "name=ada&password=+correct%2Bhorse%26&to=%2Fgithub%2Facme%2Fdemo";

async fn larder() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.build().await;
    let password = Password::parse(" correct+horse&").unwrap();
    let access = &larder.larder.access;
    access
        .set_password(OPERATOR, "ada", password)
        .await
        .unwrap();
    larder
}

/// The path of a fresh link.
async fn link(larder: &TestLarder) -> String {
    let link = larder.larder.access.password_link(OPERATOR, "ada").await;
    format!("/password/{}", link.unwrap())
}

/// Tries a password from an address.
async fn try_from(larder: &TestLarder, last: u8, name: &str, password: &str) -> Answer {
    let form = format!("name={name}&password={password}");
    let request = Request::post("/sign-in")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(PeerAddr {
            ip: [192, 0, 2, last].into(),
            is_https: true,
            is_through_proxy: false,
        });
    larder.send(request.body(Body::from(form)).unwrap()).await
}

#[tokio::test]
async fn a_password_signs_in_and_leads_on() {
    let larder = larder().await;
    let browser = larder.browser();
    browser.get("/sign-in").await.shows(r#"name="password""#);
    let signed_in = browser.post("/sign-in", FORM).await;
    assert_eq!(signed_in.leads(), (303, "/github/acme/demo"));
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);
    // A new session at each sign-in, and the one before is over.
    let before = browser.cookie.borrow().clone();
    browser.post("/sign-in", FORM).await;
    assert_ne!(*browser.cookie.borrow(), before);
    *browser.cookie.borrow_mut() = before;
    assert_eq!(browser.get(PAGE).await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let larder = larder().await;
    larder.user("disabled", None).await;
    let access = &larder.larder.access;
    access.disable_user(OPERATOR, "disabled").await.unwrap();
    let mut said = Vec::new();
    for form in [
        "name=ada&password=correct%2Bhorse%26",
        "name=ada&password=",
        "name=nobody&password=+correct%2Bhorse%26",
        "name=disabled&password=+correct%2Bhorse%26",
        "name=&password=+correct%2Bhorse%26",
    ] {
        let answer = larder.browser().post("/sign-in", form).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{form}");
        assert!(answer.headers.get("set-cookie").is_none());
        answer.shows("Name or password is wrong.");
        let mut headers = answer.headers;
        headers.remove("x-request-id");
        said.push((answer.text, headers));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[tokio::test]
async fn ten_tries_a_minute_for_a_name_and_twenty_from_an_address() {
    let larder = larder().await;
    for name in ["ada", "nobody"] {
        for last in 1..=10 {
            let answer = try_from(&larder, last, name, "wrong").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        let answer = try_from(&larder, 11, name, "+correct%2Bhorse%26").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.header("retry-after"), "60");
        answer.shows("Too many tries. Try again in 60 seconds.");
    }
    for number in 0..20 {
        let answer = try_from(&larder, 20, &format!("user-{number}"), "wrong").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    larder.clock.advance_ms(59_000);
    let answer = try_from(&larder, 20, "another", "wrong").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "1");
    larder.clock.advance_ms(1_000);
    let answer = try_from(&larder, 20, "ada", "+correct%2Bhorse%26").await;
    assert_eq!(answer.leads(), (303, "/"));
}

#[tokio::test]
async fn who_succeeds_is_not_counted() {
    let larder = larder().await;
    for _ in 0..12 {
        let answer = try_from(&larder, 1, "ada", "+correct%2Bhorse%26").await;
        assert_eq!(answer.leads(), (303, "/"));
    }
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_signs_out_everywhere_else() {
    let larder = larder().await;
    let elsewhere = larder.browser_of("ada").await;
    let link = link(&larder).await;
    let browser = larder.browser();
    for _ in 0..2 {
        browser.get(&link).await.shows("Set a password for ada");
    }
    for (form, fault) in [
        ("password=short&again=short", "at least 10 characters"),
        ("password=battery+staple&again=battery+stable", "differ"),
        ("password=battery+staple", "differ"),
    ] {
        let answer = browser.post(&link, form).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        answer.shows(fault);
        assert!(!answer.text.contains("battery"));
    }
    let form = "password=battery+staple&again=battery+staple";
    assert_eq!(browser.post(&link, form).await.leads(), (303, "/"));
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);
    assert_eq!(elsewhere.get(PAGE).await.status, StatusCode::FOUND);

    let again = larder.browser().post(&link, form).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    again.shows("larder admin user reset NAME");
    let old = larder.browser().post("/sign-in", FORM).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED);
    let new = larder
        .browser()
        .post("/sign-in", "name=ada&password=battery+staple")
        .await;
    assert_eq!(new.leads(), (303, "/"));
}
