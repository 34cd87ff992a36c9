//! `latest` in place of a number.

use crate::support::{Answer, DEMO, TestLarder};
use larder_core::model::{EndState, NewBuild};

const LATEST: &str = "/api/v1.1/project/github/acme/demo/latest/artifacts";

/// Jobs of `master`: 1 passed, 2 failed, 3 runs. Each keeps its number.
async fn three_jobs() -> TestLarder {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    for (number, end) in [
        (1, Some(EndState::Passed)),
        (2, Some(EndState::Failed)),
        (3, None),
    ] {
        let job = larder.job("master").await;
        larder.keep(job.id, "number", &number.to_string()).await;
        if let Some(end) = end {
            larder.finish(job.id, end, None).await;
        }
    }
    larder
}

/// Which job a list is of.
async fn job_of(larder: &TestLarder, list: &Answer) -> String {
    assert_eq!(list.status, 200, "{list:?}");
    let url = list.json()[0]["url"].as_str().unwrap().to_owned();
    larder.get("", &url).await.text().to_owned()
}

/// Vectors 17 and 18: the two documents differ in what goes without a filter.
#[tokio::test]
async fn a_filter_picks_the_newest_job_that_stands_so() {
    let larder = three_jobs().await;
    for (filter, of_list, of_file) in [
        ("completed", "2", "2"),
        ("successful", "1", "1"),
        ("failed", "2", "2"),
        ("running", "3", "3"),
        ("", "3", "2"),
        ("None", "3", "2"),
    ] {
        let query = format!("branch=master&filter={filter}");
        let list = larder.get("", &format!("{LATEST}?{query}")).await;
        assert_eq!(job_of(&larder, &list).await, of_list, "list, {filter}");
        let file = larder.get("", &format!("{LATEST}/0/number?{query}")).await;
        assert_eq!(file.pair(), (200, of_file), "file, {filter}");
    }
    assert_eq!(job_of(&larder, &larder.get("", LATEST).await).await, "3");
    assert_eq!(
        larder.get("", &format!("{LATEST}/0/number")).await.pair(),
        (200, "2")
    );
}

#[tokio::test]
async fn a_job_that_ran_out_of_time_has_failed_and_a_canceled_one_is_only_completed() {
    let larder = three_jobs().await;
    for (end, filter) in [
        (EndState::TimedOut, "failed"),
        (EndState::Canceled, "completed"),
    ] {
        let job = larder.job("master").await;
        larder
            .keep(job.id, "number", job.number.unwrap().to_string().as_str())
            .await;
        larder.finish(job.id, end, None).await;
        let file = larder
            .get("", &format!("{LATEST}/0/number?filter={filter}"))
            .await;
        assert_eq!(file.text(), job.number.unwrap().to_string(), "{end:?}");
    }
    assert_eq!(
        larder
            .get("", &format!("{LATEST}/0/number?filter=failed"))
            .await
            .text(),
        "4"
    );
}

/// Vector 19, and branches whose names need encoding.
#[tokio::test]
async fn a_branch_narrows_the_choice_and_an_unknown_one_leaves_none() {
    let larder = three_jobs().await;
    let job = larder.job("feature/x").await;
    larder.keep(job.id, "number", "4").await;
    larder.finish(job.id, EndState::Passed, None).await;
    for (query, number) in [
        ("branch=feature%2Fx", "4"),
        ("branch=feature/x", "4"),
        ("branch=master", "2"),
        ("", "4"),
        ("branch=", "4"),
    ] {
        assert_eq!(
            larder
                .get("", &format!("{LATEST}/0/number?{query}"))
                .await
                .pair(),
            (200, number),
            "{query}"
        );
    }
    for path in [
        format!("{LATEST}?branch=None"),
        format!("{LATEST}/0/number?branch=None"),
    ] {
        assert_eq!(
            larder.get("", &path).await.pair(),
            (404, r#"{"message":"Build not found"}"#),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_filter_is_refused_with_the_names_of_the_known_ones() {
    let larder = three_jobs().await;
    let message = r#"{"message":"filter: must be one of completed, successful, failed, running"}"#;
    for path in [
        format!("{LATEST}?filter=passed"),
        format!("{LATEST}/0/number?filter=Completed"),
        "/api/v1.1/project/github/acme/demo?filter=x".into(),
    ] {
        assert_eq!(larder.get("", &path).await.pair(), (400, message), "{path}");
    }
}

#[tokio::test]
async fn builds_of_forks_are_skipped_unless_asked_for() {
    let larder = three_jobs().await;
    let new = NewBuild {
        branch: Some("master".into()),
        fork: true,
        ..NewBuild::default()
    };
    let fork = larder
        .build(DEMO, new, &[("build", 1)])
        .await
        .nodes
        .remove(0)
        .job;
    larder.keep(fork.id, "number", "of a stranger").await;
    larder.finish(fork.id, EndState::Passed, None).await;
    assert_eq!(
        larder
            .get("", &format!("{LATEST}/0/number?filter=successful"))
            .await
            .text(),
        "1"
    );
    for asked in ["true", "1"] {
        let path = format!("{LATEST}/0/number?filter=successful&fork={asked}");
        assert_eq!(larder.get("", &path).await.text(), "of a stranger");
    }
    assert_eq!(
        larder.get("", &format!("{LATEST}?fork=yes")).await.pair(),
        (400, r#"{"message":"fork: must be true or false"}"#)
    );
}

/// The latest job counts, not the latest that kept something.
#[tokio::test]
async fn the_latest_job_without_artifacts_lists_none_and_has_no_file() {
    let larder = three_jobs().await;
    let job = larder.job("master").await;
    larder.finish(job.id, EndState::Passed, None).await;
    assert_eq!(larder.get("", LATEST).await.pair(), (200, "[]"));
    let file = larder.get("", &format!("{LATEST}/0/number")).await;
    assert_eq!(file.pair(), (404, r#"{"message":"Artifact not found"}"#));
}

#[tokio::test]
async fn a_project_without_jobs_has_no_latest() {
    let larder = TestLarder::start().await;
    larder.project(DEMO, true).await;
    assert_eq!(
        larder.get("", LATEST).await.pair(),
        (404, r#"{"message":"Build not found"}"#)
    );
}
