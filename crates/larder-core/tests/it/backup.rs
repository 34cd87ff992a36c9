//! Backups of a store that is in use, and the way back.

use crate::support::{OPERATOR, TestStore, bytes_in};
use larder_core::clock::Clock;
use larder_core::model::{ArtifactPath, NewArtifact, Sha256Digest};
use larder_core::{BackedUp, DeletingScope, Error, Incoming, Kept, Larder, Settings, restore};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

/// A store and a folder for its backup; none where backups are made by other means.
async fn open() -> Option<(TestStore, tempfile::TempDir)> {
    let store = TestStore::open_with(|settings| settings.part_bytes = 10).await;
    let is_embedded = store.is_embedded() && store.has_files();
    is_embedded.then(|| (store, tempfile::tempdir().unwrap()))
}

async fn back_up(store: &TestStore, folder: &tempfile::TempDir) -> BackedUp {
    let folder = folder.path().join("backup");
    store.larder.backup(&folder).await.unwrap()
}

/// The store that comes from a backup.
async fn restored(folder: &tempfile::TempDir, clock: &Clock) -> (Larder, BackedUp, PathBuf) {
    let data = folder.path().join("restored");
    let settings = Settings::in_folder(&data);
    let done = restore(&settings, &folder.path().join("backup")).await;
    let larder = Larder::open(settings, clock.clone()).await.unwrap();
    (larder, done.unwrap(), data)
}

fn refused(result: Result<BackedUp, Error>, says: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn what_was_acknowledged_before_is_restored_with_its_exact_bytes() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let job = store.job().await;
    let token = store.user("ada", true).await;
    let first = store.keep(&job, "a", b"first").await.unwrap().artifact;
    let gone = store.keep(&job, "gone", b"deleted").await.unwrap().artifact;
    store
        .larder
        .artifacts
        .delete(OPERATOR, gone.id, DeletingScope::Delete)
        .await
        .unwrap();
    // A file of several parts, and one of which a part has come.
    let large = file("large", b"0123456789abcdefghijklmno");
    let upload = store
        .larder
        .artifacts
        .begin_upload(OPERATOR, job.id, large)
        .await
        .unwrap()
        .upload;
    for (part, bytes) in [(0, &b"0123456789"[..]), (1, b"abcdefghij"), (2, b"klmno")] {
        send(&store.larder, &job, upload.artifact.id, part, bytes).await;
    }
    let large = store
        .larder
        .artifacts
        .finish_upload(OPERATOR, job.id, upload.artifact.id)
        .await
        .unwrap()
        .artifact;
    let open = file("open", b"ABCDEFGHIJKLM");
    let open = store
        .larder
        .artifacts
        .begin_upload(OPERATOR, job.id, open)
        .await
        .unwrap()
        .upload
        .artifact
        .id;
    send(&store.larder, &job, open, 0, b"ABCDEFGHIJ").await;

    let done = back_up(&store, &folder).await;
    // Of the deleted one too, which no sweep has freed yet.
    assert_eq!((done.new_files, done.is_whole()), (6, true), "{done:?}");
    store.larder.collect_garbage().await.unwrap();
    store.keep(&job, "later", b"later").await.unwrap();

    let (restored, came, _) = restored(&folder, &store.clock).await;
    assert_eq!((came.files, came.bytes), (done.files, done.bytes));
    assert_eq!(bytes_in(&restored, &first).await.unwrap(), b"first");
    assert_eq!(
        bytes_in(&restored, &large).await.unwrap(),
        b"0123456789abcdefghijklmno"
    );
    assert!(restored.access.authenticate(&token).await.is_ok());
    send(&restored, &job, open, 1, b"KLM").await;
    let finished = restored
        .artifacts
        .finish_upload(OPERATOR, job.id, open)
        .await
        .unwrap();
    assert_eq!(
        bytes_in(&restored, &finished.artifact).await.unwrap(),
        b"ABCDEFGHIJKLM"
    );
    restored.collect_garbage().await.unwrap();
    let report = restored.check().await.unwrap();
    assert!(report.is_clean() && report.waste.is_empty(), "{report:?}");
}

/// What the rows name when it begins stays until it has ended.
#[tokio::test]
async fn nothing_is_freed_while_a_backup_is_made() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let job = store.job().await;
    let mut kept = Vec::new();
    for number in 0..60_u8 {
        let path = number.to_string();
        kept.push(store.keep(&job, &path, &[number; 100]).await.unwrap());
    }
    let delete_and_sweep = async {
        // The last ones first, which have not been copied yet.
        for Kept { artifact, .. } in kept.iter().rev() {
            let artifacts = &store.larder.artifacts;
            let deleted = artifacts.delete(OPERATOR, artifact.id, DeletingScope::Delete);
            deleted.await.unwrap();
            store.larder.collect_garbage().await.unwrap();
        }
    };
    let (done, ()) = tokio::join!(back_up(&store, &folder), delete_and_sweep);
    assert!(done.is_whole() && done.files > 30, "{done:?}");
    let (restored, ..) = restored(&folder, &store.clock).await;
    assert!(restored.check().await.unwrap().is_clean());
    store.larder.collect_garbage().await.unwrap();
    assert_eq!(store.blob_count().await, 0);
}

#[tokio::test]
async fn again_only_new_files_are_copied_and_those_that_are_not_needed_go() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let job = store.job().await;
    let gone = store.keep(&job, "a", b"first").await.unwrap().artifact;
    store.keep(&job, "b", b"second").await.unwrap();
    assert_eq!(back_up(&store, &folder).await.new_files, 2);
    store.keep(&job, "c", b"third").await.unwrap();
    store
        .larder
        .artifacts
        .delete(OPERATOR, gone.id, DeletingScope::Delete)
        .await
        .unwrap();
    store.larder.collect_garbage().await.unwrap();
    let done = back_up(&store, &folder).await;
    assert_eq!((done.files, done.new_files), (2, 1));
    assert_eq!(files_in(&folder.path().join("backup/blobs")), 2);
    let (restored, ..) = restored(&folder, &store.clock).await;
    let report = restored.check().await.unwrap();
    assert_eq!((report.artifacts, report.is_clean()), (2, true));
}

#[tokio::test]
async fn a_damaged_file_is_named_and_everything_else_is_backed_up() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let job = store.job().await;
    store.keep(&job, "flipped", b"first").await.unwrap();
    std::fs::write(&store.blob_files()[0], b"FIRST").unwrap();
    let sound = store.keep(&job, "sound", b"second").await.unwrap().artifact;
    let named = |done: &BackedUp| -> Vec<String> {
        done.faults.iter().map(|fault| fault.path.clone()).collect()
    };
    assert_eq!(named(&back_up(&store, &folder).await), ["flipped"]);
    // And again, since its copy was not kept.
    assert_eq!(named(&back_up(&store, &folder).await), ["flipped"]);
    let (restored, done, _) = restored(&folder, &store.clock).await;
    assert_eq!(named(&done), ["flipped"]);
    assert_eq!(bytes_in(&restored, &sound).await.unwrap(), b"second");
}

#[tokio::test]
async fn a_backup_that_was_damaged_is_named_when_it_is_restored() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let job = store.job().await;
    store.keep(&job, "a", b"first").await.unwrap();
    assert!(back_up(&store, &folder).await.is_whole());
    std::fs::write(&paths_in(&folder.path().join("backup/blobs"))[0], b"FIRST").unwrap();
    let (_, done, _) = restored(&folder, &store.clock).await;
    assert_eq!(done.faults.len(), 1);
    assert!(done.faults[0].what.contains("SHA-256"), "{done:?}");
}

/// Until the last word is written, the former backup is the backup.
#[tokio::test]
async fn a_backup_that_was_interrupted_is_the_former_one() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let job = store.job().await;
    let first = store.keep(&job, "a", b"first").await.unwrap().artifact;
    back_up(&store, &folder).await;
    let backup = folder.path().join("backup");
    let former = std::fs::read(backup.join("backup.json")).unwrap();
    let rows = std::fs::read(backup.join("rows-1.db")).unwrap();
    let second = store.keep(&job, "b", b"second").await.unwrap().artifact;
    back_up(&store, &folder).await;
    // As if it had ended just before that word.
    std::fs::write(backup.join("backup.json"), former).unwrap();
    std::fs::write(backup.join("rows-1.db"), rows).unwrap();
    std::fs::write(backup.join("rows-2.db"), b"half").unwrap();
    let (larder, done, data) = restored(&folder, &store.clock).await;
    assert_eq!((done.files, done.is_whole()), (1, true));
    assert_eq!(bytes_in(&larder, &first).await.unwrap(), b"first");
    assert!(
        larder
            .artifacts
            .artifact(OPERATOR, second.id)
            .await
            .is_err()
    );
    drop(larder);
    std::fs::remove_dir_all(data).unwrap();
    back_up(&store, &folder).await;
    let (larder, ..) = restored(&folder, &store.clock).await;
    assert_eq!(bytes_in(&larder, &second).await.unwrap(), b"second");
}

/// What was copied just before an interruption has perhaps not been read again.
#[tokio::test]
async fn copies_of_an_interrupted_backup_are_read_again() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let job = store.job().await;
    store.keep(&job, "a", b"first").await.unwrap();
    back_up(&store, &folder).await;
    let backup = folder.path().join("backup");
    std::fs::write(&paths_in(&backup.join("blobs"))[0], b"FIRST").unwrap();
    assert!(
        back_up(&store, &folder).await.is_whole(),
        "it was read once"
    );
    std::fs::write(backup.join("UNREAD"), b"").unwrap();
    let done = back_up(&store, &folder).await;
    assert_eq!(done.faults.len(), 1);
    // The bad copy was not kept, so that a good one comes.
    let done = back_up(&store, &folder).await;
    assert_eq!((done.new_files, done.is_whole()), (1, true));
    assert!(!backup.join("UNREAD").exists());
}

#[tokio::test]
async fn folders_that_are_something_else_are_refused_and_left_alone() {
    let Some((store, folder)) = open().await else {
        return;
    };
    let larder = &store.larder;
    let inside = store.folder.path().join("backup");
    refused(larder.backup(&inside).await, "inside of the store's folder");
    assert!(!inside.exists());
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("letter"), b"dear").unwrap();
    refused(larder.backup(&other).await, "not empty and no backup");
    assert_eq!(std::fs::read_dir(&other).unwrap().count(), 1);
    refused(larder.backup(&other.join("letter")).await, "letter");

    let settings = Settings::in_folder(folder.path().join("restored"));
    refused(restore(&settings, &other).await, "is no backup");
    back_up(&store, &folder).await;
    let backup = folder.path().join("backup");
    refused(restore(larder.settings(), &backup).await, "already");
    let stranger = TestStore::open().await;
    refused(stranger.larder.backup(&backup).await, "of another store");
    // One that was begun and never finished.
    let text = std::fs::read_to_string(backup.join("backup.json")).unwrap();
    let begun = text.replace("\"generation\": 1", "\"generation\": 0");
    assert_ne!(begun, text);
    std::fs::write(backup.join("backup.json"), begun).unwrap();
    refused(restore(&settings, &backup).await, "never finished");
    assert!(!folder.path().join("restored/meta.db").exists());
}

fn file(path: &str, bytes: &[u8]) -> NewArtifact {
    NewArtifact {
        size: Some(bytes.len() as u64),
        sha256: Some(Sha256Digest(Sha256::digest(bytes).into())),
        ..NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain")
    }
}

async fn send(
    larder: &Larder,
    job: &larder_core::model::Job,
    upload: larder_core::model::ArtifactId,
    part: u32,
    bytes: &[u8],
) {
    let incoming = Incoming::from_bytes(bytes.to_vec());
    let sent = larder
        .artifacts
        .receive_part(OPERATOR, job.id, upload, part, None, incoming);
    sent.await.unwrap();
}

fn files_in(blobs: &Path) -> usize {
    paths_in(blobs).len()
}

fn paths_in(blobs: &Path) -> Vec<PathBuf> {
    let fans = std::fs::read_dir(blobs).unwrap();
    let files = fans.flat_map(|fan| std::fs::read_dir(fan.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}
