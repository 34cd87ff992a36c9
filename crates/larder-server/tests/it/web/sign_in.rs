//! Signing in and out, and how long that lasts.

use super::support::TestLarder;
use axum::http::{Method, StatusCode};
use larder_core::model::Role;

const HOUR_MS: i64 = 60 * 60 * 1000;
const PAGE: &str = "/github/acme/demo/builds/1";

async fn larder() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.build().await;
    larder
}

#[tokio::test]
async fn a_link_signs_in_once_and_leads_to_its_page() {
    let larder = larder().await;
    let link = larder.link("ada", PAGE).await;
    let browser = larder.browser();
    // Looking at the link, as previews of messages do, uses nothing up.
    for _ in 0..2 {
        let shown = browser.get(&link).await;
        shown.shows("Sign in as ada");
        assert!(shown.headers.get("set-cookie").is_none());
    }
    let signed_in = browser.post(&link, "").await;
    assert_eq!(signed_in.leads(), (303, PAGE));
    let cookie = signed_in.header("set-cookie");
    assert!(cookie.starts_with("__Host-larder_session="), "{cookie}");
    let attributes = "; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax; Secure";
    assert!(cookie.ends_with(attributes), "{cookie}");
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);

    let again = larder.browser().post(&link, "").await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    again.shows("not good any more");
    assert!(again.headers.get("set-cookie").is_none());
    assert_eq!(browser.get(&link).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_link_is_good_for_ten_minutes() {
    let larder = larder().await;
    let link = larder.link("ada", "/").await;
    larder.clock.advance_ms(10 * 60 * 1000 - 1);
    assert_eq!(larder.browser().get(&link).await.status, StatusCode::OK);
    larder.clock.advance_ms(1);
    let late = larder.browser().post(&link, "").await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn links_and_forms_lead_to_this_host_only() {
    let larder = larder().await;
    let link = larder.link("ada", "//evil.example/").await;
    let browser = larder.browser();
    assert_eq!(browser.post(&link, "").await.leads(), (303, "/"));
    // Who is signed in already is led on at once.
    let on = browser.get("/sign-in?to=/settings/tokens").await;
    assert_eq!(on.leads(), (303, "/settings/tokens"));
    let away = browser.get("/sign-in?to=https://evil.example/").await;
    assert_eq!(away.leads(), (303, "/"));

    let token = larder.token("ada", "admin", None).await;
    let form = format!("token={token}&to=%2F%5Cevil.example");
    let signed_in = larder.browser().post("/sign-in", &form).await;
    assert_eq!(signed_in.leads(), (303, "/"));
}

#[tokio::test]
async fn a_session_ends_twelve_hours_after_its_last_use_and_after_seven_days() {
    let larder = larder().await;
    let browser = larder.browser_of("ada").await;
    larder.clock.advance_ms(12 * HOUR_MS);
    assert_eq!(browser.get(PAGE).await.status, StatusCode::FOUND);

    let browser = larder.browser_of("ada").await;
    for _ in 0..15 {
        larder.clock.advance_ms(11 * HOUR_MS);
        assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);
    }
    larder.clock.advance_ms(3 * HOUR_MS - 1);
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);
    larder.clock.advance_ms(1);
    assert_eq!(browser.get(PAGE).await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn sign_out_ends_the_session_and_not_only_the_cookie() {
    let larder = larder().await;
    let browser = larder.browser_of("ada").await;
    let kept = browser.cookie.borrow().clone();
    let out = browser.post("/sign-out", "").await;
    assert_eq!(out.leads(), (303, "/sign-in"));
    let cookie = out.header("set-cookie");
    assert!(
        cookie.starts_with("__Host-larder_session=; Max-Age=0;"),
        "{cookie}"
    );
    *browser.cookie.borrow_mut() = kept;
    let page = browser.get(PAGE).await;
    assert_eq!(
        page.leads(),
        (302, "/sign-in?to=/github/acme/demo/builds/1")
    );
}

#[tokio::test]
async fn signing_in_anew_ends_the_session_before() {
    let larder = larder().await;
    let browser = larder.browser_of("ada").await;
    let before = browser.cookie.borrow().clone();
    let link = larder.link("ada", "/").await;
    browser.post(&link, "").await;
    assert_ne!(*browser.cookie.borrow(), before);
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);
    *browser.cookie.borrow_mut() = before;
    assert_eq!(browser.get(PAGE).await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_personal_token_with_every_right_signs_in_until_it_is_revoked() {
    let larder = larder().await;
    let token = larder.token("ada", "admin", None).await;
    let browser = larder.browser();
    let form = format!("token=+{token}+&to=%2Fgithub%2Facme%2Fdemo");
    let signed_in = browser.post("/sign-in", &form).await;
    assert_eq!(signed_in.leads(), (303, "/github/acme/demo"));
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);

    let access = &larder.larder.access;
    let who = access.authenticate(&token).await.unwrap();
    access.revoke_own_token(&who).await.unwrap();
    assert_eq!(browser.get(PAGE).await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn lesser_and_wrong_tokens_do_not_sign_in() {
    let larder = larder().await;
    let lesser = larder
        .token("ada", "read_artifacts,read_builds", None)
        .await;
    let of_project = larder.token("ada", "admin", Some("github/acme/demo")).await;
    let unknown = lesser.replace("lrd_personal_", "lrd_personal_x");
    for (token, status) in [
        (lesser.as_str(), 403),
        (&of_project, 403),
        (&unknown, 401),
        ("", 401),
    ] {
        let form = format!("token={token}&to=/github/acme/demo");
        let answer = larder.browser().post("/sign-in", &form).await;
        assert_eq!(answer.status.as_u16(), status, "{token}");
        assert!(answer.headers.get("set-cookie").is_none());
        answer.shows(r#"<input type="hidden" name="to" value="/github/acme/demo">"#);
        assert!(token.is_empty() || !answer.text.contains(token));
    }
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let larder = larder().await;
    let link = larder.link("ada", "/").await;
    let browser = larder.browser_of("ada").await;
    let from = |name: &'static str, value: &'static str| [(name, value)];
    for headers in [
        from("sec-fetch-site", "cross-site"),
        from("sec-fetch-site", "same-site"),
        from("origin", "https://evil.example"),
        from("origin", "null"),
        from("origin", "http://larder.test"),
        from("referer", "https://larder.test/"),
    ] {
        for path in [&link, "/sign-in", "/sign-out", "/settings/tokens"] {
            let answer = browser.ask(Method::POST, path, &headers, "name=x").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
            answer.shows("This form was not sent from a page of this larder");
        }
    }
    assert_eq!(browser.get(PAGE).await.status, StatusCode::OK);
    let own = from("origin", "https://larder.test");
    let signed_in = larder.browser().ask(Method::POST, &link, &own, "").await;
    assert_eq!(signed_in.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn without_tls_the_cookie_has_the_plain_name() {
    let larder = TestLarder::at("http://127.0.0.1:7878/larder", None).await;
    larder.user("ada", None).await;
    let link = format!("/larder{}", larder.link("ada", "/settings/tokens").await);
    let browser = larder.browser();
    let signed_in = browser.post(&link, "").await;
    assert_eq!(signed_in.leads(), (303, "/larder/settings/tokens"));
    let cookie = signed_in.header("set-cookie");
    assert!(
        cookie.starts_with("larder_session=") && cookie.ends_with("SameSite=Lax"),
        "{cookie}"
    );
    let page = browser.get("/larder/settings/tokens").await;
    page.shows(r#"href="/larder/assets/larder.css""#);
    let signed_out = larder.browser().get("/larder/settings/tokens").await;
    assert_eq!(
        signed_out.leads(),
        (302, "/larder/sign-in?to=/settings/tokens")
    );
}
