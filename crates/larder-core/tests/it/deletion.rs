//! Builds and projects that are deleted, and projects that are renamed.

use crate::support::{OPERATOR, TestStore, slug};
use larder_core::model::{
    Artifact, ArtifactPath, Contents, EndState, Job, JobOutcome, NewArtifact, NewBuild, NewStep,
    ProjectSlug, Role, Scopes, Sha256Digest, StepState, TestOutcome, TestResult,
};
use larder_core::{Error, Incoming, NewTokenRequest, What};

fn other() -> ProjectSlug {
    ProjectSlug::parse("gitlab/other/renamed").unwrap()
}

async fn is_there(store: &TestStore, artifact: &Artifact) -> bool {
    match store.larder.artifacts.readable(OPERATOR, artifact.id).await {
        Ok(_) => true,
        Err(Error::NotFound(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn count(store: &TestStore, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    store.beside.number(&sql).await
}

/// Bytes that the project's row says it keeps, and that its builds say.
async fn kept_bytes(store: &TestStore) -> [i64; 2] {
    let projects = &store.larder.projects;
    let project = projects.by_slug(OPERATOR, &slug()).await.unwrap();
    let contents = projects.contents(OPERATOR, &slug()).await.unwrap();
    [project.total_bytes, contents.bytes]
}

/// A token of ada's that reaches the project and nothing else.
async fn tied_token(store: &TestStore) -> String {
    let request = NewTokenRequest {
        user: "ada".to_owned(),
        description: String::new(),
        scopes: Scopes::all(),
        project: Some(slug()),
        expires_at: None,
    };
    let issued = store.larder.access.issue_token(OPERATOR, request).await;
    issued.unwrap().secret
}

/// No list and no address leads to the first build, whose job this is.
async fn is_nowhere(store: &TestStore, job: &Job) {
    let larder = &store.larder;
    let project = larder.projects.by_slug(OPERATOR, &slug()).await.unwrap();
    let builds = &larder.builds;
    assert!(builds.build(OPERATOR, job.build_id).await.is_err());
    assert!(builds.by_number(OPERATOR, &project, 1).await.is_err());
    let everything = larder_core::BuildFilter::default();
    let listed = builds.of_project(OPERATOR, &project, &everything, None, 10);
    assert_eq!(listed.await.unwrap().len(), 1);
    let jobs = &larder.jobs;
    assert!(jobs.job(OPERATOR, job.id).await.is_err());
    assert!(jobs.nodes(OPERATOR, &project, 1).await.is_err());
    let outcomes = [JobOutcome::Running];
    let latest = jobs.latest(OPERATOR, &project, Some("main"), &outcomes, false);
    assert!(matches!(latest.await, Err(Error::NotFound(_))));
    assert!(jobs.branches(OPERATOR, &project).await.unwrap().is_empty());
}

/// Everything that a job can have.
async fn furnish(store: &TestStore, job: larder_core::model::JobId) {
    let larder = &store.larder;
    let step = NewStep {
        name: "make".to_owned(),
        command: None,
        state: StepState::Running,
        exit_status: None,
    };
    larder.steps.report(OPERATOR, job, 0, step).await.unwrap();
    for offset in 0..3 {
        let chunk = larder.steps.append(OPERATOR, job, 0, offset, "x".into());
        chunk.await.unwrap();
    }
    let result = TestResult {
        name: "works".to_owned(),
        classname: None,
        file: None,
        outcome: TestOutcome::Success,
        run_time_ms: 1,
        message: None,
    };
    let tests = &larder.test_results;
    tests.keep(OPERATOR, job, 0, vec![result]).await.unwrap();
    let artifacts = &larder.artifacts;
    let folder = ArtifactPath::parse("empty").unwrap();
    artifacts
        .keep_folder(OPERATOR, job, folder, None)
        .await
        .unwrap();
    let new = NewArtifact {
        size: Some(4),
        sha256: Some(Sha256Digest([7; 32])),
        ..NewArtifact::new(ArtifactPath::parse("parts").unwrap(), "text/plain")
    };
    let begun = artifacts.begin_upload(OPERATOR, job, new).await.unwrap();
    let id = begun.upload.artifact.id;
    let part = artifacts.receive_part(OPERATOR, job, id, 0, None, Incoming::from_bytes("part"));
    part.await.unwrap();
}

#[tokio::test]
async fn a_deleted_build_is_gone_at_once_and_its_rows_and_bytes_with_the_next_sweep() {
    let store = TestStore::open().await;
    let larder = &store.larder;
    let new = NewBuild {
        branch: Some("main".to_owned()),
        external_id: Some("outer-1".to_owned()),
        ..NewBuild::default()
    };
    let announced = store.build(new.clone(), &[("build", 2)]).await;
    let job = announced.nodes[0].job.clone();
    furnish(&store, job.id).await;
    let own = store
        .keep(&job, "own", b"only here")
        .await
        .unwrap()
        .artifact;
    let shared = store
        .keep(&job, "shared", b"shared")
        .await
        .unwrap()
        .artifact;
    let other_job = store.job().await;
    let same = store
        .keep(&other_job, "same", b"shared")
        .await
        .unwrap()
        .artifact;
    assert_eq!(kept_bytes(&store).await, [21, 21]);
    let gone = announced.build.id;
    larder.builds.delete(OPERATOR, gone).await.unwrap();

    for artifact in [&own, &shared] {
        assert!(!is_there(&store, artifact).await);
    }
    assert!(is_there(&store, &same).await);
    assert_eq!(kept_bytes(&store).await, [6, 6]);
    let again = larder.builds.delete(OPERATOR, gone).await;
    assert!(matches!(again, Err(Error::NotFound(What::Build))));
    is_nowhere(&store, &job).await;
    let token = larder.access.authenticate(&announced.nodes[0].token).await;
    assert!(matches!(token, Err(Error::InvalidToken(_))));
    // Nothing comes into it any more.
    assert!(matches!(
        store.keep(&job, "late", b"late").await,
        Err(Error::NotFound(_))
    ));
    // Its number is not given again, what it was called outside is.
    let next = store.build(new, &[]).await.build;
    assert_eq!(next.number, 3);

    assert_eq!(larder.check().await.unwrap().artifacts, 1);
    let swept = larder.collect_garbage().await.unwrap();
    assert_eq!(swept.freed, 2, "its own file and its part");
    assert_eq!(store.blob_count().await, 1);
    for table in [
        "step",
        "output",
        "test_result",
        "test_count",
        "folder",
        "part",
    ] {
        assert_eq!(count(&store, table).await, 0, "{table}");
    }
    assert_eq!(count(&store, "build").await, 2);
    assert_eq!(count(&store, "job").await, 1);
    assert_eq!(count(&store, "artifact").await, 1);
    assert_eq!(store.bytes(&same).await.unwrap(), b"shared");
    assert!(larder.check().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_deleted_project_is_gone_at_once_and_its_name_is_free() {
    let store = TestStore::open().await;
    let larder = &store.larder;
    let job = store.job().await;
    furnish(&store, job.id).await;
    let kept = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    store.user("ada", false).await;
    let access = &larder.access;
    access
        .grant(OPERATOR, "ada", &slug(), Role::Admin)
        .await
        .unwrap();
    let tied = tied_token(&store).await;
    let link = larder.artifacts.link(OPERATOR, kept.id).await.unwrap();
    let contents = larder.projects.contents(OPERATOR, &slug()).await.unwrap();
    let expected = Contents {
        builds: 1,
        artifacts: 1,
        bytes: 5,
    };
    assert_eq!(contents, expected);
    let number = larder
        .projects
        .by_slug(OPERATOR, &slug())
        .await
        .unwrap()
        .number;
    larder.projects.delete(OPERATOR, &slug()).await.unwrap();

    assert!(!is_there(&store, &kept).await);
    assert!(
        larder
            .artifacts
            .readable_by_link(&link.token)
            .await
            .is_err()
    );
    let projects = &larder.projects;
    assert!(projects.by_slug(OPERATOR, &slug()).await.is_err());
    assert!(projects.by_number(OPERATOR, number).await.is_err());
    assert!(
        projects
            .by_pipeline(OPERATOR, "acme", "demo")
            .await
            .is_err()
    );
    assert!(larder.jobs.job(OPERATOR, job.id).await.is_err());
    assert!(matches!(
        access.authenticate(&tied).await,
        Err(Error::InvalidToken(_))
    ));
    assert!(matches!(
        store.keep(&job, "late", b"late").await,
        Err(Error::NotFound(_))
    ));
    let again = projects.delete(OPERATOR, &slug()).await;
    assert!(matches!(again, Err(Error::NotFound(What::Project))));

    // Another project of that name has nothing of the old one.
    let fresh = store.build(NewBuild::default(), &[]).await.build;
    assert_eq!(fresh.number, 1);
    assert_ne!(fresh.project.number, number);
    larder.collect_garbage().await.unwrap();
    assert_eq!(store.blob_count().await, 0);
    for table in ["artifact", "job", "membership", "part", "blob"] {
        assert_eq!(count(&store, table).await, 0, "{table}");
    }
    assert_eq!(count(&store, "build").await, 1);
    assert_eq!(count(&store, "token").await, 1, "ada's own");
    larder.collect_garbage().await.unwrap();
}

#[tokio::test]
async fn a_sweep_goes_on_after_a_crash_in_its_middle() {
    let store = TestStore::open().await;
    let job = store.job().await;
    for number in 0..1_200 {
        let content = format!("file {number}");
        store
            .keep(&job, &content, content.as_bytes())
            .await
            .unwrap();
    }
    let builds = &store.larder.builds;
    builds.delete(OPERATOR, job.build_id).await.unwrap();
    // As if the first batch had been its last act.
    let sql = "UPDATE blob SET state = 'condemned', condemned_at = 0
            WHERE pk IN (SELECT blob_pk FROM artifact ORDER BY pk LIMIT 700);
        DELETE FROM artifact WHERE pk IN (SELECT pk FROM artifact ORDER BY pk LIMIT 700)";
    store.beside.run(sql).await;
    let swept = store.larder.collect_garbage().await.unwrap();
    assert_eq!(swept.freed, 1_200);
    assert_eq!(store.blob_count().await, 0);
    assert_eq!(count(&store, "build").await, 0);
}

#[tokio::test]
async fn a_build_that_is_deleted_while_it_runs_takes_nothing_more() {
    for is_swept in [false, true] {
        let store = TestStore::open().await;
        let larder = &store.larder;
        let job = store.job().await;
        let (sender, chunks) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, String>>(1);
        let stream = futures_util::stream::unfold(chunks, async |mut chunks| {
            chunks.recv().await.map(|chunk| (chunk, chunks))
        });
        let new = NewArtifact::new(ArtifactPath::parse("slow").unwrap(), "text/plain");
        let (artifacts, id) = (larder.artifacts.clone(), job.id);
        let upload = tokio::spawn(async move {
            let incoming = Incoming::new(stream, None);
            artifacts.keep(OPERATOR, id, new, incoming).await
        });
        // Taken by the upload, which is past its first look at the job then.
        for chunk in ["first", "second", "third"] {
            sender.send(Ok(chunk.into())).await.unwrap();
        }
        let builds = &larder.builds;
        builds.delete(OPERATOR, job.build_id).await.unwrap();
        if is_swept {
            larder.collect_garbage().await.unwrap();
        }
        drop(sender);
        let refused = upload.await.unwrap();
        assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
        larder.collect_garbage().await.unwrap();
        assert_eq!(store.blob_count().await, 0);
        let jobs = &larder.jobs;
        let end = jobs.finish(OPERATOR, job.id, EndState::Passed, None).await;
        assert!(matches!(end, Err(Error::NotFound(_))));
    }
}

#[tokio::test]
async fn a_renamed_project_keeps_all_but_its_name() {
    let store = TestStore::open().await;
    let larder = &store.larder;
    let job = store.job().await;
    let kept = store.keep(&job, "a", b"hello").await.unwrap().artifact;
    store.user("ada", false).await;
    let access = &larder.access;
    access
        .grant(OPERATOR, "ada", &slug(), Role::Reader)
        .await
        .unwrap();
    let tied = tied_token(&store).await;
    let projects = &larder.projects;
    projects.rename(OPERATOR, &slug(), &other()).await.unwrap();
    let ada = access.authenticate(&tied).await.unwrap();
    assert!(larder.artifacts.readable(&ada, kept.id).await.is_ok());
    assert_eq!(
        projects.by_slug(&ada, &other()).await.unwrap().slug(),
        other()
    );
    for lost in [
        projects.by_slug(OPERATOR, &slug()).await.map(|_| ()),
        projects.rename(OPERATOR, &slug(), &other()).await,
    ] {
        assert!(matches!(lost, Err(Error::NotFound(What::Project))));
    }
    projects.create(OPERATOR, &slug(), false).await.unwrap();
    let taken = projects.rename(OPERATOR, &slug(), &other()).await;
    assert!(matches!(taken, Err(Error::Conflict(_))));
}
