//! Links stand for no more than whoever asked for them.

use crate::support::{OPERATOR, TestStore};
use larder_core::model::Role;
use larder_core::{DeletingScope, Error};

#[tokio::test]
async fn a_link_is_good_for_a_minute() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let link = store
        .larder
        .artifacts
        .link(OPERATOR, artifact.id)
        .await
        .unwrap();
    let redeem = async || store.larder.artifacts.readable_by_link(&link.token).await;
    store.clock.advance_ms(59_000);
    assert_eq!(redeem().await.unwrap().artifact().id, artifact.id);
    store.clock.advance_ms(2_000);
    assert!(matches!(redeem().await, Err(Error::InvalidToken(_))));
}

#[tokio::test]
async fn a_link_dies_with_its_artifact() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let artifacts = &store.larder.artifacts;
    let link = artifacts.link(OPERATOR, artifact.id).await.unwrap();
    artifacts
        .delete(OPERATOR, artifact.id, DeletingScope::Delete)
        .await
        .unwrap();
    assert!(matches!(
        artifacts.readable_by_link(&link.token).await,
        Err(Error::NotFound(_))
    ));
}

#[tokio::test]
async fn a_link_dies_with_the_token_that_asked_for_it() {
    let store = TestStore::open().await;
    let job = store.job().await;
    let artifact = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let token = store.user("ada", false).await;
    let access = &store.larder.access;
    access
        .grant(OPERATOR, "ada", &crate::support::slug(), Role::Reader)
        .await
        .unwrap();
    let ada = access.authenticate(&token).await.unwrap();
    let artifacts = &store.larder.artifacts;
    let link = artifacts.link(&ada, artifact.id).await.unwrap();
    assert!(artifacts.readable_by_link(&link.token).await.is_ok());
    access.revoke_own_token(&ada).await.unwrap();
    assert!(artifacts.readable_by_link(&link.token).await.is_err());
}
