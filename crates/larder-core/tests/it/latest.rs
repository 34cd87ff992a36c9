//! Which job is the latest.

use crate::support::{OPERATOR, TestStore, slug};
use larder_core::Error;
use larder_core::model::{EndState, JobOutcome, NewBuild};

const COMPLETED: &[JobOutcome] = &[
    JobOutcome::Passed,
    JobOutcome::Failed,
    JobOutcome::Canceled,
    JobOutcome::TimedOut,
];

async fn latest(
    store: &TestStore,
    branch: Option<&str>,
    outcomes: &[JobOutcome],
    forks: bool,
) -> Option<i64> {
    let project = store
        .larder
        .projects
        .by_slug(OPERATOR, &slug())
        .await
        .unwrap();
    match store
        .larder
        .jobs
        .latest(OPERATOR, &project, branch, outcomes, forks)
        .await
    {
        Ok(nodes) => Some(nodes.number),
        Err(Error::NotFound(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_latest_job_is_the_one_with_the_greatest_number_that_matches() {
    let store = TestStore::open().await;
    let on = |branch: &str, fork| NewBuild {
        branch: Some(branch.into()),
        fork,
        ..NewBuild::default()
    };
    let announced = [
        store.build(on("main", false), &[("build", 1)]).await,
        store.build(on("main", false), &[("build", 2)]).await,
        store.build(on("main", false), &[("build", 1)]).await,
        store.build(on("feature/x", false), &[("build", 1)]).await,
        store.build(on("main", true), &[("build", 1)]).await,
    ];
    let end = async |build: usize, node: usize, state| {
        let job = announced[build].nodes[node].job.id;
        store
            .larder
            .jobs
            .finish(OPERATOR, job, state, None)
            .await
            .unwrap();
    };
    end(0, 0, EndState::Passed).await;
    end(1, 0, EndState::Passed).await;
    end(1, 1, EndState::Failed).await;
    end(3, 0, EndState::Passed).await;
    end(4, 0, EndState::Passed).await;
    let main = Some("main");
    assert_eq!(latest(&store, main, COMPLETED, false).await, Some(2));
    assert_eq!(
        latest(&store, main, &[JobOutcome::Passed], false).await,
        Some(1)
    );
    assert_eq!(
        latest(&store, main, &[JobOutcome::Failed], false).await,
        Some(2)
    );
    assert_eq!(
        latest(&store, main, &[JobOutcome::Running], false).await,
        Some(3)
    );
    assert_eq!(latest(&store, None, COMPLETED, false).await, Some(4));
    assert_eq!(latest(&store, None, COMPLETED, true).await, Some(5));
    assert_eq!(latest(&store, Some("nope"), COMPLETED, true).await, None);
}
