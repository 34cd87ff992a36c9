//! Bytes that are not what the rows say are found, and never served as if they were.

use crate::support::TestStore;
use std::fs;

#[tokio::test]
async fn a_flipped_bit_is_named_by_the_check_and_never_read_to_the_end() {
    let store = TestStore::open();
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
    let store = TestStore::open();
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
    let store = TestStore::open();
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
    assert_eq!(store.blob_files().len(), 1);
}
