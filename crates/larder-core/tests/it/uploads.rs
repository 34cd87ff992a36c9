//! Files that come in parts.

mod together;

use crate::support::{OPERATOR, TestStore};
use larder_core::model::{
    ArtifactId, ArtifactPath, ArtifactState, EndState, FileMode, Job, NewArtifact, Sha256Digest,
    Upload,
};
use larder_core::{DeletingScope, Error, Incoming, Kept};
use sha2::{Digest as _, Sha256};

/// Bytes of a part in these tests.
const PART_BYTES: u64 = 10;
const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

async fn open() -> TestStore {
    TestStore::open_with(|settings| settings.part_bytes = PART_BYTES).await
}

fn file(path: &str, bytes: &[u8]) -> NewArtifact {
    NewArtifact {
        size: Some(bytes.len() as u64),
        sha256: Some(Sha256Digest(Sha256::digest(bytes).into())),
        ..NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain")
    }
}

/// Bytes that are their own from one number to another.
fn made(seed: u8, length: usize) -> Vec<u8> {
    let step = |byte: &u8| Some(byte.wrapping_mul(31).wrapping_add(seed));
    std::iter::successors(Some(seed), step)
        .take(length)
        .collect()
}

async fn begin(store: &TestStore, job: &Job, new: NewArtifact) -> Upload {
    let artifacts = &store.larder.artifacts;
    let begun = artifacts.begin_upload(OPERATOR, job.id, new).await;
    begun.unwrap().upload
}

async fn send(
    store: &TestStore,
    job: &Job,
    upload: ArtifactId,
    part: u32,
    bytes: &[u8],
) -> Result<(), Error> {
    let incoming = Incoming::from_bytes(bytes.to_vec());
    let artifacts = &store.larder.artifacts;
    artifacts
        .receive_part(OPERATOR, job.id, upload, part, None, incoming)
        .await
}

async fn send_all(store: &TestStore, job: &Job, upload: &Upload, bytes: &[u8]) {
    let parts = bytes.chunks(usize::try_from(upload.part_bytes).unwrap());
    for (part, bytes) in (0..).zip(parts) {
        if !upload.held.contains(&part) {
            send(store, job, upload.artifact.id, part, bytes)
                .await
                .unwrap();
        }
    }
}

async fn finish(store: &TestStore, job: &Job, upload: ArtifactId) -> Result<Kept, Error> {
    let artifacts = &store.larder.artifacts;
    artifacts.finish_upload(OPERATOR, job.id, upload).await
}

/// Begins, sends and finishes.
async fn keep_in_parts(store: &TestStore, job: &Job, path: &str, bytes: &[u8]) -> Kept {
    let upload = begin(store, job, file(path, bytes)).await;
    send_all(store, job, &upload, bytes).await;
    finish(store, job, upload.artifact.id).await.unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn parts_in_any_order_and_at_once_make_the_file() {
    let store = open().await;
    let job = store.job().await;
    let bytes = made(1, 95);
    let upload = begin(&store, &job, file("a", &bytes)).await;
    assert_eq!((upload.part_bytes, upload.parts), (PART_BYTES, 10));
    let sent = [7, 0, 9, 3, 3, 1, 2, 8, 5, 6, 4].map(|part| {
        let range = part * 10..(part * 10 + 10).min(95);
        let (store, job, bytes) = (&store, &job, &bytes);
        async move {
            send(
                store,
                job,
                upload.artifact.id,
                u32::try_from(part).unwrap(),
                &bytes[range],
            )
            .await
            .unwrap();
        }
    });
    futures_util::future::join_all(sent).await;
    let kept = finish(&store, &job, upload.artifact.id).await.unwrap();
    assert!(kept.fresh);
    assert_eq!(kept.artifact.id, upload.artifact.id);
    assert_eq!(store.bytes(&kept.artifact).await.unwrap(), bytes);
    assert_eq!(store.blob_count().await, 10, "nothing is joined");
    let again = finish(&store, &job, upload.artifact.id).await.unwrap();
    assert!(!again.fresh);
    let job = store.larder.jobs.job(OPERATOR, job.id).await.unwrap().job;
    assert_eq!((job.artifact_count, job.total_bytes), (1, 95));
    let report = store.larder.check().await.unwrap();
    assert!(report.is_clean() && report.waste.is_empty(), "{report:?}");
}

#[tokio::test]
async fn begun_again_it_is_the_same_upload_with_the_parts_that_are_held() {
    let store = open().await;
    let job = store.job().await;
    let bytes = made(2, 35);
    let first = begin(&store, &job, file("a", &bytes)).await;
    for part in [3, 1] {
        let range = part * 10..(part * 10 + 10).min(35);
        let part = u32::try_from(part).unwrap();
        send(&store, &job, first.artifact.id, part, &bytes[range])
            .await
            .unwrap();
    }
    let store = store
        .reopen_at(larder_core::clock::Timestamp(
            1_800_000_000_000 + DAY_MS - 1,
        ))
        .await;
    let again = begin(
        &store,
        &job,
        NewArtifact {
            mode: Some(FileMode::parse("755").unwrap()),
            ..file("a", &bytes)
        },
    )
    .await;
    assert_eq!(again.artifact.id, first.artifact.id);
    assert_eq!((again.part_bytes, &again.held), (PART_BYTES, &vec![1, 3]));
    // The lease began anew.
    store.clock.advance_ms(DAY_MS - 1);
    assert_eq!(store.larder.collect_garbage().await.unwrap().abandoned, 0);
    refused(
        finish(&store, &job, first.artifact.id).await,
        "parts are missing, send them and finish again: 0, 2",
    );
    send_all(&store, &job, &again, &bytes).await;
    let kept = finish(&store, &job, first.artifact.id).await.unwrap();
    assert_eq!(store.bytes(&kept.artifact).await.unwrap(), bytes);
    assert_eq!(kept.artifact.mode.unwrap().to_string(), "755");
    let others = [
        file("b", &bytes),
        file("a", &made(3, 35)),
        file("a", &made(2, 34)),
    ];
    for other in others {
        let other = begin(&store, &job, other).await;
        assert_ne!(other.artifact.id, first.artifact.id);
    }
}

#[tokio::test]
async fn what_the_project_holds_is_not_sent() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(4, 25));
    let plain = store.keep(&job, "a", &bytes).await.unwrap().artifact;
    let artifacts = &store.larder.artifacts;
    let same = artifacts
        .begin_upload(OPERATOR, job.id, file("a", &bytes))
        .await
        .unwrap();
    assert!(!same.fresh);
    assert_eq!(same.upload.artifact.id, plain.id);
    let elsewhere = artifacts
        .begin_upload(OPERATOR, job.id, file("b", &bytes))
        .await
        .unwrap();
    assert!(elsewhere.fresh);
    assert_eq!(elsewhere.upload.held, [0, 1, 2]);
    let artifact = elsewhere.upload.artifact;
    assert_eq!(artifact.state, ArtifactState::Finished);
    assert_eq!(store.bytes(&artifact).await.unwrap(), bytes);
    assert_eq!(store.blob_count().await, 1);
    let executable = NewArtifact {
        mode: Some(FileMode::parse("755").unwrap()),
        ..file("a", &bytes)
    };
    let other_mode = begin(&store, &job, executable).await.artifact;
    assert_ne!(other_mode.id, plain.id);
    // And no oracle for other projects.
    let slug = larder_core::model::ProjectSlug::parse("github/acme/other").unwrap();
    let build = store.larder.builds.announce(
        OPERATOR,
        &slug,
        larder_core::model::NewBuild::default(),
        vec![larder_core::model::NewJob {
            name: "build".into(),
            parallelism: 1,
            queued: false,
        }],
    );
    let stranger = build.await.unwrap().nodes.remove(0).job;
    let upload = begin(&store, &stranger, file("a", &bytes)).await;
    assert_eq!(upload.artifact.state, ArtifactState::New);
}

#[tokio::test]
async fn content_whose_bytes_are_missing_is_sent_and_heals() {
    let store = open().await;
    if !store.has_files() {
        return;
    }
    let (job, bytes) = (store.job().await, made(5, 25));
    let plain = store.keep(&job, "a", &bytes).await.unwrap().artifact;
    std::fs::remove_file(&store.blob_files()[0]).unwrap();
    let upload = begin(&store, &job, file("a", &bytes)).await;
    assert_eq!(upload.artifact.state, ArtifactState::New);
    send_all(&store, &job, &upload, &bytes).await;
    finish(&store, &job, upload.artifact.id).await.unwrap();
    assert_eq!(store.bytes(&plain).await.unwrap(), bytes);
    store.larder.collect_garbage().await.unwrap();
    assert!(store.larder.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn equal_content_of_another_upload_frees_the_parts() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(6, 25));
    let upload = begin(&store, &job, file("a", &bytes)).await;
    send_all(&store, &job, &upload, &bytes).await;
    store.keep(&job, "b", &bytes).await.unwrap();
    let kept = finish(&store, &job, upload.artifact.id).await.unwrap();
    assert_eq!(store.bytes(&kept.artifact).await.unwrap(), bytes);
    assert_eq!(store.larder.collect_garbage().await.unwrap().freed, 3);
    assert_eq!(store.blob_count().await, 1);
    assert!(store.larder.check().await.unwrap().is_clean());
    // And the other way round: a plain PUT of what came in parts.
    let bytes = made(7, 25);
    keep_in_parts(&store, &job, "c", &bytes).await;
    let plain = store.keep(&job, "d", &bytes).await.unwrap().artifact;
    assert_eq!(store.bytes(&plain).await.unwrap(), bytes);
    assert_eq!(store.blob_count().await, 4);
}

#[tokio::test]
async fn other_bytes_than_announced_end_the_upload_and_free_its_parts() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(8, 25));
    let upload = begin(&store, &job, file("a", &bytes)).await;
    send_all(&store, &job, &upload, &made(9, 25)).await;
    let mismatch = finish(&store, &job, upload.artifact.id).await;
    assert!(
        matches!(
            mismatch,
            Err(Error::Invalid {
                field: "sha256",
                ..
            })
        ),
        "{mismatch:?}"
    );
    store.larder.collect_garbage().await.unwrap();
    assert_eq!(store.blob_count().await, 0);
    refused(
        send(&store, &job, upload.artifact.id, 0, &bytes[..10]).await,
        "is error",
    );
    let kept = keep_in_parts(&store, &job, "a", &bytes).await;
    assert_ne!(kept.artifact.id, upload.artifact.id);
    assert_eq!(store.bytes(&kept.artifact).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_part_of_another_length_or_digest_or_place_is_refused_and_leaves_nothing() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(10, 25));
    let upload = begin(&store, &job, file("a", &bytes)).await.artifact.id;
    refused(
        send(&store, &job, upload, 0, &bytes[..9]).await,
        "part 0 has 10 bytes and 9",
    );
    refused(
        send(&store, &job, upload, 2, &bytes[..10]).await,
        "part 2 has 5 bytes and 10",
    );
    refused(
        send(&store, &job, upload, 3, &bytes[..5]).await,
        "has 3 parts",
    );
    let artifacts = &store.larder.artifacts;
    for (chunks, says) in [(vec!["0123456789", "a"], "more came"), (vec!["01234"], "5")] {
        let chunks = chunks.into_iter().map(|chunk| Ok(chunk.into()));
        let undeclared =
            Incoming::new(futures_util::stream::iter(chunks.collect::<Vec<_>>()), None);
        let sent = artifacts.receive_part(OPERATOR, job.id, upload, 0, None, undeclared);
        refused(sent.await, says);
    }
    let wrong = Some(Sha256Digest([7; 32]));
    let part = Incoming::from_bytes(bytes[..10].to_vec());
    let sent = artifacts.receive_part(OPERATOR, job.id, upload, 0, wrong, part);
    assert!(matches!(
        sent.await,
        Err(Error::Invalid {
            field: "sha256",
            ..
        })
    ));
    assert_eq!(store.blob_count().await, 0);
    assert!(
        store
            .larder
            .artifacts
            .upload(OPERATOR, job.id, upload)
            .await
            .unwrap()
            .held
            .is_empty()
    );
}

#[tokio::test]
async fn a_part_that_is_held_stays_as_it_is() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(11, 15));
    let upload = begin(&store, &job, file("a", &bytes)).await;
    let id = upload.artifact.id;
    send(&store, &job, id, 0, &bytes[..10]).await.unwrap();
    send(&store, &job, id, 0, b"something.").await.unwrap();
    assert_eq!(store.blob_count().await, 1);
    send(&store, &job, id, 1, &bytes[10..]).await.unwrap();
    let kept = finish(&store, &job, id).await.unwrap().artifact;
    assert_eq!(store.bytes(&kept).await.unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_whose_lease_ended_is_freed() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(12, 25));
    let upload = begin(&store, &job, file("a", &bytes)).await.artifact.id;
    store.clock.advance_ms(DAY_MS - 1);
    store.larder.jobs.hear(OPERATOR, job.id).await.unwrap();
    send(&store, &job, upload, 0, &bytes[..10]).await.unwrap();
    store.clock.advance_ms(DAY_MS - 1);
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!((swept.abandoned, swept.freed, swept.orphans), (0, 0, 0));
    let report = store.larder.check().await.unwrap();
    assert!(report.is_clean() && report.waste.is_empty(), "{report:?}");
    store.clock.advance_ms(1);
    refused(
        send(&store, &job, upload, 1, &bytes[10..20]).await,
        "awaits no bytes",
    );
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!((swept.abandoned, swept.freed, swept.orphans), (1, 1, 0));
    assert_eq!(store.blob_count().await, 0);
    assert!(store.larder.check().await.unwrap().waste.is_empty());
}

#[tokio::test]
async fn an_upload_that_is_given_up_or_deleted_is_freed() {
    let store = open().await;
    let (job, artifacts) = (store.job().await, &store.larder.artifacts);
    let bytes = made(13, 25);
    for path in ["given up", "deleted"] {
        let upload = begin(&store, &job, file(path, &bytes)).await.artifact.id;
        send(&store, &job, upload, 1, &bytes[10..20]).await.unwrap();
        if path == "deleted" {
            let deleted = artifacts.delete(OPERATOR, upload, DeletingScope::Delete);
            deleted.await.unwrap();
        } else {
            let given_up = artifacts.give_up_upload(OPERATOR, job.id, upload);
            given_up.await.unwrap();
            let again = artifacts.give_up_upload(OPERATOR, job.id, upload).await;
            assert!(matches!(again, Err(Error::Conflict(_))));
        }
        assert_eq!(store.larder.collect_garbage().await.unwrap().freed, 1);
    }
    assert_eq!(store.blob_count().await, 0);
}

#[tokio::test]
async fn an_ended_job_begins_nothing_and_finishes_what_it_began_for_ten_minutes() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(14, 15));
    let [first, late] = ["first", "late"].map(|path| file(path, &bytes));
    let first = begin(&store, &job, first).await.artifact.id;
    let late = begin(&store, &job, late).await.artifact.id;
    send(&store, &job, late, 0, &bytes[..10]).await.unwrap();
    let jobs = &store.larder.jobs;
    jobs.finish(OPERATOR, job.id, EndState::Passed, None)
        .await
        .unwrap();
    let artifacts = &store.larder.artifacts;
    let fresh = artifacts.begin_upload(OPERATOR, job.id, file("new", &bytes));
    refused(fresh.await, "the job has ended (passed)");
    store.clock.advance_ms(10 * MINUTE_MS - 1);
    let again = begin(&store, &job, file("first", &bytes)).await;
    assert_eq!(again.artifact.id, first);
    send_all(&store, &job, &again, &bytes).await;
    finish(&store, &job, first).await.unwrap();
    store.clock.advance_ms(1);
    refused(
        send(&store, &job, late, 1, &bytes[10..]).await,
        "awaits no bytes",
    );
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!((swept.abandoned, swept.freed), (1, 1));
}

#[tokio::test]
async fn an_empty_file_has_no_parts_and_is_kept_at_once() {
    let store = open().await;
    let job = store.job().await;
    let begun = begin(&store, &job, file("empty", b"")).await;
    assert_eq!(begun.parts, 0);
    assert_eq!(begun.artifact.state, ArtifactState::Finished);
    let wrong = NewArtifact {
        sha256: Some(Sha256Digest([7; 32])),
        ..file("wrong", b"")
    };
    let artifacts = &store.larder.artifacts;
    let refused = artifacts.begin_upload(OPERATOR, job.id, wrong).await;
    assert!(matches!(
        refused,
        Err(Error::Invalid {
            field: "sha256",
            ..
        })
    ));
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_before_anything_is_sent() {
    let store = TestStore::open_with(|settings| settings.max_file_bytes = 24).await;
    let job = store.job().await;
    let artifacts = &store.larder.artifacts;
    let refused = artifacts
        .begin_upload(OPERATOR, job.id, file("a", &made(15, 25)))
        .await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: 24 })));
    begin(&store, &job, file("a", &made(15, 24))).await;
}

#[tokio::test]
async fn a_part_that_is_lost_is_asked_for_again() {
    let store = open().await;
    if !store.has_files() {
        return;
    }
    let (job, bytes) = (store.job().await, made(16, 25));
    let upload = begin(&store, &job, file("a", &bytes)).await;
    send(&store, &job, upload.artifact.id, 1, &bytes[10..20])
        .await
        .unwrap();
    std::fs::remove_file(&store.blob_files()[0]).unwrap();
    send(&store, &job, upload.artifact.id, 0, &bytes[..10])
        .await
        .unwrap();
    send(&store, &job, upload.artifact.id, 2, &bytes[20..])
        .await
        .unwrap();
    refused(
        finish(&store, &job, upload.artifact.id).await,
        "parts are missing, send them and finish again: 1",
    );
    send(&store, &job, upload.artifact.id, 1, &bytes[10..20])
        .await
        .unwrap();
    let kept = finish(&store, &job, upload.artifact.id).await.unwrap();
    assert_eq!(store.bytes(&kept.artifact).await.unwrap(), bytes);
    assert!(store.larder.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn the_bytes_of_a_chain_are_freed_with_its_last_artifact() {
    let store = open().await;
    let (job, bytes) = (store.job().await, made(17, 95));
    let first = keep_in_parts(&store, &job, "a", &bytes).await.artifact;
    let second = begin(&store, &job, file("b", &bytes)).await.artifact;
    let artifacts = &store.larder.artifacts;
    let delete = |id| artifacts.delete(OPERATOR, id, DeletingScope::Delete);
    delete(first.id).await.unwrap();
    assert_eq!(store.larder.collect_garbage().await.unwrap().freed, 0);
    assert_eq!(store.bytes(&second).await.unwrap(), bytes);
    delete(second.id).await.unwrap();
    assert_eq!(store.larder.collect_garbage().await.unwrap().freed, 10);
    assert_eq!(store.blob_count().await, 0);
    let left = "SELECT (SELECT COUNT(*) FROM blob) + (SELECT COUNT(*) FROM extents) + (SELECT COUNT(*) FROM container)
        + (SELECT COUNT(*) FROM part)";
    assert_eq!(store.beside.number(left).await, 0);
}

#[tokio::test]
async fn a_flipped_bit_in_one_part_is_named_and_never_read_to_the_end() {
    let store = open().await;
    if !store.has_files() {
        return;
    }
    let (job, bytes) = (store.job().await, made(18, 95));
    let kept = keep_in_parts(&store, &job, "a", &bytes).await.artifact;
    let file = store.blob_files().remove(3);
    let mut part = std::fs::read(&file).unwrap();
    part[2] ^= 1;
    std::fs::write(&file, part).unwrap();
    assert!(store.bytes(&kept).await.is_err());
    assert_eq!(store.larder.check().await.unwrap().faults.len(), 1);
}

#[tokio::test]
async fn another_jobs_upload_is_not_found() {
    let store = open().await;
    let (mine, bytes) = (store.job().await, made(19, 15));
    let other = store.job().await;
    let upload = begin(&store, &mine, file("a", &bytes)).await.artifact.id;
    refused(
        send(&store, &other, upload, 0, &bytes[..10]).await,
        "no upload found",
    );
    refused(finish(&store, &other, upload).await, "no upload found");
}

#[tokio::test]
async fn a_job_has_so_many_open_uploads_and_folders_at_most() {
    let store = open().await;
    let (job, artifacts) = (store.job().await, &store.larder.artifacts);
    begin(&store, &job, file("a", &made(20, 15))).await;
    let folder = |path: &str| {
        let path = ArtifactPath::parse(path).unwrap();
        artifacts.keep_folder(OPERATOR, job.id, path, None)
    };
    folder("a").await.unwrap();
    // Beside the larder's back, since each takes its sync.
    let more = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 9999)
        INSERT INTO artifact (pk, id, job_pk, build_pk, project_pk, path, state, content_type, created_at, deadline_at)
        SELECT 1000000 + n, 'id ' || n, job_pk, build_pk, project_pk, 'path ' || n, 'new', '', 0, deadline_at
        FROM number, artifact;
        WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 9999)
        INSERT INTO folder (job_pk, path, created_at) SELECT job_pk, 'path ' || n, 0 FROM number, folder";
    store.beside.run(more).await;
    let begun = artifacts.begin_upload(OPERATOR, job.id, file("b", &made(20, 15)));
    refused(begun.await, "has 10000 uploads that are not finished");
    refused(folder("b").await, "keeps 10000 empty folders");
    // What is there is found again.
    begin(&store, &job, file("a", &made(20, 15))).await;
    assert!(!folder("a").await.unwrap().1);
}
