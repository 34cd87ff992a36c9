//! Ends of life, by the clock: nothing a millisecond early, everything on time and before any sweep.

use crate::support::{OPERATOR, TestStore, slug};
use futures_util::StreamExt as _;
use larder_core::model::{
    Artifact, ArtifactPath, ArtifactState, EndState, Job, JobId, NewArtifact, NewBuild, Offset,
    Retention, Role,
};
use larder_core::{ArtifactFilter, DeletingScope, Error, Holder, Incoming, Link};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn retain(store: &TestStore, retention: &str) {
    let retention = Retention::parse(retention).unwrap();
    store
        .larder
        .projects
        .set_retention(OPERATOR, &slug(), retention)
        .await
        .unwrap();
}

/// A store whose project keeps for 30 days, with a running job.
async fn store_of_30_days() -> (TestStore, Job) {
    let store = TestStore::open().await;
    let job = store.job().await;
    retain(&store, "30").await;
    (store, job)
}

async fn state(store: &TestStore, artifact: &Artifact) -> ArtifactState {
    let found = store
        .larder
        .artifacts
        .artifact(OPERATOR, artifact.id)
        .await
        .unwrap();
    found.0.state
}

/// Paths of a job's artifacts in one state, as both kinds of lists give them, and as their count says.
async fn listed(store: &TestStore, job: JobId, state: ArtifactState) -> Vec<String> {
    let found = store.larder.jobs.job(OPERATOR, job).await.unwrap();
    let holder = Holder::Job(&found.build, &found.job);
    let filter = ArtifactFilter {
        states: vec![state],
        path: None,
    };
    let (artifacts, offset) = (
        &store.larder.artifacts,
        Offset {
            skip: 0,
            limit: 100,
        },
    );
    let page = artifacts
        .page(OPERATOR, holder, &filter, offset)
        .await
        .unwrap();
    let after = artifacts
        .after(OPERATOR, holder, &filter, None, 100)
        .await
        .unwrap();
    let paths = |artifacts: &[Artifact]| -> Vec<String> {
        artifacts
            .iter()
            .map(|artifact| artifact.path.to_string())
            .collect()
    };
    assert_eq!(page.total, page.items.len() as u64);
    assert_eq!(paths(&page.items), paths(&after));
    assert!(after.iter().all(|artifact| artifact.state == state));
    paths(&after)
}

/// Paths that CircleCI's list of the job shows.
async fn shown(store: &TestStore, job: JobId) -> Vec<String> {
    let nodes = store.larder.jobs.nodes_beside(OPERATOR, job).await.unwrap();
    let artifacts = store.larder.artifacts.of_nodes(OPERATOR, &nodes).await;
    let paths = artifacts.unwrap().into_iter();
    paths.map(|artifact| artifact.path.to_string()).collect()
}

async fn by_path(store: &TestStore, job: JobId, path: &str) -> Result<Artifact, Error> {
    let found = store.larder.jobs.job(OPERATOR, job).await.unwrap();
    let artifacts = &store.larder.artifacts;
    let readable = artifacts
        .readable_by_path(OPERATOR, &found.build, &found.job, path)
        .await?;
    Ok(readable.artifact().clone())
}

async fn link(store: &TestStore, artifact: &Artifact) -> Result<Link, Error> {
    store.larder.artifacts.link(OPERATOR, artifact.id).await
}

#[tokio::test]
async fn nothing_expires_a_millisecond_early_and_everything_on_time_without_a_sweep() {
    let (store, job) = store_of_30_days().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    store.clock.advance_ms(30 * DAY_MS - 1);
    let early = link(&store, &artifact).await.unwrap();
    assert_eq!(store.larder.collect_garbage().await.unwrap().expired, 0);
    assert_eq!(state(&store, &artifact).await, ArtifactState::Finished);
    assert_eq!(store.bytes(&artifact).await.unwrap(), b"hello");
    assert_eq!(by_path(&store, job.id, "a").await.unwrap().id, artifact.id);
    assert_eq!(shown(&store, job.id).await, ["a"]);
    assert_eq!(listed(&store, job.id, ArtifactState::Finished).await, ["a"]);
    assert!(
        listed(&store, job.id, ArtifactState::Expired)
            .await
            .is_empty()
    );

    store.clock.advance_ms(1);
    assert_eq!(state(&store, &artifact).await, ArtifactState::Expired);
    let by_link = store.larder.artifacts.readable_by_link(&early.token).await;
    for expired in [
        store.bytes(&artifact).await.unwrap_err(),
        by_path(&store, job.id, "a").await.unwrap_err(),
        link(&store, &artifact).await.unwrap_err(),
        by_link.unwrap_err(),
    ] {
        assert!(matches!(expired, Error::Expired(_)), "{expired:?}");
    }
    assert!(shown(&store, job.id).await.is_empty());
    assert!(
        listed(&store, job.id, ArtifactState::Finished)
            .await
            .is_empty()
    );
    assert_eq!(listed(&store, job.id, ArtifactState::Expired).await, ["a"]);
}

#[tokio::test]
async fn a_sweep_takes_the_bytes_and_the_counts_and_leaves_the_record() {
    let (store, job) = store_of_30_days().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    store.clock.advance_ms(DAY_MS);
    let later = store.keep(&job, "b", b"other").await.unwrap().artifact;
    store.clock.advance_ms(29 * DAY_MS);
    assert_eq!(store.blob_count().await, 2);
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!((swept.expired, swept.freed), (1, 1));
    assert_eq!(store.blob_count().await, 1);
    assert_eq!(state(&store, &artifact).await, ArtifactState::Expired);
    assert_eq!(listed(&store, job.id, ArtifactState::Expired).await, ["a"]);
    assert_eq!(store.bytes(&later).await.unwrap(), b"other");
    let found = store.larder.jobs.job(OPERATOR, job.id).await.unwrap();
    assert_eq!((found.job.artifact_count, found.job.total_bytes), (1, 5));
    assert_eq!(
        (found.build.artifact_count, found.build.total_bytes),
        (1, 5)
    );
    assert_eq!(store.larder.collect_garbage().await.unwrap().expired, 0);
    let report = store.larder.check().await.unwrap();
    assert_eq!(
        (report.artifacts, report.is_clean(), report.waste.len()),
        (1, true, 0)
    );
}

#[tokio::test]
async fn a_sweep_takes_more_than_one_batch() {
    let (store, job) = store_of_30_days().await;
    let uploads = (0..501).map(|number| {
        let (store, job) = (&store, &job);
        async move {
            let path = format!("file-{number}");
            store.keep(job, &path, b"same").await.unwrap()
        }
    });
    futures_util::future::join_all(uploads).await;
    store.clock.advance_ms(30 * DAY_MS);
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!((swept.expired, swept.freed), (501, 1));
    assert_eq!(store.blob_count().await, 0);
}

#[tokio::test]
async fn equal_content_of_a_younger_artifact_stays() {
    let (store, job) = store_of_30_days().await;
    let first = store.keep(&job, "a", b"same").await.unwrap().artifact;
    store.clock.advance_ms(DAY_MS);
    let second = store.keep(&job, "b", b"same").await.unwrap().artifact;
    store.clock.advance_ms(29 * DAY_MS);
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!((swept.expired, swept.freed), (1, 0));
    assert_eq!(state(&store, &first).await, ArtifactState::Expired);
    assert_eq!(store.bytes(&second).await.unwrap(), b"same");
    store.clock.advance_ms(DAY_MS);
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!((swept.expired, swept.freed), (1, 1));
    assert_eq!(store.blob_count().await, 0);
}

#[tokio::test]
async fn the_same_path_and_content_kept_after_the_end_is_a_new_artifact_with_a_life_of_its_own() {
    let (store, job) = store_of_30_days().await;
    let first = store.keep(&job, "a", b"same").await.unwrap().artifact;
    store.clock.advance_ms(30 * DAY_MS);
    let again = store.keep(&job, "a", b"same").await.unwrap();
    assert!(again.fresh);
    store.larder.collect_garbage().await.unwrap();
    assert_eq!(state(&store, &first).await, ArtifactState::Expired);
    assert_eq!(
        by_path(&store, job.id, "a").await.unwrap().id,
        again.artifact.id
    );
    store.clock.advance_ms(30 * DAY_MS - 1);
    assert_eq!(store.bytes(&again.artifact).await.unwrap(), b"same");
}

#[tokio::test]
async fn retention_counts_from_the_completion_and_not_from_the_build_or_the_announcement() {
    let store = TestStore::open_with(|settings| settings.upload_lease_ms = 50 * DAY_MS).await;
    let old = store.build(NewBuild::default(), &[("build", 1)]).await;
    retain(&store, "30").await;
    let job = &old.nodes[0].job;
    let new = NewArtifact::new(ArtifactPath::parse("a").unwrap(), "text/plain");
    let artifacts = &store.larder.artifacts;
    let announced = artifacts
        .announce(OPERATOR, job.id, vec![new])
        .await
        .unwrap();
    store.clock.advance_ms(40 * DAY_MS);
    let bytes = Incoming::from_bytes(b"late".to_vec());
    let received = artifacts
        .receive(OPERATOR, announced[0].id, bytes)
        .await
        .unwrap();
    let finished = artifacts.finish(OPERATOR, received).await.unwrap();
    let plain = store.keep(job, "b", b"late").await.unwrap().artifact;
    store.clock.advance_ms(30 * DAY_MS - 1);
    store.larder.collect_garbage().await.unwrap();
    for artifact in [&finished, &plain] {
        assert_eq!(store.bytes(artifact).await.unwrap(), b"late");
    }
    store.clock.advance_ms(1);
    for artifact in [&finished, &plain] {
        assert_eq!(state(&store, artifact).await, ArtifactState::Expired);
    }
}

#[tokio::test]
async fn a_project_overrides_the_instance_and_a_change_counts_at_once() {
    let store = TestStore::open_with(|settings| settings.retention_days = 10).await;
    let job = store.job().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let check = async |retention: &str, days: i64, expected: ArtifactState| {
        retain(&store, retention).await;
        let finished = artifact.finished_at.unwrap();
        let wanted = finished.plus_ms(days * DAY_MS);
        store.clock.advance_ms(wanted.0 - store.clock.now().0);
        let found = state(&store, &artifact).await;
        assert_eq!(found, expected, "{retention} after {days} days");
    };
    check("default", 9, ArtifactState::Finished).await;
    check("default", 10, ArtifactState::Expired).await;
    check("20", 10, ArtifactState::Finished).await;
    check("5", 10, ArtifactState::Expired).await;
    check("none", 40_000, ArtifactState::Finished).await;
    assert_eq!(store.larder.collect_garbage().await.unwrap().expired, 0);
    check("default", 10, ArtifactState::Expired).await;
    assert_eq!(store.larder.collect_garbage().await.unwrap().expired, 1);
    check("none", 10, ArtifactState::Expired).await;
}

#[tokio::test]
async fn without_a_retention_nothing_ends() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    store.clock.advance_ms(100_000 * DAY_MS);
    store.larder.collect_garbage().await.unwrap();
    assert_eq!(store.bytes(&artifact).await.unwrap(), b"hello");
}

#[tokio::test]
async fn what_is_deleted_stays_deleted_and_what_is_expired_cannot_be() {
    let (store, job) = store_of_30_days().await;
    let deleted = store.keep(&job, "a", b"one").await.unwrap().artifact;
    let expired = store.keep(&job, "b", b"two").await.unwrap().artifact;
    let artifacts = &store.larder.artifacts;
    let delete = |id| artifacts.delete(OPERATOR, id, DeletingScope::Delete);
    delete(deleted.id).await.unwrap();
    store.clock.advance_ms(30 * DAY_MS);
    for _ in 0..2 {
        assert_eq!(listed(&store, job.id, ArtifactState::Deleted).await, ["a"]);
        assert_eq!(listed(&store, job.id, ArtifactState::Expired).await, ["b"]);
        assert!(matches!(delete(expired.id).await, Err(Error::Expired(_))));
        store.larder.collect_garbage().await.unwrap();
    }
    let found = store.larder.jobs.job(OPERATOR, job.id).await.unwrap();
    assert_eq!((found.job.artifact_count, found.job.total_bytes), (0, 0));
}

#[tokio::test]
async fn an_announced_upload_is_an_error_when_its_lease_ends_without_a_sweep() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let new = |path: &str| NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain");
    let artifacts = &store.larder.artifacts;
    let announced = artifacts
        .announce(OPERATOR, job.id, vec![new("a"), new("b")])
        .await
        .unwrap();
    store.clock.advance_ms(DAY_MS - 1);
    assert_eq!(listed(&store, job.id, ArtifactState::New).await, ["a", "b"]);
    let bytes = || Incoming::from_bytes(b"hello".to_vec());
    let received = artifacts
        .receive(OPERATOR, announced[0].id, bytes())
        .await
        .unwrap();
    store.clock.advance_ms(1);
    assert!(listed(&store, job.id, ArtifactState::New).await.is_empty());
    assert_eq!(
        listed(&store, job.id, ArtifactState::Error).await,
        ["a", "b"]
    );
    let late = [
        artifacts.finish(OPERATOR, received).await.unwrap_err(),
        artifacts
            .receive(OPERATOR, announced[1].id, bytes())
            .await
            .unwrap_err(),
        artifacts.fail(OPERATOR, announced[1].id).await.unwrap_err(),
    ];
    for error in late {
        assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    }
    assert_eq!(store.blob_count().await, 0);
    artifacts
        .delete(OPERATOR, announced[0].id, DeletingScope::Delete)
        .await
        .unwrap();
    assert_eq!(store.larder.collect_garbage().await.unwrap().abandoned, 1);
    assert_eq!(listed(&store, job.id, ArtifactState::Error).await, ["b"]);
    let nothing = store
        .larder
        .jobs
        .finish(OPERATOR, job.id, EndState::Passed, None)
        .await;
    assert!(nothing.is_ok());
}

/// Keeps as many files with contents of their own, all of the same size.
async fn keep_many(store: &TestStore, job: &Job, name: &str, count: usize) {
    let uploads = (0..count).map(|number| async move {
        let path = format!("{name}-{number:04}");
        store.keep(job, &path, path.as_bytes()).await.unwrap()
    });
    // As many as a server has on its hands at a time; a database behind a network takes them one by one.
    let uploads = futures_util::stream::iter(uploads).buffer_unordered(64);
    uploads.for_each(|_| std::future::ready(())).await;
}

async fn sweep(store: &TestStore) -> (u64, Option<String>) {
    let swept = store.larder.collect_garbage().await.unwrap();
    (swept.expired, swept.held)
}

#[tokio::test]
async fn a_sweep_that_would_take_much_of_the_store_waits_for_the_operator() {
    // Old files have eight bytes each, so that one young file makes them a quarter of all bytes, or a hair more.
    let check = async |old: usize, young: usize, holds: bool| {
        let (store, job) = store_of_30_days().await;
        keep_many(&store, &job, "old", old).await;
        store.clock.advance_ms(DAY_MS);
        store.keep(&job, "young", &vec![7; young]).await.unwrap();
        store.clock.advance_ms(29 * DAY_MS);
        if holds {
            let (expired, held) = sweep(&store).await;
            let why = held.expect("much would go");
            assert!(why.contains(&format!("{old} artifacts")), "{why}");
            assert_eq!(expired, 0);
            assert_eq!(sweep(&store).await, (0, Some(why)), "it holds until told");
            assert_eq!(store.blob_count().await, old + 1);
            assert_eq!(shown(&store, job.id).await, ["young"], "the clock decides");
            assert_eq!(store.larder.resume_retention().await.unwrap(), old as u64);
            assert_eq!(sweep(&store).await, (0, None));
        } else {
            assert_eq!(sweep(&store).await, (old as u64, None), "{old}, {young}");
        }
        assert_eq!(store.blob_count().await, 1);
    };
    check(1_000, 1, false).await;
    check(1_001, 3 * 8 * 1_001, false).await;
    check(1_001, 3 * 8 * 1_001 - 4, true).await;
}

#[tokio::test]
async fn a_clock_that_jumped_more_than_a_day_expires_nothing_until_the_operator_has_looked() {
    let check = async |jump_ms: i64, holds: bool| {
        let (store, job) = store_of_30_days().await;
        store.keep(&job, "a", b"hello").await.unwrap();
        store.clock.advance_ms(29 * DAY_MS);
        assert_eq!(sweep(&store).await, (0, None));
        store.clock.set(store.clock.now().plus_ms(jump_ms));
        let (_, held) = sweep(&store).await;
        assert_eq!(held.is_some(), holds, "{jump_ms}: {held:?}");
        store.clock.advance_ms(2 * DAY_MS);
        let (expired, held) = sweep(&store).await;
        assert_eq!(held.is_some(), holds, "{jump_ms}: {held:?}");
        assert!(!holds || expired == 0);
        assert_eq!(store.blob_count().await == 0, !holds);
        store.larder.resume_retention().await.unwrap();
        assert_eq!(sweep(&store).await, (0, None));
    };
    check(DAY_MS, false).await;
    check(DAY_MS + 1, true).await;
    check(400 * DAY_MS, true).await;
    check(-DAY_MS - 1, true).await;
}

#[tokio::test]
async fn a_clock_that_jumped_while_the_store_was_closed_is_noticed_too() {
    let (store, job) = store_of_30_days().await;
    store.keep(&job, "a", b"hello").await.unwrap();
    assert_eq!(sweep(&store).await, (0, None));
    let now = store.clock.now();
    let store = store.reopen_at(now.plus_ms(DAY_MS)).await;
    assert_eq!(sweep(&store).await, (0, None));
    let store = store.reopen_at(now.plus_ms(40 * DAY_MS)).await;
    let (expired, held) = sweep(&store).await;
    assert!(expired == 0 && held.is_some(), "{held:?}");
    let store = store.reopen_at(now.plus_ms(40 * DAY_MS)).await;
    assert_eq!(sweep(&store).await, (0, held), "it is held over a restart");
    assert_eq!(store.larder.resume_retention().await.unwrap(), 1);
    let store = store.reopen_at(now.plus_ms(40 * DAY_MS)).await;
    assert_eq!(sweep(&store).await, (0, None));
}

#[tokio::test]
async fn a_jump_says_nothing_where_nothing_expires() {
    let store = TestStore::open().await;
    let job = store.job().await;
    store.keep(&job, "a", b"hello").await.unwrap();
    assert_eq!(sweep(&store).await, (0, None));
    store.clock.set(store.clock.now().plus_ms(400 * DAY_MS));
    assert_eq!(sweep(&store).await, (0, None));
}

#[tokio::test]
async fn only_an_admin_of_the_project_sets_its_retention() {
    let store = TestStore::open().await;
    store.job().await;
    let access = &store.larder.access;
    let days = Retention::parse("1").unwrap();
    for (name, role, allowed) in [
        ("reader", Role::Reader, false),
        ("writer", Role::Writer, false),
        ("admin", Role::Admin, true),
    ] {
        let token = store.user(name, false).await;
        access.grant(OPERATOR, name, &slug(), role).await.unwrap();
        let who = access.authenticate(&token).await.unwrap();
        let set = store
            .larder
            .projects
            .set_retention(&who, &slug(), days)
            .await;
        assert_eq!(set.is_ok(), allowed, "{name}: {set:?}");
    }
    let stranger = store.user("stranger", false).await;
    let stranger = access.authenticate(&stranger).await.unwrap();
    let set = store
        .larder
        .projects
        .set_retention(&stranger, &slug(), days)
        .await;
    assert!(matches!(set, Err(Error::NotFound(_))), "{set:?}");
}
