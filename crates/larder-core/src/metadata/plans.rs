//! How the engine finds what the hot queries ask for: no one of them may read a whole table or sort what an index has in
//! order. The statements are those that the functions of this folder run, as the engine saw them.

mod postgres;

use crate::clock::Timestamp;
use crate::metadata::artifacts::{AsOf, Conditions, Of};
use crate::metadata::{
    Tx, TxEngine, accounts, artifacts, audit, blobs, builds, folders, jobs, migrations, parts,
    projects, removal, sessions, steps, test_results, tokens,
};
use crate::model::{
    ArtifactId, ArtifactState, AuditFilter, AuditPlace, BuildId, BuildState, Cursor, JobId,
    JobOutcome, Offset, ProjectSlug, Sha256Digest, TestOutcome, TestPlace, TokenId,
};
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use std::cell::RefCell;

const NOW: Timestamp = Timestamp(1_000);
const AS_OF: AsOf = AsOf {
    now: NOW,
    retention_days: 30,
};
const PLACE: Cursor = Cursor {
    created_at: NOW,
    number: 7,
};
const OFFSET: Offset = Offset {
    skip: 30,
    limit: 30,
};

thread_local! {
    /// Statements that this test's connection has run.
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn open() -> (tempfile::TempDir, Tx) {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = Connection::open(folder.path().join("meta.db")).unwrap();
    migrations::migrate(&mut connection).unwrap();
    let note = |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            SEEN.with_borrow_mut(|seen| seen.push(sql.to_owned()));
        }
    };
    let noted = connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note));
    noted.unwrap();
    (folder, Tx::sqlite(connection))
}

/// Looks at every statement that ran since the last look; the text says what they were for.
type Check = fn(&Tx, &str);

/// Asserts of every statement that ran since the last check that it reads by an index and in order.
#[track_caller]
fn check(tx: &Tx, query: &str) {
    let TxEngine::Sqlite(connection) = &tx.engine else {
        unreachable!("it was opened above");
    };
    let seen = SEEN.take();
    assert!(!seen.is_empty(), "{query} ran nothing");
    for sql in seen {
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let steps = explain.raw_query().mapped(|row| row.get::<_, String>(3));
        let plan: Vec<String> = steps.map(Result::unwrap).collect();
        let bad = |step: &&String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
        assert!(plan.iter().find(bad).is_none(), "{query}: {plan:#?}\n{sql}");
    }
    SEEN.take();
}

#[tokio::test]
async fn things_are_found_by_an_index() {
    let (_folder, mut tx) = open();
    things(&mut tx, check).await;
}

#[tokio::test]
async fn test_results_come_in_order_and_are_not_counted_one_by_one() {
    let (_folder, mut tx) = open();
    results_of_tests(&mut tx, check).await;
}

#[tokio::test]
async fn artifacts_are_found_by_an_index() {
    let (_folder, mut tx) = open();
    artifacts_of_jobs(&mut tx, check).await;
}

#[tokio::test]
async fn the_latest_job_is_one_seek_for_each_outcome() {
    let (_folder, mut tx) = open();
    latest_jobs(&mut tx, check).await;
}

#[tokio::test]
async fn the_newest_builds_and_jobs_of_a_project_come_in_order() {
    let (_folder, mut tx) = open();
    newest(&mut tx, check).await;
}

#[tokio::test]
async fn the_sweeper_reads_only_what_is_due() {
    let (_folder, mut tx) = open();
    sweeps(&mut tx, check).await;
}

#[tokio::test]
async fn uploads_and_folders_are_found_by_an_index() {
    let (_folder, mut tx) = open();
    uploads_and_folders(&mut tx, check).await;
}

/// Of an embedded store alone.
#[tokio::test]
async fn what_a_backup_copies_comes_in_order() {
    let (_folder, mut tx) = open();
    blobs::kept_after(&mut tx, 0, 10).await.unwrap();
    parts::after(&mut tx, 0, 10).await.unwrap();
    artifacts::of_blob(&mut tx, 1, 10).await.unwrap();
    check(&tx, "what a backup copies");
}

/// Everything below, which both engines are asked.
async fn all_of_them(tx: &mut Tx, check: Check) {
    things(tx, check).await;
    results_of_tests(tx, check).await;
    artifacts_of_jobs(tx, check).await;
    latest_jobs(tx, check).await;
    newest(tx, check).await;
    sweeps(tx, check).await;
    uploads_and_folders(tx, check).await;
}

async fn things(tx: &mut Tx, check: Check) {
    let slug = ProjectSlug::parse("github/acme/demo").unwrap();
    projects::by_slug(tx, &slug).await.unwrap();
    check(tx, "a project by its slug");
    projects::by_pipeline(tx, "acme", "demo").await.unwrap();
    check(tx, "a project by its pipeline");
    let place = AuditPlace::parse("7-a").unwrap();
    for filter in [AuditFilter::default(), some_acts(slug)] {
        for place in [None, Some(&place)] {
            audit::before(tx, &filter, place, 10).await.unwrap();
            check(tx, "the log of acts");
        }
    }
    builds::by_id(tx, BuildId::new(NOW)).await.unwrap();
    check(tx, "a build by its id");
    builds::by_number(tx, 1, 2).await.unwrap();
    check(tx, "a build by its number");
    builds::by_external_id(tx, 1, "2").await.unwrap();
    check(tx, "a build by its external id");
    jobs::by_id(tx, JobId::new(NOW)).await.unwrap();
    check(tx, "a job by its id");
    jobs::of_number(tx, 1, 2).await.unwrap();
    check(tx, "the nodes of a job by its number");
    tokens::by_name(tx, "name").await.unwrap();
    check(tx, "a token by its name");
    tokens::by_id(tx, TokenId::new(NOW)).await.unwrap();
    check(tx, "a token by its id");
    sessions::remove_of_account(tx, 1).await.unwrap();
    accounts::end_links(tx, 1, NOW).await.unwrap();
    check(tx, "what ends with a user");
    steps::of_job(tx, 1).await.unwrap();
    check(tx, "the steps of a job");
    steps::output(tx, 1, 0, 4).await.unwrap();
    check(tx, "the output of a step");
}

fn some_acts(project: ProjectSlug) -> AuditFilter {
    AuditFilter {
        since: Some(NOW),
        user: Some("ada".to_owned()),
        act: Some("download".to_owned()),
        project: Some(project),
    }
}

async fn results_of_tests(tx: &mut Tx, check: Check) {
    let outcome = TestOutcome::Success;
    let place = TestPlace {
        outcome,
        report: 3,
        seq: 4,
    };
    for place in [None, Some(place)] {
        test_results::after(tx, 1, outcome, place, 100)
            .await
            .unwrap();
        check(tx, "test results after a place");
    }
    test_results::count(tx, 1).await.unwrap();
    check(tx, "how many test results a job has");
    test_results::count_of_report(tx, 1, 3).await.unwrap();
    check(tx, "how many test results a report has");
    test_results::delete_report(tx, 1, 3).await.unwrap();
    check(tx, "the test results of a report");
}

async fn artifacts_of_jobs(tx: &mut Tx, check: Check) {
    let finished = ArtifactState::Finished;
    artifacts::by_id(tx, AS_OF, ArtifactId::new(NOW))
        .await
        .unwrap();
    check(tx, "an artifact by its id");
    artifacts::newest(tx, AS_OF, 1, "a", finished)
        .await
        .unwrap();
    check(tx, "the newest artifact of a path");
    artifacts::newest_by_alias(tx, AS_OF, 1, "a", finished)
        .await
        .unwrap();
    check(tx, "the newest artifact of an alias");
    artifacts::by_path(tx, AS_OF, 1).await.unwrap();
    check(tx, "the artifacts of a node by path");
    for of in [Of::Job(1), Of::Build(1)] {
        let conditions = Conditions {
            of,
            states: vec![ArtifactState::New, finished],
            path: None,
        };
        artifacts::page(tx, AS_OF, &conditions, OFFSET)
            .await
            .unwrap();
        check(tx, "a page of artifacts");
        artifacts::after(tx, AS_OF, &conditions, Some(PLACE), 30)
            .await
            .unwrap();
        check(tx, "artifacts after a place");
        artifacts::count(tx, AS_OF, &conditions).await.unwrap();
        check(tx, "how many artifacts");
    }
}

async fn latest_jobs(tx: &mut Tx, check: Check) {
    let outcomes = [JobOutcome::Passed, JobOutcome::Failed];
    for branch in [None, Some("main")] {
        for forks in [false, true] {
            jobs::latest(tx, 1, branch, &outcomes, forks).await.unwrap();
            check(tx, "the latest job");
        }
    }
}

async fn newest(tx: &mut Tx, check: Check) {
    let of_project = builds::Conditions {
        projects: vec![1],
        ..builds::Conditions::default()
    };
    builds::list(tx, &of_project, 0, 30).await.unwrap();
    check(tx, "builds of a project");
    builds::count(tx, &of_project).await.unwrap();
    check(tx, "how many builds");
    let narrower = builds::Conditions {
        states: vec![BuildState::Passed, BuildState::Failed],
        branches: vec!["main".to_owned()],
        before: Some(PLACE),
        ..of_project
    };
    builds::list(tx, &narrower, 30, 30).await.unwrap();
    check(tx, "builds of a branch after a place");
    let passed = vec![JobOutcome::Passed, JobOutcome::Failed];
    for (branch, outcomes) in [
        (None, None),
        (Some("main"), None),
        (None, Some(passed.clone())),
        (Some("main"), Some(passed)),
    ] {
        let recent = jobs::Recent {
            projects: vec![1],
            branch: branch.map(str::to_owned),
            outcomes,
            skip: 0,
            limit: 30,
        };
        jobs::recent(tx, &recent).await.unwrap();
        check(tx, "recent jobs");
    }
}

async fn sweeps(tx: &mut Tx, check: Check) {
    jobs::unheard(tx, NOW, None, 10).await.unwrap();
    check(tx, "jobs unheard of");
    artifacts::fail_overdue(tx, NOW).await.unwrap();
    check(tx, "uploads that are overdue");
    blobs::begin_deleting(tx, NOW, 10).await.unwrap();
    check(tx, "condemned blobs");
    blobs::condemned_containers(tx, 0, 10).await.unwrap();
    check(tx, "condemned containers");
    blobs::container_is_known(tx, "key").await.unwrap();
    check(tx, "a container by its key");
    blobs::condemn_overdue(tx, NOW).await.unwrap();
    check(tx, "objects whose sending is overdue");
    removal::build_to_remove(tx).await.unwrap();
    check(tx, "builds that are deleted");
    removal::project_to_empty(tx).await.unwrap();
    check(tx, "projects that are deleted");
    removal::remove_some_of_build(tx, 1, 10, NOW).await.unwrap();
    check(tx, "what is below a deleted build");
    artifacts::due(tx, AS_OF, 1, 10).await.unwrap();
    check(tx, "artifacts of a project that are past their retention");
}

async fn uploads_and_folders(tx: &mut Tx, check: Check) {
    let sha256 = Sha256Digest([7; 32]);
    artifacts::awaiting_parts(tx, AS_OF, 1, "a", 2, sha256)
        .await
        .unwrap();
    check(tx, "an upload that was begun");
    artifacts::awaited_of_job(tx, 1).await.unwrap();
    check(tx, "how many uploads are open");
    artifacts::hurry(tx, 1, NOW).await.unwrap();
    check(tx, "uploads of a job that ends");
    parts::from(tx, 1, 2).await.unwrap();
    parts::held(tx, 1).await.unwrap();
    check(tx, "parts of an upload");
    parts::free(tx, 1).await.unwrap();
    parts::free_one(tx, 1, 2).await.unwrap();
    check(tx, "parts that are given up");
    folders::list(tx, Of::Job(1), 10).await.unwrap();
    folders::list(tx, Of::Build(1), 10).await.unwrap();
    check(tx, "empty folders");
    folders::count(tx, 1).await.unwrap();
    check(tx, "how many empty folders");
}
