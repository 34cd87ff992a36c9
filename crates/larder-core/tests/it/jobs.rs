//! Builds and jobs live and end.

use crate::support::{OPERATOR, TestStore, slug};
use larder_core::Error;
use larder_core::model::{
    ArtifactPath, BuildState, EndState, JobState, NewArtifact, NewBuild, NewJob, Principal,
};

#[tokio::test]
async fn nodes_of_a_job_share_a_number_and_jobs_are_numbered_as_they_start() {
    let store = TestStore::open().await;
    let first = store
        .build(NewBuild::default(), &[("test", 2), ("lint", 1)])
        .await;
    let numbers: Vec<_> = first
        .nodes
        .iter()
        .map(|node| (node.job.number, node.job.index))
        .collect();
    assert_eq!(numbers, [(Some(1), 0), (Some(1), 1), (Some(2), 0)]);
    let second = store.build(NewBuild::default(), &[("test", 1)]).await;
    assert_eq!(second.build.number, 2);
    assert_eq!(second.nodes[0].job.number, Some(3));
}

#[tokio::test]
async fn a_queued_job_gets_its_number_when_it_starts() {
    let store = TestStore::open().await;
    let queued = NewJob {
        name: "later".into(),
        parallelism: 2,
        queued: true,
    };
    let builds = &store.larder.builds;
    let announced = builds
        .announce(OPERATOR, &slug(), NewBuild::default(), vec![queued])
        .await
        .unwrap();
    assert!(
        announced
            .nodes
            .iter()
            .all(|node| node.job.number.is_none() && node.job.state == JobState::Queued)
    );
    store.build(NewBuild::default(), &[("now", 1)]).await;
    let jobs = &store.larder.jobs;
    let started = jobs
        .start(OPERATOR, announced.nodes[1].job.id)
        .await
        .unwrap();
    assert_eq!(
        (started.number, started.state),
        (Some(2), JobState::Running)
    );
    let sibling = jobs
        .start(OPERATOR, announced.nodes[0].job.id)
        .await
        .unwrap();
    assert_eq!(sibling.number, Some(2), "nodes of one job share a number");
}

#[tokio::test]
async fn announcing_again_gives_the_same_build_and_adds_what_it_lacks() {
    let store = TestStore::open().await;
    let new = NewBuild {
        external_id: Some("run-7".into()),
        ..NewBuild::default()
    };
    let first = store.build(new.clone(), &[("test", 2)]).await;
    let again = store.build(new, &[("test", 2), ("lint", 1)]).await;
    assert_eq!(again.build.id, first.build.id);
    assert_eq!(again.nodes.len(), 3);
    assert_eq!(again.nodes[0].job.id, first.nodes[0].job.id);
    assert_ne!(again.nodes[0].token, first.nodes[0].token);
}

#[tokio::test]
async fn a_build_ends_with_its_last_job_and_as_its_worst() {
    let store = TestStore::open().await;
    let announced = store
        .build(NewBuild::default(), &[("a", 1), ("b", 1)])
        .await;
    let jobs = &store.larder.jobs;
    let state = async || {
        store
            .larder
            .builds
            .build(OPERATOR, announced.build.id)
            .await
            .unwrap()
            .state
    };
    jobs.finish(
        OPERATOR,
        announced.nodes[0].job.id,
        EndState::Failed,
        Some(2),
    )
    .await
    .unwrap();
    assert_eq!(state().await, BuildState::Running);
    jobs.finish(
        OPERATOR,
        announced.nodes[1].job.id,
        EndState::Passed,
        Some(0),
    )
    .await
    .unwrap();
    assert_eq!(state().await, BuildState::Failed);
    let again = jobs
        .finish(
            OPERATOR,
            announced.nodes[1].job.id,
            EndState::Passed,
            Some(0),
        )
        .await;
    assert!(again.is_ok(), "the same state again is no error");
    let other = jobs
        .finish(OPERATOR, announced.nodes[1].job.id, EndState::Failed, None)
        .await;
    assert!(matches!(other, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_job_that_is_not_heard_of_times_out_and_one_that_is_does_not() {
    let store = TestStore::open().await;
    let announced = store
        .build(NewBuild::default(), &[("quiet", 1), ("loud", 1)])
        .await;
    let (quiet, loud) = (&announced.nodes[0].job, &announced.nodes[1].job);
    store.clock.advance_ms(50 * 60 * 1000);
    store.larder.jobs.hear(OPERATOR, loud.id).await.unwrap();
    store.clock.advance_ms(11 * 60 * 1000);
    assert_eq!(store.larder.jobs.time_out_unheard().await.unwrap(), 1);
    let state = async |id| store.larder.jobs.job(OPERATOR, id).await.unwrap().job.state;
    assert_eq!(state(quiet.id).await, JobState::TimedOut);
    assert_eq!(state(loud.id).await, JobState::Running);
}

#[tokio::test]
async fn a_job_that_was_only_silent_runs_again_when_it_is_heard_of_within_ten_minutes() {
    let store = TestStore::open().await;
    let (jobs, lease) = (&store.larder.jobs, store.larder.settings().job_lease_ms);
    let words = ["heartbeat", "file", "end", "too late", "canceled"];
    let named: Vec<_> = words.map(|word| (word, 1)).to_vec();
    let announced = store.build(NewBuild::default(), &named).await;
    let [heartbeat, file, end, late, canceled] = announced
        .nodes
        .try_into()
        .map(|nodes: [_; 5]| nodes.map(|node| node.job))
        .unwrap();
    let finish = async |id, state| jobs.finish(OPERATOR, id, state, None).await;
    finish(canceled.id, EndState::Canceled).await.unwrap();
    store.clock.advance_ms(lease + 1);
    assert_eq!(jobs.time_out_unheard().await.unwrap(), 4);
    let build = async || jobs.job(OPERATOR, heartbeat.id).await.unwrap().build;
    assert_eq!(build().await.state, BuildState::Failed);
    store.clock.advance_ms(10 * 60 * 1000 - 1);
    jobs.hear(OPERATOR, heartbeat.id).await.unwrap();
    jobs.hear(OPERATOR, canceled.id).await.unwrap();
    store.keep(&file, "a", b"late").await.unwrap();
    finish(end.id, EndState::Passed).await.unwrap();
    store.clock.advance_ms(1);
    jobs.hear(OPERATOR, late.id).await.unwrap();
    assert!(store.keep(&late, "a", b"too late").await.is_err());
    let state = async |id| jobs.job(OPERATOR, id).await.unwrap().job.state;
    assert_eq!(state(heartbeat.id).await, JobState::Running);
    assert_eq!(state(file.id).await, JobState::Running);
    assert_eq!(state(end.id).await, JobState::Passed);
    assert_eq!(state(late.id).await, JobState::TimedOut);
    assert_eq!(state(canceled.id).await, JobState::Canceled);
    assert_eq!(build().await.state, BuildState::Running);
    assert_eq!(build().await.finished_at, None);
    // Who says that a job ran out of time means it.
    finish(file.id, EndState::TimedOut).await.unwrap();
    jobs.hear(OPERATOR, file.id).await.unwrap();
    assert_eq!(state(file.id).await, JobState::TimedOut);
    let revived = "SELECT COUNT(*) FROM audit WHERE act = 'revive job'";
    assert_eq!(store.beside.number(revived).await, 3);
}

#[tokio::test]
async fn the_token_of_a_job_dies_ten_minutes_after_the_job() {
    let store = TestStore::open().await;
    let announced = store.build(NewBuild::default(), &[("build", 1)]).await;
    let (token, job) = (&announced.nodes[0].token, &announced.nodes[0].job);
    let access = &store.larder.access;
    assert!(matches!(
        access.authenticate(token).await,
        Ok(Principal::Job(_))
    ));
    store
        .larder
        .jobs
        .finish(OPERATOR, job.id, EndState::Passed, None)
        .await
        .unwrap();
    store.clock.advance_ms(10 * 60 * 1000 - 1);
    assert!(access.authenticate(token).await.is_ok());
    store.clock.advance_ms(1);
    assert!(matches!(
        access.authenticate(token).await,
        Err(Error::InvalidToken(_))
    ));
}

#[tokio::test]
async fn an_unknown_project_is_made_for_who_may_make_it_and_missing_for_others() {
    let store = TestStore::open().await;
    let admin = store.user("ada", false).await;
    let admin = store.larder.access.authenticate(&admin).await.unwrap();
    let announce = async |who: &Principal| {
        let builds = &store.larder.builds;
        builds
            .announce(who, &slug(), NewBuild::default(), Vec::new())
            .await
    };
    assert!(matches!(
        announce(&Principal::Anonymous).await,
        Err(Error::Unauthenticated)
    ));
    assert!(announce(&admin).await.is_ok());
    let stranger = store.user("bob", false).await;
    let stranger = store.larder.access.authenticate(&stranger).await.unwrap();
    assert!(matches!(announce(&stranger).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn a_build_has_at_most_2000_nodes_in_one_announcement_or_in_many() {
    let store = TestStore::open().await;
    let announce = async |names: &[String], parallelism| {
        let new = NewBuild {
            external_id: Some("run-7".into()),
            ..NewBuild::default()
        };
        let job = |name: &String| NewJob {
            name: name.clone(),
            parallelism,
            queued: false,
        };
        let builds = &store.larder.builds;
        let announced = builds
            .announce(OPERATOR, &slug(), new, names.iter().map(job).collect())
            .await;
        announced.map(|announced| announced.nodes.len())
    };
    let names: Vec<_> = (0..11).map(|number| format!("job {number}")).collect();
    let refused = |result| matches!(result, Err(Error::Invalid { field: "jobs", .. }));
    assert!(refused(announce(&names, 200).await));
    assert_eq!(announce(&names[..10], 200).await.unwrap(), 2_000);
    assert!(refused(announce(&names[10..], 1).await));
    let again = vec![names[0].clone(); 11];
    assert!(refused(announce(&again, 1).await));
    assert_eq!(announce(&names[..1], 1).await.unwrap(), 200);
}

#[tokio::test]
async fn who_started_announced_failed_and_timed_out_is_noted() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifacts = &store.larder.artifacts;
    let new = NewArtifact::new(ArtifactPath::parse("a").unwrap(), "text/plain");
    let announced = artifacts.announce(OPERATOR, job.id, vec![new]).await;
    let artifact = announced.unwrap()[0].id;
    artifacts.fail(OPERATOR, artifact).await.unwrap();
    store.clock.advance_ms(61 * 60 * 1000);
    store.larder.jobs.time_out_unheard().await.unwrap();
    let rows = store.beside.ask("SELECT actor, act, what FROM audit").await;
    let noted = |actor: &str, act: &str, what: String| {
        let count = rows
            .iter()
            .filter(|row| **row == [actor, act, &what])
            .count();
        assert_eq!(count, 1, "{actor} {act} {what}");
    };
    let of_job = |what: &str| format!("job {}{what}", job.id);
    noted("operator", "announce artifacts", of_job(": 1 artifacts"));
    noted("operator", "fail artifact", format!("artifact {artifact}"));
    noted("larder", "finish job", of_job(" timed_out"));
}
