//! User Settings → API Tokens.

use super::support::{OPERATOR, TestLarder};
use axum::http::{Method, StatusCode};
use larder_core::model::Role;

async fn larder() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.user("bob", None).await;
    larder.build().await;
    larder
}

#[tokio::test]
async fn a_token_is_made_under_the_documented_labels_and_shown_once() {
    let larder = larder().await;
    let ada = larder.browser_of("ada").await;
    let moved = ada.get("/account/api").await;
    assert_eq!(moved.leads(), (302, "/settings/tokens"));
    let page = ada.get("/settings/tokens").await;
    page.shows("<h1>User Settings</h1>");
    page.shows("API Tokens</h2>");
    page.shows("<a class=\"button\" href=\"/settings/tokens/new\">Create New Token</a>");
    let form = ada.get("/settings/tokens/new").await;
    form.shows("<label for=\"name\">Token name</label>");
    form.shows("<button>Add API Token</button>");
    assert_eq!(form.text.matches(" checked").count(), 5);

    let sent = "name=my+laptop&scope=read_artifacts&scope=read_builds";
    let made = ada.post("/settings/tokens", sent).await;
    assert_eq!(made.status, StatusCode::OK);
    assert_eq!(made.header("cache-control"), "private, no-store");
    let row = made.text.split("my laptop").nth(1).unwrap();
    let secret = row.split("<code class=\"secret\">").nth(1).unwrap();
    let secret = secret.split("</code>").next().unwrap();
    assert!(secret.starts_with("lrd_personal_"), "{secret}");
    let headers = [("circle-token", secret)];
    let path = "/api/v1.1/project/github/acme/demo/1/artifacts/0/out/a%20b.txt";
    let file = larder.ask(Method::GET, path, &headers, "").await;
    assert_eq!(file.text, "first");

    let later = ada.get("/settings/tokens").await;
    later.shows("my laptop");
    later.shows("read_artifacts read_builds");
    assert!(!later.text.contains("lrd_personal_"));
}

#[tokio::test]
async fn a_revoked_token_is_gone_and_only_its_owner_revokes_it() {
    let larder = larder().await;
    let token = larder.token("ada", "read_artifacts", None).await;
    let access = &larder.larder.access;
    let id = access.tokens_of(OPERATOR, "ada").await.unwrap()[0].id;
    let revoke = format!("/settings/tokens/{id}/revoke");
    let bob = larder.browser_of("bob").await;
    assert_eq!(bob.post(&revoke, "").await.status, StatusCode::NOT_FOUND);
    let unknown = bob.post(&format!("{revoke}/"), "").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(access.authenticate(&token).await.is_ok());

    let ada = larder.browser_of("ada").await;
    ada.get("/settings/tokens").await.shows(&revoke);
    let revoked = ada.post(&revoke, "").await;
    assert_eq!(revoked.leads(), (303, "/settings/tokens"));
    assert!(access.authenticate(&token).await.is_err());
    ada.get("/settings/tokens")
        .await
        .shows("You have no tokens.");
}

#[tokio::test]
async fn names_and_scopes_are_asked_for() {
    let larder = larder().await;
    let ada = larder.browser_of("ada").await;
    let long = format!("name={}&scope=read_user", "x".repeat(201));
    for (sent, fault) in [
        ("name=+&scope=read_user", "give the token a name"),
        ("name=x", "at least one scope is needed"),
        ("name=x&scope=root", "unknown scope `root`"),
        ("name=a%0Ab&scope=read_user", "no line breaks"),
        (&long, "at most 200 letters"),
    ] {
        let answer = ada.post("/settings/tokens", sent).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{sent}");
        answer.shows(fault);
    }
    let access = &larder.larder.access;
    let tokens = access.tokens_of(OPERATOR, "ada").await.unwrap();
    assert!(tokens.is_empty());
}

#[tokio::test]
async fn settings_are_for_those_who_are_signed_in() {
    let larder = larder().await;
    let nobody = larder.browser();
    for page in ["/settings/tokens", "/settings/tokens/new"] {
        let answer = nobody.get(page).await;
        assert_eq!(answer.leads(), (302, &*format!("/sign-in?to={page}")));
    }
    let answer = nobody.post("/settings/tokens", "name=x&scope=admin").await;
    assert_eq!(answer.leads(), (302, "/sign-in?to=/"));
    // A token is no session: with it nobody makes another one here.
    let token = larder.token("ada", "admin", None).await;
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("sec-fetch-site", "none"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let form = "name=x&scope=admin";
    let answer = larder
        .ask(Method::POST, "/settings/tokens", &headers, form)
        .await;
    assert_eq!(answer.status, StatusCode::FOUND);
}

#[tokio::test]
async fn what_is_done_through_pages_is_in_the_audit_log() {
    let larder = larder().await;
    let ada = larder.browser_of("ada").await;
    ada.post("/settings/tokens", "name=x&scope=read_user").await;
    ada.post("/sign-out", "").await;
    let sql = "SELECT act FROM audit WHERE actor = 'user ada' ORDER BY 1";
    let acts = larder.beside.ask(sql).await.concat();
    assert_eq!(acts, ["issue token", "sign in", "sign out"]);
}
