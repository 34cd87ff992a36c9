//! How many bytes a project may keep.

use crate::support::{OPERATOR, TestStore, slug};
use larder_core::model::{
    ArtifactPath, ArtifactState, NewArtifact, NewBuild, Retention, Sha256Digest, SpaceLimit,
};
use larder_core::{DeletingScope, Error, Incoming};

async fn limit(store: &TestStore, text: &str) {
    let limit = SpaceLimit::parse(text).unwrap();
    let projects = &store.larder.projects;
    projects
        .set_space_limit(OPERATOR, &slug(), limit)
        .await
        .unwrap();
}

async fn used(store: &TestStore) -> i64 {
    let projects = &store.larder.projects;
    projects
        .by_slug(OPERATOR, &slug())
        .await
        .unwrap()
        .total_bytes
}

#[track_caller]
fn is_full<T: std::fmt::Debug>(result: Result<T, Error>) {
    match result {
        Err(error @ Error::ProjectFull { .. }) => {
            let said = error.to_string();
            assert!(
                said.contains("github/acme/demo") && said.contains("delete"),
                "{said}"
            );
        }
        other => panic!("{other:?}"),
    }
}

fn of_size(path: &str, size: u64) -> NewArtifact {
    NewArtifact {
        size: Some(size),
        ..NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain")
    }
}

/// A file that says `12345678`, for an upload in parts.
fn part(path: &str) -> NewArtifact {
    NewArtifact {
        sha256: Sha256Digest::parse_hex(
            "ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f",
        ),
        ..of_size(path, 8)
    }
}

#[tokio::test]
async fn no_byte_more_is_kept_than_the_limit() {
    let store = TestStore::open().await;
    let job = store.job().await;
    limit(&store, "10").await;
    store.keep(&job, "a", b"12345").await.unwrap();
    is_full(store.keep(&job, "b", b"123456").await);
    store.keep(&job, "c", b"67890").await.unwrap();
    is_full(store.keep(&job, "d", b"x").await);
    assert_eq!(used(&store).await, 10);
    // What is there already is given as it is.
    assert!(!store.keep(&job, "a", b"12345").await.unwrap().fresh);
    is_full(store.keep(&job, "a", b"54321").await);
    limit(&store, "none").await;
    store.keep(&job, "d", b"x").await.unwrap();
    limit(&store, "3").await;
    is_full(store.keep(&job, "e", b"x").await);
}

#[tokio::test]
async fn projects_without_a_limit_of_their_own_have_the_instances() {
    let store = TestStore::open_with(|settings| settings.max_project_bytes = 4).await;
    let job = store.job().await;
    is_full(store.keep(&job, "a", b"hello").await);
    limit(&store, "none").await;
    store.keep(&job, "a", b"hello").await.unwrap();
    limit(&store, "default").await;
    is_full(store.keep(&job, "b", b"x").await);
}

#[tokio::test]
async fn every_way_of_keeping_a_file_ends_at_the_limit() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifacts = &store.larder.artifacts;
    // Begun while there was room.
    let announced = artifacts
        .announce(OPERATOR, job.id, vec![of_size("announced", 8)])
        .await;
    let announced = announced.unwrap()[0].id;
    let unsized_one = NewArtifact::new(ArtifactPath::parse("unsized").unwrap(), "text/plain");
    let unsized_one = artifacts
        .announce(OPERATOR, job.id, vec![unsized_one])
        .await;
    let unsized_one = unsized_one.unwrap()[0].id;
    let upload = artifacts
        .begin_upload(OPERATOR, job.id, part("parts"))
        .await;
    let upload = upload.unwrap().upload.artifact.id;
    let whole = artifacts
        .begin_upload(OPERATOR, job.id, part("whole"))
        .await;
    let whole = whole.unwrap().upload.artifact.id;
    let bytes = || Incoming::from_bytes("12345678");
    artifacts
        .receive_part(OPERATOR, job.id, whole, 0, None, bytes())
        .await
        .unwrap();
    let received = artifacts
        .receive(OPERATOR, announced, bytes())
        .await
        .unwrap();
    limit(&store, "7").await;

    is_full(store.keep(&job, "put", b"12345678").await);
    is_full(
        artifacts
            .announce(OPERATOR, job.id, vec![of_size("x", 4), of_size("y", 4)])
            .await,
    );
    is_full(artifacts.begin_upload(OPERATOR, job.id, part("more")).await);
    is_full(
        artifacts
            .receive_part(OPERATOR, job.id, upload, 0, None, bytes())
            .await,
    );
    is_full(artifacts.finish_upload(OPERATOR, job.id, whole).await);
    is_full(artifacts.finish(OPERATOR, received).await);
    is_full(artifacts.receive(OPERATOR, announced, bytes()).await);
    let stream = futures_util::stream::iter([Ok::<_, String>("12345678".into())]);
    let received = artifacts
        .receive(OPERATOR, unsized_one, Incoming::new(stream, None))
        .await;
    is_full(artifacts.finish(OPERATOR, received.unwrap()).await);
    assert_eq!(used(&store).await, 0);
    // With more room, what was begun goes on.
    limit(&store, "16").await;
    artifacts
        .finish_upload(OPERATOR, job.id, whole)
        .await
        .unwrap();
    // Content that the project holds counts as often as it is kept.
    let again = artifacts
        .begin_upload(OPERATOR, job.id, part("more"))
        .await
        .unwrap();
    assert_eq!(again.upload.artifact.state, ArtifactState::Finished);
    is_full(
        artifacts
            .begin_upload(OPERATOR, job.id, part("again"))
            .await,
    );
    assert_eq!(used(&store).await, 16);
}

#[tokio::test]
async fn many_at_once_do_not_pass_the_limit() {
    let store = TestStore::open().await;
    let job = store.job().await;
    limit(&store, "1000").await;
    let uploads = (0..40).map(|number| {
        let (artifacts, id) = (store.larder.artifacts.clone(), job.id);
        tokio::spawn(async move {
            let new = NewArtifact::new(
                ArtifactPath::parse(&format!("{number}")).unwrap(),
                "text/plain",
            );
            // Nobody says how long it is, so that only the end can refuse it.
            let bytes = bytes::Bytes::from(vec![number; 100]);
            let stream = futures_util::stream::iter([Ok::<_, String>(bytes)]);
            artifacts
                .keep(OPERATOR, id, new, Incoming::new(stream, None))
                .await
        })
    });
    let mut kept = 0;
    for upload in uploads.collect::<Vec<_>>() {
        match upload.await.unwrap() {
            Ok(_) => kept += 1,
            Err(error) => is_full::<()>(Err(error)),
        }
    }
    assert_eq!((kept, used(&store).await), (10, 1_000));
}

#[tokio::test]
async fn what_is_deleted_or_expires_gives_its_bytes_back() {
    let store = TestStore::open().await;
    let build = store.build(NewBuild::default(), &[("build", 1)]).await;
    let job = build.nodes[0].job.clone();
    let deleted = store
        .keep(&job, "deleted", b"12345")
        .await
        .unwrap()
        .artifact;
    store.keep(&job, "expired", b"1234567").await.unwrap();
    let artifacts = &store.larder.artifacts;
    artifacts
        .delete(OPERATOR, deleted.id, DeletingScope::Delete)
        .await
        .unwrap();
    assert_eq!(used(&store).await, 7);
    let projects = &store.larder.projects;
    projects
        .set_retention(OPERATOR, &slug(), Retention::parse("1").unwrap())
        .await
        .unwrap();
    store.larder.collect_garbage().await.unwrap();
    store.clock.advance_ms(24 * 60 * 60 * 1000);
    store.larder.collect_garbage().await.unwrap();
    assert_eq!(used(&store).await, 0);
    let other = store.job().await;
    store.keep(&other, "a", b"123").await.unwrap();
    store
        .larder
        .builds
        .delete(OPERATOR, other.build_id)
        .await
        .unwrap();
    assert_eq!(used(&store).await, 0);
    // Not again when its rows go.
    store.larder.collect_garbage().await.unwrap();
    assert_eq!(used(&store).await, 0);
}
