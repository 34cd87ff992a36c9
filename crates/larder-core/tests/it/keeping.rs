//! Files are kept, found, and deleted.

use crate::support::{OPERATOR, TestStore};
use futures_util::StreamExt as _;
use larder_core::model::{
    ArtifactPath, ArtifactState, EndState, NewArtifact, NewBuild, Sha256Digest,
};
use larder_core::{DatabaseAddress, DeletingScope, Error, Incoming};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn announced(path: &str) -> NewArtifact {
    NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain")
}

#[tokio::test]
async fn what_is_kept_comes_back_and_the_counts_know_it() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let kept = store.keep(&job, "dist/app.txt", b"hello").await.unwrap();
    assert!(kept.fresh);
    assert_eq!(store.bytes(&kept.artifact).await.unwrap(), b"hello");
    let job = store.larder.jobs.job(OPERATOR, job.id).await.unwrap();
    assert_eq!((job.job.artifact_count, job.job.total_bytes), (1, 5));
    assert_eq!((job.build.artifact_count, job.build.total_bytes), (1, 5));
}

#[tokio::test]
async fn the_same_content_under_the_same_path_is_the_same_artifact() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let first = store.keep(&job, "a", b"one").await.unwrap();
    let again = store.keep(&job, "a", b"one").await.unwrap();
    assert!(!again.fresh);
    assert_eq!(again.artifact.id, first.artifact.id);
    let other = store.keep(&job, "a", b"two").await.unwrap();
    assert!(other.fresh);
    let back = store.keep(&job, "a", b"one").await.unwrap();
    assert!(
        back.fresh,
        "only the newest artifact of the path is repeated"
    );
}

#[tokio::test]
async fn equal_content_of_a_project_is_stored_once() {
    let store = TestStore::open().await;
    let job = store.job().await;
    for path in ["a", "b", "c/d"] {
        store.keep(&job, path, b"same").await.unwrap();
    }
    assert_eq!(store.blob_count().await, 1);
}

#[tokio::test]
async fn deleting_one_of_two_equal_files_keeps_the_bytes_of_the_other() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let first = store.keep(&job, "a", b"same").await.unwrap().artifact;
    let second = store.keep(&job, "b", b"same").await.unwrap().artifact;
    let artifacts = &store.larder.artifacts;
    artifacts
        .delete(OPERATOR, first.id, DeletingScope::Delete)
        .await
        .unwrap();
    store.larder.collect_garbage().await.unwrap();
    assert!(matches!(store.bytes(&first).await, Err(Error::NotFound(_))));
    assert_eq!(store.bytes(&second).await.unwrap(), b"same");
    artifacts
        .delete(OPERATOR, second.id, DeletingScope::Delete)
        .await
        .unwrap();
    assert_eq!(store.larder.collect_garbage().await.unwrap().freed, 1);
    assert_eq!(store.blob_count().await, 0);
    let again = artifacts
        .delete(OPERATOR, second.id, DeletingScope::Delete)
        .await;
    assert!(matches!(again, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn content_that_was_condemned_comes_back_with_a_new_upload() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let first = store.keep(&job, "a", b"same").await.unwrap().artifact;
    store
        .larder
        .artifacts
        .delete(OPERATOR, first.id, DeletingScope::Delete)
        .await
        .unwrap();
    let second = store.keep(&job, "b", b"same").await.unwrap().artifact;
    store.larder.collect_garbage().await.unwrap();
    assert_eq!(store.bytes(&second).await.unwrap(), b"same");
    assert!(store.larder.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_wrong_digest_or_size_leaves_nothing() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let wrong_digest = NewArtifact {
        sha256: Some(Sha256Digest([7; 32])),
        ..announced("a")
    };
    let wrong_size = NewArtifact {
        size: Some(4),
        ..announced("a")
    };
    for new in [wrong_digest, wrong_size] {
        let refused = store
            .larder
            .artifacts
            .keep(
                OPERATOR,
                job.id,
                new,
                Incoming::from_bytes(b"hello".to_vec()),
            )
            .await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    assert_eq!(store.blob_count().await, 0);
    let nodes = store
        .larder
        .jobs
        .nodes_beside(OPERATOR, job.id)
        .await
        .unwrap();
    assert!(
        store
            .larder
            .artifacts
            .of_nodes(OPERATOR, &nodes)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn announce_receive_finish_is_the_same_as_keeping_at_once() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifacts = &store.larder.artifacts;
    let announced = artifacts
        .announce(OPERATOR, job.id, vec![announced("a"), announced("b")])
        .await
        .unwrap();
    assert!(
        announced
            .iter()
            .all(|artifact| artifact.state == ArtifactState::New)
    );
    assert!(matches!(
        store.bytes(&announced[0]).await,
        Err(Error::NotFound(_))
    ));
    let received = artifacts
        .receive(
            OPERATOR,
            announced[0].id,
            Incoming::from_bytes(b"hello".to_vec()),
        )
        .await
        .unwrap();
    let finished = artifacts.finish(OPERATOR, received).await.unwrap();
    assert_eq!(finished.state, ArtifactState::Finished);
    assert_eq!(store.bytes(&finished).await.unwrap(), b"hello");
    let twice = artifacts
        .receive(
            OPERATOR,
            finished.id,
            Incoming::from_bytes(b"other".to_vec()),
        )
        .await;
    assert!(matches!(twice, Err(Error::Conflict(_))));
    artifacts.fail(OPERATOR, announced[1].id).await.unwrap();
}

#[tokio::test]
async fn bytes_that_were_received_and_never_finished_are_removed() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    let job = store.job().await;
    let artifacts = &store.larder.artifacts;
    let announced = artifacts
        .announce(OPERATOR, job.id, vec![announced("a")])
        .await
        .unwrap();
    let received = artifacts
        .receive(
            OPERATOR,
            announced[0].id,
            Incoming::from_bytes(b"hello".to_vec()),
        )
        .await
        .unwrap();
    assert_eq!(store.blob_count().await, 1);
    drop(received);
    assert_eq!(store.blob_count().await, 0);
}

#[tokio::test]
async fn an_upload_that_is_given_up_becomes_an_error_when_its_lease_ends() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let announced = store
        .larder
        .artifacts
        .announce(OPERATOR, job.id, vec![announced("a")])
        .await
        .unwrap();
    store.clock.advance_ms(24 * 60 * 60 * 1000 - 1);
    assert_eq!(store.larder.collect_garbage().await.unwrap().abandoned, 0);
    store.clock.advance_ms(1);
    assert_eq!(store.larder.collect_garbage().await.unwrap().abandoned, 1);
    let (artifact, _) = store
        .larder
        .artifacts
        .artifact(OPERATOR, announced[0].id)
        .await
        .unwrap();
    assert_eq!(artifact.state, ArtifactState::Error);
}

#[tokio::test]
async fn a_job_that_has_ended_takes_nothing_new_and_what_was_announced_for_ten_minutes() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifacts = &store.larder.artifacts;
    let announced = artifacts
        .announce(OPERATOR, job.id, vec![announced("a"), announced("b")])
        .await
        .unwrap();
    store
        .larder
        .jobs
        .finish(OPERATOR, job.id, EndState::Passed, Some(0))
        .await
        .unwrap();
    assert!(matches!(
        store.keep(&job, "c", b"late").await,
        Err(Error::Conflict(_))
    ));
    let mut received = Vec::new();
    for artifact in &announced {
        let incoming = Incoming::from_bytes(b"late".to_vec());
        received.push(
            artifacts
                .receive(OPERATOR, artifact.id, incoming)
                .await
                .unwrap(),
        );
    }
    store.clock.advance_ms(10 * 60 * 1000 - 1);
    artifacts
        .finish(OPERATOR, received.remove(0))
        .await
        .unwrap();
    store.clock.advance_ms(1);
    let too_late = artifacts.finish(OPERATOR, received.remove(0)).await;
    assert!(matches!(too_late, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn many_uploads_at_once_are_all_kept_and_numbered_apart() {
    let store = TestStore::open().await;
    let job = store
        .build(NewBuild::default(), &[("build", 1)])
        .await
        .nodes
        .remove(0)
        .job;
    let uploads = (0..200).map(|number| {
        let (store, job) = (&store, &job);
        async move {
            let path = format!("file-{number}");
            store.keep(job, &path, path.as_bytes()).await.unwrap()
        }
    });
    let kept = futures_util::future::join_all(uploads).await;
    let mut numbers: Vec<_> = kept.iter().map(|kept| kept.artifact.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 200);
    let report = store.larder.check().await.unwrap();
    assert_eq!(
        (report.artifacts, report.faults.len(), report.waste.len()),
        (200, 0, 0)
    );
}

#[tokio::test]
async fn an_announced_size_of_nothing_is_a_size() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifacts = &store.larder.artifacts;
    let empty = NewArtifact {
        size: Some(0),
        ..announced("a")
    };
    let announced = artifacts.announce(OPERATOR, job.id, vec![empty]).await;
    let incoming = Incoming::from_bytes(b"hello".to_vec());
    let refused = artifacts
        .receive(OPERATOR, announced.unwrap()[0].id, incoming)
        .await;
    assert!(matches!(refused, Err(Error::Invalid { field: "size", .. })));
}

#[tokio::test]
async fn a_job_whose_bytes_are_still_coming_does_not_time_out() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let (larder, clock) = (store.larder.clone(), store.clock.clone());
    let slow = futures_util::stream::iter(["a", "b", "c"]).then(move |chunk| {
        let (larder, clock) = (larder.clone(), clock.clone());
        async move {
            clock.advance_ms(50 * 60 * 1000);
            assert_eq!(larder.jobs.time_out_unheard().await.unwrap(), 0, "{chunk}");
            Ok(chunk.into())
        }
    });
    let artifacts = &store.larder.artifacts;
    artifacts
        .keep(OPERATOR, job.id, announced("a"), Incoming::new(slow, None))
        .await
        .unwrap();
}

#[tokio::test]
async fn rows_and_bytes_are_for_the_user_of_the_larder_alone() {
    let store = TestStore::open_with(|settings| {
        settings.data.push("deep/data");
        settings.database = DatabaseAddress::Sqlite(settings.data.join("meta.db"));
    })
    .await;
    if !store.is_embedded() {
        return;
    }
    let job = store.job().await;
    store.keep(&job, "a", b"hello").await.unwrap();
    let data = store.folder.path().join("deep/data");
    let blob = store.blob_files().remove(0);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    for folder in [
        &*data,
        &store.folder.path().join("blobs"),
        blob.parent().unwrap(),
    ] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in [&blob, &data.join("meta.db"), &data.join("meta.db-wal")] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}
