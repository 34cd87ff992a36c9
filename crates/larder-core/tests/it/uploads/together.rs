//! Several askers, and several servers, at one upload.

use super::{begin, file, finish, made, open, refused, send, send_all};
use crate::support::OPERATOR;
use larder_core::model::ArtifactState;
use larder_core::{Incoming, Larder};

#[tokio::test]
async fn finished_twice_at_once_it_is_one_artifact() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(31, 25));
    let upload = begin(&store, &job, file("a", &bytes)).await;
    send_all(&store, &job, &upload, &bytes).await;
    let id = upload.artifact.id;
    let (first, second) = tokio::join!(finish(&store, &job, id), finish(&store, &job, id));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(
        u32::from(first.fresh) + u32::from(second.fresh),
        1,
        "one of them made it"
    );
    assert_eq!(first.artifact.id, second.artifact.id);
    assert_eq!(store.bytes(&second.artifact).await.unwrap(), bytes);
    assert!(store.larder.check().await.unwrap().is_clean());
}

/// One server has measured a part; another one finds it lost and takes other bytes in its place.
#[tokio::test]
async fn what_another_server_took_instead_is_measured_again() {
    let store = open().await;
    if !store.has_files() {
        return;
    }
    let other = Larder::open(store.larder.settings().clone(), store.clock.clone());
    let other = other.await.unwrap();
    let (job, bytes) = (store.job().await, made(32, 25));
    let upload = begin(&store, &job, file("a", &bytes)).await;
    let id = upload.artifact.id;
    send(&store, &job, id, 0, &bytes[..10]).await.unwrap();
    // Meanwhile the first server measures what it has.
    for _ in 0..10 {
        assert!(store.larder.check().await.unwrap().is_clean());
    }
    let lost = store.blob_files().remove(0);
    send(&store, &job, id, 1, &bytes[10..20]).await.unwrap();
    send(&store, &job, id, 2, &bytes[20..]).await.unwrap();
    std::fs::remove_file(lost).unwrap();
    let asked = other.artifacts.finish_upload(OPERATOR, job.id, id).await;
    refused(asked, "parts are missing, send them and finish again: 0");
    let wrong = Incoming::from_bytes(made(33, 10));
    let sent = other
        .artifacts
        .receive_part(OPERATOR, job.id, id, 0, None, wrong);
    sent.await.unwrap();
    refused(finish(&store, &job, id).await, "the bytes that came have");
    let (artifact, _) = store.larder.artifacts.artifact(OPERATOR, id).await.unwrap();
    assert_eq!(artifact.state, ArtifactState::Error);
    assert!(store.larder.check().await.unwrap().is_clean());
}
