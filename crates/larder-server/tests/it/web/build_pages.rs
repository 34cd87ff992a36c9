//! Builds, their files and steps, and who sees them.

use super::support::TestLarder;
use axum::http::{Method, StatusCode};
use larder_core::model::Role;

const PAGES: [&str; 6] = [
    "/github/acme/demo",
    "/gh/acme/demo",
    "/github/acme/demo/builds/1",
    "/gh/acme/demo/builds/1",
    "/github/acme/demo/builds/1/steps",
    "/gh/acme/demo/1",
];

#[tokio::test]
async fn the_first_open_tab_of_a_build_links_every_file_of_every_node() {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    let nodes = larder.build().await;
    let browser = larder.browser_of("ada").await;
    let page = browser.get("/gh/acme/demo/builds/1").await;
    assert_eq!(page.status, StatusCode::OK);
    for text in [
        "Build 1 ",
        "failed",
        "Bake &#60;b&#62;bread&#60;/b&#62;",
        "main",
        "0123456789",
        "2 files, 18 B",
    ] {
        page.shows(text);
    }
    let tabs = page.text.split("class=\"tabs\"").nth(1).unwrap();
    let first = tabs.split("</a>").next().unwrap();
    assert!(
        first.ends_with("aria-current=\"page\">Artifacts"),
        "{first}"
    );
    for (node, path, bytes) in [
        (0, "0/out/a%20b.txt", "first"),
        (1, "1/report.html", "<p>second</p>"),
    ] {
        let file = format!("/output/job/{}/artifacts/{path}", nodes[node].id);
        page.shows(&format!("href=\"{file}\""));
        assert_eq!(browser.get(&file).await.text, bytes);
    }
    assert_eq!(page.text.matches("/output/job/").count(), 2);
}

#[tokio::test]
async fn the_second_tab_shows_steps_with_their_exit_status_and_output() {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    let nodes = larder.build().await;
    let browser = larder.browser_of("ada").await;
    let page = browser.get("/github/acme/demo/builds/1/steps").await;
    for text in [
        "Knead",
        "exit status 3",
        "make dough &#38;&#38; false",
        "sticky &#60;script&#62;",
        "node 1 of 2",
    ] {
        page.shows(text);
    }
    let output = format!("/github/acme/demo/builds/1/steps/{}/0/raw", nodes[0].id);
    let raw = browser.get(&output).await;
    assert_eq!(raw.text, "\u{1b}[31msticky\u{1b}[0m <script>\n");
    assert_eq!(raw.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        raw.header("content-security-policy"),
        "sandbox; default-src 'none'"
    );
    let other = format!("/github/acme/demo/builds/1/steps/{}/7", nodes[0].id);
    assert_eq!(browser.get(&other).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn long_output_is_shown_by_its_end_and_sent_whole() {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    let nodes = larder.build().await;
    let steps = &larder.larder.steps;
    let operator = super::support::OPERATOR;
    let chunk = "0123456789abcde\n".repeat(16 * 1024);
    let mut at = 25;
    for _ in 0..5 {
        let chunk = bytes::Bytes::from(chunk.clone());
        at = steps
            .append(operator, nodes[0].id, 0, at, chunk)
            .await
            .unwrap();
    }
    let browser = larder.browser_of("ada").await;
    let page = browser.get("/github/acme/demo/builds/1/steps").await;
    page.shows("The end of 1.3 MiB");
    assert!(!page.text.contains("sticky") && page.text.len() < 64 * 1024);
    let output = format!("/github/acme/demo/builds/1/steps/{}/0/raw", nodes[0].id);
    let raw = browser.get(&output).await;
    assert_eq!(raw.text.len(), 25 + 5 * chunk.len());
}

#[tokio::test]
async fn the_address_of_a_job_leads_to_its_build() {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.build().await;
    larder.build().await;
    let browser = larder.browser_of("ada").await;
    let page = browser.get("/gh/acme/demo/2").await;
    assert_eq!(page.leads(), (302, "/github/acme/demo/builds/2"));
    assert_eq!(
        browser.get("/gh/acme/demo/3").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn home_and_project_list_builds() {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.user("bob", None).await;
    for _ in 0..51 {
        larder.build().await;
    }
    let ada = larder.browser_of("ada").await;
    let home = ada.get("/").await;
    home.shows("href=\"/github/acme/demo\"");
    home.shows("href=\"/github/acme/demo/builds/51\"");
    let project = ada.get("/github/acme/demo").await;
    assert_eq!(project.text.matches("/builds/").count(), 50);
    let older = project.text.split("href=\"?").nth(1).unwrap();
    let query = older.split('"').next().unwrap();
    let older = ada.get(&format!("/github/acme/demo?{query}")).await;
    older.shows("/builds/1\"");
    assert_eq!(older.text.matches("/builds/").count(), 1);

    let bob = larder.browser_of("bob").await.get("/").await;
    bob.shows("You see no project yet");
}

#[tokio::test]
async fn strangers_find_the_same_nothing_as_where_there_is_nothing() {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("bob", None).await;
    larder.build().await;
    let bob = larder.browser_of("bob").await;
    let nothing = bob.get("/github/acme/none").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    for page in PAGES {
        let answer = bob.get(page).await;
        assert_eq!(
            (answer.status, &answer.text),
            (nothing.status, &nothing.text),
            "{page}"
        );
        // Signed out, all lead to the same door.
        for page in [page, &page.replace("demo", "none")] {
            let answer = larder.browser().get(page).await;
            assert_eq!(answer.leads(), (302, &*format!("/sign-in?to={page}")));
        }
    }
    let elsewhere = larder.browser().get("/nowhere/acme/demo").await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn public_projects_are_shown_to_everybody() {
    let larder = TestLarder::start().await;
    larder.project(true).await;
    larder.build().await;
    let nobody = larder.browser();
    for page in PAGES {
        let answer = nobody.get(page).await;
        assert!(
            [StatusCode::OK, StatusCode::FOUND].contains(&answer.status)
                && !answer.header("location").contains("sign-in"),
            "{page}: {answer:?}"
        );
    }
    let home = nobody.get("/").await;
    assert_eq!(home.leads(), (302, "/sign-in?to=/"));
}

#[tokio::test]
async fn pages_say_what_a_browser_may_do_with_them() {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    larder.build().await;
    let ada = larder.browser_of("ada").await;
    let link = larder.link("ada", "/").await;
    let policy = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; \
                  frame-ancestors 'none'";
    for page in [
        "/",
        "/github/acme/demo",
        "/github/acme/demo/builds/1",
        "/github/acme/demo/builds/1/steps",
        "/github/acme/demo/builds/1/tests",
        "/github/acme/demo/builds/9",
        "/settings/tokens",
        "/settings/tokens/new",
        &link,
    ] {
        let answer = ada.get(page).await;
        assert_eq!(answer.header("content-security-policy"), policy, "{page}");
        assert_eq!(answer.header("cache-control"), "private, no-store");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        for foreign in ["http://", "https://", "<script", "<style", " style="] {
            let text = answer.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains(foreign), "{page} has {foreign}");
        }
    }
    let style = larder.ask(Method::GET, "/assets/larder.css", &[], "").await;
    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(!style.text.contains("url(") && !style.text.contains("@import"));
}
