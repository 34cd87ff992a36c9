//! What the source documents promise to a person with a browser, in a real Chromium.
//!
//! It needs `chromium` and `chromedriver` on the path (Debian's packages `chromium` and `chromium-driver`), talks to the
//! loopback device only, and leaves pictures of the pages in `target/tmp/browser`.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails by panicking"
)]

mod chromium;
mod pictures;
mod serving;

use chromium::{Chromium, Look};
use fantoccini::{Client, Locator};
use serving::Serving;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_person_signs_in_opens_a_file_makes_a_token_and_signs_out() {
    let serving = Serving::start().await;
    let chromium = Chromium::start();
    let page = chromium.open(Look::WIDE).await;

    // From a one-time link to the page of the build, whose first, open tab is named Artifacts.
    page.goto(&serving.link("ada", "/github/acme/demo/builds/1").await)
        .await
        .unwrap();
    click(&page, "//button[.='Sign in']").await;
    wait_for(&page, "//h1[contains(., 'Build 1')]").await;
    let tab = page
        .find(Locator::XPath("(//nav[@class='tabs']/a)[1]"))
        .await
        .unwrap();
    assert_eq!(tab.text().await.unwrap(), "Artifacts");
    assert_eq!(
        tab.attr("aria-current").await.unwrap().as_deref(),
        Some("page")
    );
    stays_at_home(&page, &serving.url).await;

    // A file, by its link.
    click(&page, "//a[contains(., 'summary.txt')]").await;
    wait_for(&page, "//pre[contains(., '12 passed')]").await;
    assert_eq!(status(&page).await, 200);
    page.back().await.unwrap();

    // A token, under the documented labels.
    page.goto(&format!("{}/account/api", serving.url))
        .await
        .unwrap();
    wait_for(&page, "//h1[.='User Settings']").await;
    wait_for(&page, "//h2[.='API Tokens']").await;
    click(&page, "//a[.='Create New Token']").await;
    let name = wait_for(&page, "//input[@name='name']").await;
    name.send_keys("laptop").await.unwrap();
    click(&page, "//button[.='Add API Token']").await;
    let secret = wait_for(&page, "//tr[contains(., 'laptop')]//code").await;
    let secret = secret.text().await.unwrap();
    stays_at_home(&page, &serving.url).await;
    let file = reqwest::Client::new()
        .get(serving.file("demo"))
        .header("Circle-Token", &secret)
        .send()
        .await
        .unwrap();
    assert_eq!(file.text().await.unwrap(), serving::SUMMARY);
    page.goto(&format!("{}/settings/tokens", serving.url))
        .await
        .unwrap();
    assert!(!page.source().await.unwrap().contains("lrd_"));

    // The documented address of a file, with the session.
    page.goto(&serving.file("demo")).await.unwrap();
    wait_for(&page, "//pre[contains(., '12 passed')]").await;

    page.goto(&serving.url).await.unwrap();
    click(&page, "//button[.='Sign out']").await;
    wait_for(&page, "//h1[.='Sign in']").await;
    page.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_documented_address_leads_to_sign_in_and_back_and_strangers_find_nothing() {
    let serving = Serving::start().await;
    let chromium = Chromium::start();
    let page = chromium.open(Look::WIDE).await;
    for project in ["demo", "none"] {
        page.goto(&serving.file(project)).await.unwrap();
        wait_for(&page, "//h1[.='Sign in']").await;
    }
    page.goto(&serving.file("demo")).await.unwrap();
    let token = wait_for(&page, "//input[@name='token']").await;
    token
        .send_keys(&serving.token("ada", "admin").await)
        .await
        .unwrap();
    click(&page, "//button[.='Sign in with the token']").await;
    wait_for(&page, "//pre[contains(., '12 passed')]").await;
    assert_eq!(
        page.current_url().await.unwrap().as_str(),
        serving.file("demo")
    );
    page.goto(&serving.url).await.unwrap();
    click(&page, "//button[.='Sign out']").await;
    wait_for(&page, "//h1[.='Sign in']").await;

    page.goto(&serving.link("bob", "/").await).await.unwrap();
    click(&page, "//button[.='Sign in']").await;
    wait_for(&page, "//h1[.='Projects']").await;
    for project in ["demo", "none"] {
        page.goto(&serving.file(project)).await.unwrap();
        assert_eq!(status(&page).await, 404);
    }
    page.goto(&format!("{}/github/acme/demo/builds/1", serving.url))
        .await
        .unwrap();
    wait_for(&page, "//h1[.='Not found']").await;
    assert_eq!(status(&page).await, 404);
    page.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_step_is_followed_and_what_tests_say_is_text() {
    let serving = Serving::start().await;
    let chromium = Chromium::start();
    let page = chromium.open(Look::WIDE).await;
    let build = "/github/acme/demo/builds/2/steps";
    page.goto(&serving.link("ada", build).await).await.unwrap();
    click(&page, "//button[.='Sign in']").await;
    click(&page, "//a[.='Follow it while it runs']").await;
    wait_for(&page, "//p[contains(., 'printed nothing yet')]").await;
    let at = serving.print(0, "kneading\n").await;
    wait_for(&page, "//pre[contains(., 'kneading')]").await;
    serving.print(at, "baking\n").await;
    serving.end_step().await;
    wait_for(&page, "//pre[contains(., 'baking')]").await;
    wait_for(&page, "//h2[contains(., 'passed')]").await;
    let refresh = page.find(Locator::Css("meta[http-equiv]")).await;
    assert!(refresh.is_err(), "it goes on although the step has ended");
    click(&page, "//a[.='Raw text']").await;
    wait_for(&page, "//pre[contains(., 'kneading')]").await;

    page.goto(&format!("{}/github/acme/demo/builds/1/tests", serving.url))
        .await
        .unwrap();
    click(&page, "(//summary)[1]").await;
    wait_for(&page, "//pre[contains(., '<img src=x')]").await;
    wait_for(&page, "//summary[contains(., '<img src=x')]").await;
    assert!(page.title().await.unwrap().starts_with("Tests of build 1"));
    stays_at_home(&page, &serving.url).await;
    page.close().await.unwrap();
}

async fn click(page: &Client, xpath: &str) {
    wait_for(page, xpath).await.click().await.unwrap();
}

async fn wait_for(page: &Client, xpath: &str) -> fantoccini::elements::Element {
    let found = page.wait().for_element(Locator::XPath(xpath)).await;
    match found {
        Ok(found) => found,
        Err(error) => panic!("{xpath}: {error}: {}", page.source().await.unwrap()),
    }
}

/// The status with which the page was answered.
async fn status(page: &Client) -> u64 {
    let script = "return performance.getEntriesByType('navigation')[0].responseStatus";
    let status = page.execute(script, Vec::new()).await.unwrap();
    status.as_u64().unwrap()
}

/// A page that shows what it is made of asks no other host for anything.
async fn stays_at_home(page: &Client, url: &str) {
    let script = "return performance.getEntriesByType('resource').map(entry => entry.name)";
    let asked = page.execute(script, Vec::new()).await.unwrap();
    let asked: Vec<String> = serde_json::from_value(asked).unwrap();
    assert!(
        asked
            .iter()
            .any(|name| name.ends_with("/assets/larder.css")),
        "{asked:?}"
    );
    for name in asked {
        assert!(name.starts_with(url) || name.starts_with("data:"), "{name}");
    }
}
