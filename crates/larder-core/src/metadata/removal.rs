//! Takes away the rows of what was deleted, some at a time: a build can have millions. Whatever is taken is found again by
//! what is left, so that a crash in the middle loses nothing but its last step.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Tx, blobs, parts};

/// Chunks of output are up to 256 KiB each.
const CHUNKS_AT_ONCE: u64 = 64;

/// What a job has, each with at most ?2 rows of job ?1.
const BELOW_JOB: [&str; 5] = [
    "DELETE FROM output WHERE (step_pk, start) IN (
        SELECT output.step_pk, output.start FROM step CROSS JOIN output
        WHERE step.job_pk = ?1 AND output.step_pk = step.pk LIMIT ?2)",
    "DELETE FROM step WHERE pk IN (SELECT pk FROM step WHERE job_pk = ?1 LIMIT ?2)",
    "DELETE FROM test_result WHERE (job_pk, report, seq) IN (
        SELECT job_pk, report, seq FROM test_result WHERE job_pk = ?1 LIMIT ?2)",
    "DELETE FROM folder WHERE (job_pk, path) IN (SELECT job_pk, path FROM folder WHERE job_pk = ?1 LIMIT ?2)",
    "DELETE FROM token WHERE pk IN (SELECT pk FROM token WHERE job_pk = ?1 LIMIT ?2)",
];

/// A build that is deleted, or whose project is, and that project.
pub(crate) async fn build_to_remove(tx: &mut Tx) -> Result<Option<(i64, i64)>> {
    let deleted =
        "SELECT pk, project_pk FROM build WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1";
    let of_project = "SELECT build.pk, build.project_pk FROM project CROSS JOIN build
         WHERE project.deleted_at IS NOT NULL AND project.emptied_at IS NULL AND build.project_pk = project.pk LIMIT 1";
    for sql in [deleted, of_project] {
        let found = tx
            .first(sql, &[], |row| Ok((row.int(0)?, row.int(1)?)))
            .await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Removes some rows of a build, about `limit`, and at last the build itself; whether nothing is left of it. Blobs to which
/// nothing points any more are condemned.
pub(crate) async fn remove_some_of_build(
    tx: &mut Tx,
    build: i64,
    limit: u64,
    now: Timestamp,
) -> Result<bool> {
    let mut left = limit.saturating_sub(remove_artifacts(tx, build, limit, now).await?);
    while left > 0 {
        let Some(job) = first_job(tx, build).await? else {
            tx.execute("DELETE FROM build WHERE pk = ?1", &[build.into()])
                .await?;
            return Ok(true);
        };
        left = remove_below_job(tx, job, left).await?;
        if left > 0 {
            for sql in [
                "DELETE FROM test_count WHERE job_pk = ?1",
                "DELETE FROM job WHERE pk = ?1",
            ] {
                tx.execute(sql, &[job.into()]).await?;
            }
            left -= 1;
        }
    }
    Ok(false)
}

/// A deleted project of which no build is left.
pub(crate) async fn project_to_empty(tx: &mut Tx) -> Result<Option<i64>> {
    tx.first(
        "SELECT project.pk FROM project WHERE project.deleted_at IS NOT NULL AND project.emptied_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM build WHERE build.project_pk = project.pk)
         ORDER BY project.deleted_at LIMIT 1",
        &[],
        |row| row.int(0),
    )
    .await
}

/// Removes what else names a deleted project; its own row stays, since those of its blobs name it until their bytes are gone.
pub(crate) async fn empty_project(tx: &mut Tx, project: i64, now: Timestamp) -> Result<()> {
    for sql in [
        "DELETE FROM membership WHERE project_pk = ?1",
        "DELETE FROM token WHERE project_pk = ?1",
    ] {
        tx.execute(sql, &[project.into()]).await?;
    }
    tx.execute(
        "UPDATE project SET emptied_at = ?2 WHERE pk = ?1 AND emptied_at IS NULL",
        &[project.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// How many artifacts were removed.
async fn remove_artifacts(tx: &mut Tx, build: i64, limit: u64, now: Timestamp) -> Result<u64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let some = tx
        .all(
            "SELECT pk, blob_pk, part_bytes FROM artifact WHERE build_pk = ?1 ORDER BY created_at, pk LIMIT ?2",
            &[build.into(), limit.into()],
            |row| Ok((row.int(0)?, row.int_or_none(1)?, row.int_or_none(2)?)),
        )
        .await?;
    for (artifact, _, part_bytes) in &some {
        if part_bytes.is_some() {
            parts::free(tx, *artifact).await?;
        }
        tx.execute("DELETE FROM artifact WHERE pk = ?1", &[(*artifact).into()])
            .await?;
    }
    for blob in some.iter().filter_map(|(_, blob, _)| *blob) {
        blobs::condemn_unless_used(tx, blob, now).await?;
    }
    Ok(some.len() as u64)
}

async fn first_job(tx: &mut Tx, build: i64) -> Result<Option<i64>> {
    let sql = "SELECT pk FROM job WHERE build_pk = ?1 LIMIT 1";
    tx.first(sql, &[build.into()], |row| row.int(0)).await
}

/// Removes at most so many rows of a job; how many more may go. None may while some are left.
async fn remove_below_job(tx: &mut Tx, job: i64, mut left: u64) -> Result<u64> {
    for sql in BELOW_JOB {
        let is_output = sql.starts_with("DELETE FROM output");
        let most = if is_output {
            left.min(CHUNKS_AT_ONCE)
        } else {
            left
        };
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let removed = tx.execute(sql, &[job.into(), limit.into()]).await?;
        if removed >= most {
            return Ok(0);
        }
        left -= removed;
    }
    Ok(left)
}
