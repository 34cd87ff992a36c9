//! The same on PostgreSQL, which writes the plan of each statement into its log here.

use super::all_of_them;
use crate::metadata::{Database, DatabaseAddress, PostgresAddress};
use larder_harness::{Postgres, PostgresOptions};

const DATABASE: &str = "plans";

/// Of few rows a plan says little: so nothing is planned with a scan or a sort that can be planned otherwise. What has
/// one all the same has no index that fits.
const SETTINGS: &str = "
    ALTER DATABASE plans SET enable_seqscan = off;
    ALTER DATABASE plans SET enable_sort = off;
    ALTER DATABASE plans SET enable_incremental_sort = off;
    ALTER DATABASE plans SET session_preload_libraries = 'auto_explain';
    ALTER DATABASE plans SET auto_explain.log_min_duration = 0;";

/// So that an index in which the rows are found costs less than one that only has them all.
const ROWS: &str = "
    SET session_replication_role = replica;
    INSERT INTO account (pk, id, name, created_at)
        SELECT n, gen_random_uuid(), 'user-' || n, n FROM generate_series(1, 1000) AS n;
    INSERT INTO organization (pk, id, vcs, name, slug, created_at)
        SELECT n, gen_random_uuid(), 'github', 'org-' || n, 'gh-' || n, n FROM generate_series(1, 1000) AS n;
    INSERT INTO project (pk, id, organization_pk, name, created_at, last_build, last_job)
        SELECT n, gen_random_uuid(), 1, 'project-' || n, n, 50, 50 FROM generate_series(1, 1000) AS n;
    INSERT INTO build (pk, id, project_pk, number, state, created_at, artifact_count, total_bytes)
        SELECT n, gen_random_uuid(), n / 50, n, 'passed', n, 4, 4 FROM generate_series(1, 5000) AS n;
    INSERT INTO job (pk, id, build_pk, project_pk, name, number, node_index, parallelism, state, outcome, created_at,
            heard_at, artifact_count, total_bytes)
        SELECT n, gen_random_uuid(), n, n / 50, 'test', n, 0, 1, 'passed', 'passed', n, n, 4, 4
        FROM generate_series(1, 5000) AS n;
    INSERT INTO step (pk, job_pk, seq, name, state, started_at, output_bytes)
        SELECT n, n / 4, n % 4, 'test', 'passed', n, 40 FROM generate_series(1, 20000) AS n;
    INSERT INTO output (step_pk, start, written_at, chunk)
        SELECT n, 0, n, n::TEXT::BYTEA FROM generate_series(1, 20000) AS n;
    INSERT INTO blob (pk, project_pk, sha1, sha256, crc32, size, state)
        SELECT n, n / 200, decode(lpad(to_hex(n), 40, '0'), 'hex'), decode(lpad(to_hex(n), 64, '0'), 'hex'), 1, 1, 'live'
        FROM generate_series(1, 20000) AS n;
    INSERT INTO artifact (pk, id, job_pk, build_pk, project_pk, path, state, blob_pk, size, content_type, created_at,
            finished_at)
        SELECT n, gen_random_uuid(), n / 4, n / 4, n / 200, 'path-' || n, 'finished', n, 1, 'text/plain', n, n
        FROM generate_series(1, 20000) AS n;
    INSERT INTO container (pk, key, kind, state, bytes, live_bytes)
        SELECT n, 'key-' || n, 'file', 'sealed', 1, 1 FROM generate_series(1, 20000) AS n;
    INSERT INTO part (artifact_pk, seq, container_pk, length)
        SELECT n / 4 + 10000, n % 4, n, 1 FROM generate_series(1, 20000) AS n;
    ANALYZE;";

/// Indexes of what waits for the sweeper, from which it takes all.
const READ_WHOLE: [&str; 3] = [
    "artifact_awaited_of_job",
    "build_to_remove",
    "project_to_empty",
];
/// Tables of one row.
const SMALL: [&str; 2] = ["instance", "schema_version"];

#[tokio::test]
async fn postgresql_finds_everything_by_an_index_too() {
    if let Some(reason) = Postgres::missing() {
        println!("skipped: {reason}");
        return;
    }
    let server = Postgres::start(PostgresOptions::QUICK).unwrap();
    let url = server.create_database(DATABASE).unwrap();
    let address = PostgresAddress::parse(&url).unwrap();
    let address = DatabaseAddress::Postgres(Box::new(address));
    // Makes the tables, whose statements are none of those.
    drop(Database::open(&address).await.unwrap());
    server.run(DATABASE, ROWS).unwrap();
    server.run(DATABASE, SETTINGS).unwrap();
    let database = Database::open(&address).await.unwrap();
    let asked = database.write(async |tx| {
        all_of_them(tx, |_, _| ()).await;
        Ok(())
    });
    asked.await.unwrap();
    let log = server.said().unwrap();
    let plans = plans(&log);
    assert!(plans.len() > 50, "{} plans: {log}", plans.len());
    let bad = plans.iter().filter(|plan| reads_too_much(plan));
    let bad: Vec<_> = bad.map(|plan| plan.join("\n")).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
}

/// The lines of each plan that the server wrote down, with the statement before them.
fn plans(log: &str) -> Vec<Vec<&str>> {
    let mut plans: Vec<Vec<&str>> = Vec::new();
    for line in log.lines() {
        if line.contains("  plan:") {
            plans.push(Vec::new());
        } else if line.starts_with('\t')
            && let Some(plan) = plans.last_mut()
        {
            plan.push(line.trim_end());
        }
    }
    plans
}

/// Whether a plan reads a table or an index from end to end, or sorts.
fn reads_too_much(plan: &[&str]) -> bool {
    let details = plan.iter().skip(1).chain([&""]);
    plan.iter().zip(details).any(|(step, detail)| {
        let reads_any = |names: &[&str]| {
            let mut words = step.split_whitespace();
            words.any(|word| names.contains(&word))
        };
        let reads_index = step.contains("Index Scan") || step.contains("Index Only Scan");
        (step.contains("Seq Scan on") && !reads_any(&SMALL))
            || step.contains("Sort  (")
            || (reads_index && !detail.contains("Index Cond:") && !reads_any(&READ_WHOLE))
    })
}
