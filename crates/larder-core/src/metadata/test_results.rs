//! Results of tests and how many each job has.

use crate::error::Result;
use crate::metadata::{Row, Tx};
use crate::model::{TestCounts, TestOutcome, TestPlace, TestResult};

/// How many results a report has.
pub(crate) async fn count_of_report(tx: &mut Tx, job: i64, report: u32) -> Result<TestCounts> {
    tx.one(
        "SELECT COUNT(CASE outcome WHEN 'failure' THEN 1 END), COUNT(CASE outcome WHEN 'error' THEN 1 END),
            COUNT(CASE outcome WHEN 'skipped' THEN 1 END), COUNT(CASE outcome WHEN 'success' THEN 1 END)
         FROM test_result WHERE job_pk = ?1 AND report = ?2",
        &[job.into(), report.into()],
        counts,
    )
    .await
}

pub(crate) async fn delete_report(tx: &mut Tx, job: i64, report: u32) -> Result<()> {
    tx.execute(
        "DELETE FROM test_result WHERE job_pk = ?1 AND report = ?2",
        &[job.into(), report.into()],
    )
    .await?;
    Ok(())
}

pub(crate) async fn insert(
    tx: &mut Tx,
    job: i64,
    report: u32,
    seq: u32,
    result: &TestResult,
) -> Result<()> {
    tx.execute(
        "INSERT INTO test_result (job_pk, report, seq, outcome, name, classname, file, run_time_ms, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        &[
            job.into(),
            report.into(),
            seq.into(),
            result.outcome.word().into(),
            result.name.as_str().into(),
            result.classname.clone().into(),
            result.file.clone().into(),
            result.run_time_ms.into(),
            result.message.clone().into(),
        ],
    )
    .await?;
    Ok(())
}

/// How many results a job has.
pub(crate) async fn count(tx: &mut Tx, job: i64) -> Result<TestCounts> {
    let counted = tx
        .first(
            "SELECT failures, errors, skipped, successes FROM test_count WHERE job_pk = ?1",
            &[job.into()],
            counts,
        )
        .await?;
    Ok(counted.unwrap_or_default())
}

pub(crate) async fn set_count(tx: &mut Tx, job: i64, counts: TestCounts) -> Result<()> {
    tx.execute(
        "INSERT INTO test_count (job_pk, failures, errors, skipped, successes) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (job_pk) DO UPDATE SET failures = excluded.failures, errors = excluded.errors,
            skipped = excluded.skipped, successes = excluded.successes",
        &[
            job.into(),
            counts.failures.into(),
            counts.errors.into(),
            counts.skipped.into(),
            counts.successes.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Results of a job that went one way, in the order of the reports, after a place if one is given.
pub(crate) async fn after(
    tx: &mut Tx,
    job: i64,
    outcome: TestOutcome,
    after: Option<TestPlace>,
    limit: u32,
) -> Result<Vec<(TestPlace, TestResult)>> {
    let (report, seq) = after.map_or((-1, -1), |place| (place.report.into(), place.seq.into()));
    tx.all(
        "SELECT report, seq, outcome, name, classname, file, run_time_ms, message FROM test_result
         WHERE job_pk = ?1 AND outcome = ?2 AND (report, seq) > (?3, ?4) ORDER BY report, seq LIMIT ?5",
        &[
            job.into(),
            outcome.word().into(),
            i64::into(report),
            i64::into(seq),
            limit.into(),
        ],
        result,
    )
    .await
}

fn counts(row: &Row<'_>) -> Result<TestCounts> {
    Ok(TestCounts {
        failures: row.int(0)?,
        errors: row.int(1)?,
        skipped: row.int(2)?,
        successes: row.int(3)?,
    })
}

fn result(row: &Row<'_>) -> Result<(TestPlace, TestResult)> {
    let outcome = row.parsed(2, TestOutcome::parse)?;
    let place = TestPlace {
        outcome,
        report: row.small(0)?,
        seq: row.small(1)?,
    };
    let result = TestResult {
        name: row.text(3)?,
        classname: row.text_or_none(4)?,
        file: row.text_or_none(5)?,
        outcome,
        run_time_ms: row.int(6)?,
        message: row.text_or_none(7)?,
    };
    Ok((place, result))
}
