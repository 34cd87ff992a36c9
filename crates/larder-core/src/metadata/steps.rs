//! Steps of jobs and what they printed.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Row, Tx};
use crate::model::{NewStep, Step, StepState};

const SELECT: &str = "SELECT pk, seq, name, command, state, exit_status, started_at, finished_at, output_bytes FROM step";

/// Makes the step or moves it on; a step that has ended stays as it is.
pub(crate) async fn put(
    tx: &mut Tx,
    pk: i64,
    job: i64,
    seq: u32,
    step: &NewStep,
    now: Timestamp,
) -> Result<()> {
    let finished_at = (step.state != StepState::Running).then_some(now);
    tx.execute(
        "INSERT INTO step (pk, job_pk, seq, name, command, state, exit_status, started_at, finished_at, output_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)
         ON CONFLICT (job_pk, seq) DO UPDATE SET name = excluded.name, command = excluded.command,
            state = excluded.state, exit_status = excluded.exit_status, finished_at = excluded.finished_at
         WHERE step.state = 'running'",
        &[
            pk.into(),
            job.into(),
            seq.into(),
            step.name.as_str().into(),
            step.command.clone().into(),
            step.state.word().into(),
            step.exit_status.into(),
            now.into(),
            finished_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn of_job(tx: &mut Tx, job: i64) -> Result<Vec<Step>> {
    tx.all(
        &format!("{SELECT} WHERE job_pk = ?1 ORDER BY seq"),
        &[job.into()],
        step,
    )
    .await
}

pub(crate) async fn by_seq(tx: &mut Tx, job: i64, seq: u32) -> Result<Option<Step>> {
    tx.first(
        &format!("{SELECT} WHERE job_pk = ?1 AND seq = ?2"),
        &[job.into(), seq.into()],
        step,
    )
    .await
}

/// Appends a chunk that begins where the kept output ends; `false` if the output does not end there.
pub(crate) async fn append(
    tx: &mut Tx,
    step: i64,
    start: i64,
    chunk: &[u8],
    now: Timestamp,
) -> Result<bool> {
    let length = i64::try_from(chunk.len()).unwrap_or(i64::MAX);
    let changed = tx
        .execute(
            "UPDATE step SET output_bytes = output_bytes + ?3 WHERE pk = ?1 AND output_bytes = ?2",
            &[step.into(), start.into(), length.into()],
        )
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO output (step_pk, start, written_at, chunk) VALUES (?1, ?2, ?3, ?4)",
        &[step.into(), start.into(), now.into(), chunk.into()],
    )
    .await?;
    Ok(true)
}

/// Chunks of a step's output that end after `offset`, with where each begins; at most `limit` of them.
pub(crate) async fn output(
    tx: &mut Tx,
    step: i64,
    offset: i64,
    limit: u32,
) -> Result<Vec<(i64, Vec<u8>)>> {
    tx.all(
        "SELECT start, chunk FROM output WHERE step_pk = ?1 AND start >= COALESCE(
            (SELECT MAX(start) FROM output WHERE step_pk = ?1 AND start <= ?2), 0) ORDER BY start LIMIT ?3",
        &[step.into(), offset.into(), limit.into()],
        |row| Ok((row.int(0)?, row.bytes(1)?)),
    )
    .await
}

fn step(row: &Row<'_>) -> Result<Step> {
    Ok(Step {
        pk: row.int(0)?,
        seq: row.small(1)?,
        name: row.text(2)?,
        command: row.text_or_none(3)?,
        state: row.parsed(4, StepState::parse)?,
        exit_status: row
            .int_or_none(5)?
            .and_then(|status| i32::try_from(status).ok()),
        started_at: row.time(6)?,
        finished_at: row.time_or_none(7)?,
        output_bytes: row.int(8)?,
    })
}
