//! Results of tests on the pages of a build.

use super::support::{OPERATOR, TestLarder};
use axum::http::StatusCode;
use larder_core::model::{Job, Role, TestOutcome, TestResult};

const TESTS: &str = "/github/acme/demo/builds/1/tests";

fn result(name: &str, outcome: TestOutcome, message: Option<&str>) -> TestResult {
    TestResult {
        name: name.into(),
        classname: Some("oven".into()),
        file: None,
        outcome,
        run_time_ms: 12_000,
        message: message.map(str::to_owned),
    }
}

async fn keep(larder: &TestLarder, job: &Job, report: u32, results: Vec<TestResult>) {
    let kept = &larder.larder.test_results;
    kept.keep(OPERATOR, job.id, report, results).await.unwrap();
}

async fn start() -> (TestLarder, Vec<Job>) {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    let nodes = larder.build().await;
    (larder, nodes)
}

#[tokio::test]
async fn a_build_without_results_has_no_tab_for_them() {
    let (larder, nodes) = start().await;
    let browser = larder.browser_of("ada").await;
    let build = "/github/acme/demo/builds/1";
    for page in [build, "/github/acme/demo/builds/1/steps"] {
        let page = browser.get(page).await;
        assert!(!page.text.contains("/tests\""), "{}", page.text);
    }
    browser.get(TESTS).await.shows("no results of tests");
    keep(
        &larder,
        &nodes[0],
        0,
        vec![result("a", TestOutcome::Success, None)],
    )
    .await;
    let page = browser.get(build).await;
    page.shows("href=\"/github/acme/demo/builds/1/tests\">Tests <span class=\"hint\">1</span>");
}

#[tokio::test]
async fn failures_come_first_with_their_messages_and_hostile_text_is_text() {
    let (larder, nodes) = start().await;
    let hostile = "<img src=x onerror=alert(1)>";
    let mut broken = result(
        hostile,
        TestOutcome::Failure,
        Some("\u{1b}[31m<script>bad</script>"),
    );
    (broken.classname, broken.file) = (Some(hostile.into()), Some(hostile.into()));
    let results = vec![
        result("fine", TestOutcome::Success, None),
        result("later", TestOutcome::Skipped, Some("no oven")),
        broken,
        result("", TestOutcome::Error, None),
    ];
    keep(&larder, &nodes[0], 0, results).await;
    keep(
        &larder,
        &nodes[1],
        0,
        vec![result("other", TestOutcome::Success, None)],
    )
    .await;
    let browser = larder.browser_of("ada").await;
    let page = browser.get(TESTS).await;
    for text in [
        "2 failed",
        "1 skipped",
        "1 passed",
        "node 1 of 2",
        "(without a name)",
        "12 s",
        "&#60;script&#62;bad&#60;/script&#62;",
    ] {
        page.shows(text);
    }
    assert_eq!(
        page.text
            .matches("&#60;img src=x onerror=alert(1)&#62;")
            .count(),
        3
    );
    assert!(!page.text.contains("<img") && !page.text.contains("[31m"));
    assert!(!page.text.contains(">fine<") && !page.text.contains("no oven"));

    let node = format!("{TESTS}/{}", nodes[0].id);
    let all = browser.get(&node).await;
    let place = |name: &str| {
        all.text
            .find(name)
            .unwrap_or_else(|| panic!("{name}: {}", all.text))
    };
    assert!(place("onerror") < place("(without") && place("(without") < place(">later<"));
    assert!(place(">later<") < place(">fine<"));
    let skipped = browser.get(&format!("{node}?result=skipped")).await;
    skipped.shows("no oven");
    assert!(!skipped.text.contains("onerror"));
    for nobody in ["x", "00000000-0000-7000-8000-000000000000"] {
        let page = browser.get(&format!("{TESTS}/{nobody}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_hundred_thousand_results_make_no_page_longer() {
    let (larder, nodes) = start().await;
    for report in 0..20 {
        let results = (0..5_000).map(|at| {
            let outcome = if at % 100 == 0 {
                TestOutcome::Failure
            } else {
                TestOutcome::Success
            };
            result(&format!("test {report} {at}"), outcome, Some("said"))
        });
        keep(&larder, &nodes[0], report, results.collect()).await;
    }
    let browser = larder.browser_of("ada").await;
    let page = browser.get(TESTS).await;
    page.shows("1000 failed");
    page.shows("99000 passed");
    assert_eq!(page.text.matches("<details").count(), 50);
    let (mut address, mut seen) = (format!("{TESTS}/{}?result=failed", nodes[0].id), 0);
    loop {
        let page = browser.get(&address).await;
        assert!(page.text.len() < 100 * 1024);
        seen += page.text.matches("<details").count();
        let Some(more) = page
            .text
            .split("\">More<")
            .next()
            .filter(|_| page.text.contains(">More<"))
        else {
            break;
        };
        let more = more.rsplit("href=\"").next().unwrap();
        address = more.replace("&#38;", "&");
    }
    assert_eq!(seen, 1_000);
}
