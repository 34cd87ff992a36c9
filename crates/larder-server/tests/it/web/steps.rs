//! The page of one step and its output part by part.

use super::support::{OPERATOR, TestLarder};
use larder_core::model::{Job, NewBuild, NewJob, NewStep, ProjectSlug, Role, StepState};

async fn report(larder: &TestLarder, node: &Job, state: StepState, exit_status: Option<i32>) {
    let step = NewStep {
        name: "Knead".into(),
        command: Some("make <dough>".into()),
        state,
        exit_status,
    };
    let steps = &larder.larder.steps;
    steps.report(OPERATOR, node.id, 0, step).await.unwrap();
}

async fn print(larder: &TestLarder, node: &Job, at: i64, text: &str) -> i64 {
    let steps = &larder.larder.steps;
    let chunk = bytes::Bytes::from(text.to_owned());
    steps.append(OPERATOR, node.id, 0, at, chunk).await.unwrap()
}

/// A running build with a running step, and the address of the step.
async fn running() -> (TestLarder, Job, String) {
    let larder = TestLarder::start().await;
    larder.project(false).await;
    larder.user("ada", Some(Role::Reader)).await;
    let slug = ProjectSlug::parse(super::support::DEMO).unwrap();
    let jobs = vec![NewJob {
        name: "test".into(),
        parallelism: 1,
        queued: false,
    }];
    let builds = &larder.larder.builds;
    let announced = builds.announce(OPERATOR, &slug, NewBuild::default(), jobs);
    let node = announced.await.unwrap().nodes.remove(0).job;
    report(&larder, &node, StepState::Running, None).await;
    let address = format!("/github/acme/demo/builds/1/steps/{}/0", node.id);
    (larder, node, address)
}

const REFRESH: &str = "http-equiv=\"refresh\"";

#[tokio::test]
async fn a_step_is_followed_while_it_runs_and_no_longer() {
    let (larder, node, address) = running().await;
    let browser = larder.browser_of("ada").await;
    let end = format!("{address}?offset=end");
    let page = browser.get(&end).await;
    page.shows("It printed nothing yet");
    page.shows(REFRESH);
    let all = browser.get("/github/acme/demo/builds/1/steps").await;
    all.shows(&format!("href=\"{end}\""));
    assert!(!all.text.contains(REFRESH) && all.text.contains("<details class=\"step\" open>"));
    // Chunks as short as an agent sends them while a step prints slowly.
    let mut at = 0;
    for line in 0..1_000 {
        at = print(
            &larder,
            &node,
            at,
            &format!("\u{1b}[32mline {line}\u{1b}[0m <b>\r\n"),
        )
        .await;
    }
    for page in [&end, &address, "/github/acme/demo/builds/1/steps"] {
        let page = browser.get(page).await;
        page.shows("line 0 &#60;b&#62;\n");
        page.shows("line 999 &#60;b&#62;\n");
    }
    assert!(!browser.get(&address).await.text.contains(REFRESH));
    larder.clock.advance_ms(3_000);
    report(&larder, &node, StepState::Failed, Some(2)).await;
    let page = browser.get(&end).await;
    for text in ["failed", "exit status 2", "3.0 s", "make &#60;dough&#62;"] {
        page.shows(text);
    }
    assert!(!page.text.contains(REFRESH));
}

#[tokio::test]
async fn long_output_comes_in_parts_that_lead_to_each_other() {
    let (larder, node, address) = running().await;
    let lines: Vec<_> = (0..60_000).map(|line| format!("€ {line}\n")).collect();
    let mut at = 0;
    for piece in lines.chunks(5_000) {
        at = print(&larder, &node, at, &piece.concat()).await;
    }
    let printed = lines.concat();
    report(&larder, &node, StepState::Passed, Some(0)).await;
    let browser = larder.browser_of("ada").await;
    let (mut query, mut seen, mut pages) = (String::new(), String::new(), 0);
    loop {
        let page = browser.get(&format!("{address}{query}")).await;
        assert!(page.text.len() < 300 * 1024);
        let output = page
            .text
            .split("<pre class=\"output whole\">")
            .nth(1)
            .unwrap();
        seen += output.split("</pre>").next().unwrap();
        pages += 1;
        assert_eq!(page.text.contains(">Earlier<"), pages > 1);
        let Some(later) = page
            .text
            .split("\" rel=\"next\"")
            .next()
            .filter(|_| page.text.contains("rel=\"next\""))
        else {
            break;
        };
        query = later.rsplit("href=\"").next().unwrap().to_owned();
    }
    assert!(
        seen == printed && pages == 3,
        "{pages} pages, {} bytes",
        seen.len()
    );
    let end = browser.get(&format!("{address}?offset=end")).await;
    end.shows("€ 59999\n");
    assert!(!end.text.contains("€ 0\n"));
    for odd in ["?offset=-5", "?offset=x", "?offset=99999999999999999999"] {
        let page = browser.get(&format!("{address}{odd}")).await;
        page.shows("€ 0\n");
    }
    let behind = browser.get(&format!("{address}?offset=900000000")).await;
    behind.shows("Nothing was printed behind this place");
    let raw = browser.get(&format!("{address}/raw")).await;
    assert!(raw.text == printed && raw.header("x-content-type-options") == "nosniff");
}
