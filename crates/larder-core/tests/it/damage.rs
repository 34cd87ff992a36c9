//! Bytes that are not what the rows say are found, and never served as if they were.

use crate::support::{OPERATOR, TestStore};
use larder_core::model::{ArtifactPath, NewArtifact};
use larder_core::{DeletingScope, Incoming};
use std::fs;
use std::path::{Path, PathBuf};

#[tokio::test]
async fn a_flipped_bit_is_named_by_the_check_and_never_read_to_the_end() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    let job = store.job().await;
    let large = vec![b'x'; 700_000];
    let kept = store.keep(&job, "a", &large).await.unwrap().artifact;
    assert!(store.larder.check().await.unwrap().is_clean());
    let file = &store.blob_files()[0];
    let mut bytes = fs::read(file).unwrap();
    bytes[300_000] ^= 1;
    fs::write(file, bytes).unwrap();
    let report = store.larder.check().await.unwrap();
    assert_eq!(report.faults.len(), 1);
    assert_eq!(report.faults[0].path, "a");
    assert!(store.bytes(&kept).await.is_err());
}

#[tokio::test]
async fn cut_and_missing_files_are_named_by_the_check() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    let job = store.job().await;
    for name in ["cut", "gone", "whole"] {
        store.keep(&job, name, name.as_bytes()).await.unwrap();
    }
    for file in store.blob_files() {
        match fs::read(&file).unwrap().as_slice() {
            b"cut" => fs::write(&file, b"cu").unwrap(),
            b"gone" => fs::remove_file(&file).unwrap(),
            _ => {}
        }
    }
    let report = store.larder.check().await.unwrap();
    let mut paths: Vec<_> = report
        .faults
        .iter()
        .map(|fault| fault.path.as_str())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["cut", "gone"]);
}

#[tokio::test]
async fn bytes_without_a_row_are_waste_until_they_are_swept() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    let job = store.job().await;
    store.keep(&job, "a", b"hello").await.unwrap();
    let stray = store
        .folder
        .path()
        .join("blobs/ff/000000000000000000000000000000ff");
    fs::write(&stray, b"stray").unwrap();
    let report = store.larder.check().await.unwrap();
    assert!(report.is_clean());
    assert_eq!(report.waste.len(), 1);
    assert_eq!(store.larder.collect_garbage().await.unwrap().orphans, 1);
    assert!(!stray.exists());
    assert_eq!(store.blob_count().await, 1);
}

#[tokio::test]
async fn sending_the_bytes_again_heals_what_is_cut_or_missing() {
    for harm in [cut, remove] {
        let store = TestStore::open().await;
        if !store.has_files() {
            return;
        }
        let job = store.job().await;
        let first = store.keep(&job, "a", b"hello").await.unwrap().artifact;
        harm(&store.blob_files()[0]);
        assert_eq!(store.larder.check().await.unwrap().faults.len(), 1);
        let again = store.keep(&job, "a", b"hello").await.unwrap();
        assert!(!again.fresh, "the path had this content");
        assert_eq!(store.bytes(&first).await.unwrap(), b"hello");
        harm(&healthy_file(&store));
        let other = store.keep(&job, "b", b"hello").await.unwrap().artifact;
        for artifact in [&first, &other] {
            assert_eq!(store.bytes(artifact).await.unwrap(), b"hello");
        }
        store.larder.collect_garbage().await.unwrap();
        let report = store.larder.check().await.unwrap();
        assert!(report.is_clean() && report.waste.is_empty(), "{report:?}");
        assert_eq!(store.blob_count().await, 1);
    }
}

#[tokio::test]
async fn an_announced_upload_heals_what_is_missing() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    let job = store.job().await;
    let first = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    let artifacts = &store.larder.artifacts;
    let new = NewArtifact::new(ArtifactPath::parse("b").unwrap(), "text/plain");
    let announced = artifacts.announce(OPERATOR, job.id, vec![new]).await;
    remove(&store.blob_files()[0]);
    let incoming = Incoming::from_bytes(b"hello".to_vec());
    let received = artifacts
        .receive(OPERATOR, announced.unwrap()[0].id, incoming)
        .await
        .unwrap();
    artifacts.finish(OPERATOR, received).await.unwrap();
    assert_eq!(store.bytes(&first).await.unwrap(), b"hello");
}

#[tokio::test]
async fn the_check_compares_every_digest_of_the_rows() {
    for (change, wrong) in [
        ("UPDATE blob SET crc32 = crc32 + 1", "CRC-32"),
        (
            "UPDATE blob SET sha1 = substr(sha256, 1, 20); UPDATE artifact SET sha1 = substr(sha256, 1, 20)",
            "SHA-1",
        ),
        (
            "UPDATE artifact SET sha1 = substr(sha256, 1, 20)",
            "different digests",
        ),
    ] {
        let store = TestStore::open().await;
        let job = store.job().await;
        store.keep(&job, "a", b"hello").await.unwrap();
        store.beside.run(change).await;
        let report = store.larder.check().await.unwrap();
        assert_eq!(report.faults.len(), 1, "{change}");
        assert!(report.faults[0].what.contains(wrong), "{report:?}");
    }
}

#[tokio::test]
async fn what_is_no_blob_is_named_by_the_check_and_left_alone_by_the_sweep() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    let strays = ["00/000000000000000000000000000000ff", "ab/notes.txt"];
    for stray in strays {
        let path = store.folder.path().join("blobs").join(stray);
        fs::write(path, b"stray").unwrap();
    }
    assert_eq!(store.larder.collect_garbage().await.unwrap().orphans, 0);
    assert_eq!(store.larder.check().await.unwrap().waste, strays);
}

#[tokio::test]
async fn a_stray_folder_among_half_written_files_does_not_stop_the_start() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    fs::create_dir(store.folder.path().join("blobs/tmp/stray")).unwrap();
    let now = store.clock.now();
    store.reopen_at(now).await;
}

#[tokio::test]
async fn one_file_that_cannot_be_freed_does_not_keep_the_others() {
    let store = TestStore::open().await;
    if !store.has_files() {
        return;
    }
    let job = store.job().await;
    for name in ["a", "b", "c"] {
        let kept = store.keep(&job, name, name.as_bytes()).await.unwrap();
        let artifacts = &store.larder.artifacts;
        artifacts
            .delete(OPERATOR, kept.artifact.id, DeletingScope::Delete)
            .await
            .unwrap();
    }
    let stuck = &store.blob_files()[0];
    fs::remove_file(stuck).unwrap();
    fs::create_dir(stuck).unwrap();
    assert_eq!(store.larder.collect_garbage().await.unwrap().freed, 2);
    assert_eq!(&store.blob_files(), std::slice::from_ref(stuck));
    fs::remove_dir(stuck).unwrap();
    assert_eq!(store.larder.collect_garbage().await.unwrap().freed, 1);
}

fn cut(file: &Path) {
    fs::write(file, b"hell").unwrap();
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}

fn healthy_file(store: &TestStore) -> PathBuf {
    let is_healthy = |file: &PathBuf| fs::read(file).unwrap() == b"hello";
    store.blob_files().into_iter().find(is_healthy).unwrap()
}
