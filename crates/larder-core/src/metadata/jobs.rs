//! Jobs: a row for each node.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Room, Row, Tx, Value, audit};
use crate::model::{Build, BuildId, BuildState, Job, JobId, JobOutcome, JobState};
use std::fmt::Write as _;

const SELECT: &str = "SELECT job.pk, job.id, job.build_pk, build.id, build.number, job.name, job.number,
        job.node_index, job.parallelism, job.state, job.exit_status, job.created_at, job.started_at, job.finished_at,
        job.artifact_count, job.total_bytes, job.heard_at, job.silenced_at
    FROM job JOIN build ON build.pk = job.build_pk AND build.deleted_at IS NULL
        JOIN project ON project.pk = job.project_pk AND project.deleted_at IS NULL";

pub(crate) async fn insert(tx: &mut Tx, build: &Build, job: &Job) -> Result<()> {
    tx.execute(
        "INSERT INTO job (pk, id, build_pk, project_pk, name, number, node_index, parallelism, branch, fork_at, state,
                outcome, created_at, started_at, heard_at, artifact_count, total_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'running', ?12, ?13, ?12, 0, 0)",
        &[
            job.pk.into(),
            job.id.to_string().into(),
            build.pk.into(),
            build.project.number.into(),
            job.name.as_str().into(),
            job.number.into(),
            job.index.into(),
            job.parallelism.into(),
            build.branch.clone().into(),
            build.fork.then_some(build.created_at).into(),
            job.state.word().into(),
            job.created_at.into(),
            job.started_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn by_id(tx: &mut Tx, id: JobId) -> Result<Option<Job>> {
    tx.first(
        &format!("{SELECT} WHERE job.id = ?1"),
        &[id.to_string().into()],
        job,
    )
    .await
}

/// All nodes of the jobs of a build, in the order in which they were announced.
pub(crate) async fn of_build(tx: &mut Tx, build: i64) -> Result<Vec<Job>> {
    tx.all(
        &format!("{SELECT} WHERE job.build_pk = ?1 ORDER BY job.pk"),
        &[build.into()],
        job,
    )
    .await
}

/// How many nodes the jobs of a build have.
pub(crate) async fn count_of_build(tx: &mut Tx, build: i64) -> Result<usize> {
    let count = tx
        .one(
            "SELECT COUNT(*) FROM job WHERE build_pk = ?1",
            &[build.into()],
            |row| row.int(0),
        )
        .await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// All nodes of the job of that name in a build, by index.
pub(crate) async fn of_name(tx: &mut Tx, build: i64, name: &str) -> Result<Vec<Job>> {
    let sql = format!("{SELECT} WHERE job.build_pk = ?1 AND job.name = ?2 ORDER BY job.node_index");
    tx.all(&sql, &[build.into(), name.into()], job).await
}

/// All nodes of the job of that number in a project, by index.
pub(crate) async fn of_number(tx: &mut Tx, project: i64, number: i64) -> Result<Vec<Job>> {
    let sql =
        format!("{SELECT} WHERE job.project_pk = ?1 AND job.number = ?2 ORDER BY job.node_index");
    tx.all(&sql, &[project.into(), number.into()], job).await
}

/// The greatest job number with one of the outcomes, of a branch if one is given; builds of forks only if asked for.
pub(crate) async fn latest(
    tx: &mut Tx,
    project: i64,
    branch: Option<&str>,
    outcomes: &[JobOutcome],
    forks: bool,
) -> Result<Option<i64>> {
    let mut latest = None;
    // One seek of an index for each outcome: an `IN` would make the engine sort.
    for outcome in outcomes {
        let mut values: Vec<Value> = vec![project.into(), outcome.word().into()];
        let mut sql =
            "SELECT number FROM job WHERE project_pk = ?1 AND node_index = 0 AND number IS NOT NULL
            AND outcome = ?2"
                .to_owned();
        if let Some(branch) = branch {
            values.push(branch.into());
            sql.push_str(" AND branch = ?3");
        }
        if !forks {
            sql.push_str(" AND fork_at IS NULL");
        }
        sql.push_str(" ORDER BY number DESC LIMIT 1");
        let number = tx.first(&sql, &values, |row| row.int(0)).await?;
        latest = latest.max(number);
    }
    Ok(latest)
}

/// Numbers of jobs in some projects, newest first, of a branch and with one of the outcomes if those are given.
pub(crate) async fn recent(tx: &mut Tx, recent: &Recent) -> Result<Vec<(i64, i64)>> {
    if recent.projects.is_empty() {
        return Ok(Vec::new());
    }
    let mut values: Vec<Value> = Vec::new();
    let mut place = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    let projects: Vec<_> = recent
        .projects
        .iter()
        .map(|pk| place((*pk).into()))
        .collect();
    let mut sql = format!(
        "SELECT project_pk, number FROM job WHERE node_index = 0 AND number IS NOT NULL AND project_pk IN ({})",
        projects.join(", ")
    );
    if let Some(outcomes) = &recent.outcomes {
        let outcomes: Vec<_> = outcomes
            .iter()
            .map(|outcome| place(outcome.word().into()))
            .collect();
        let _ = write!(sql, " AND outcome IN ({})", outcomes.join(", "));
    }
    if let Some(branch) = &recent.branch {
        let _ = write!(sql, " AND branch = {}", place(branch.as_str().into()));
    }
    let order = if recent.projects.len() == 1 {
        "number DESC"
    } else {
        "created_at DESC, pk DESC"
    };
    let (limit, skip) = (place(recent.limit.into()), place(recent.skip.into()));
    let _ = write!(sql, " ORDER BY {order} LIMIT {limit} OFFSET {skip}");
    tx.all(&sql, &values, |row| Ok((row.int(0)?, row.int(1)?)))
        .await
}

/// Which jobs [`recent`] gives.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    pub(crate) projects: Vec<i64>,
    pub(crate) branch: Option<String>,
    pub(crate) outcomes: Option<Vec<JobOutcome>>,
    pub(crate) skip: u32,
    pub(crate) limit: u32,
}

/// Branches of a project that have jobs.
pub(crate) async fn branches(tx: &mut Tx, project: i64, limit: u32) -> Result<Vec<String>> {
    tx.all(
        "SELECT DISTINCT branch FROM job WHERE project_pk = ?1 AND node_index = 0 AND number IS NOT NULL
            AND branch IS NOT NULL ORDER BY branch LIMIT ?2",
        &[project.into(), limit.into()],
        |row| row.text(0),
    )
    .await
}

/// Takes the numbers of the jobs of a deleted build, which are not given again: lists of jobs by number need not ask whether
/// the build is still there.
pub(crate) async fn take_numbers(tx: &mut Tx, build: i64) -> Result<()> {
    let sql = "UPDATE job SET number = NULL WHERE build_pk = ?1";
    tx.execute(sql, &[build.into()]).await?;
    Ok(())
}

/// Moves a job on, if it is still in the state `from`.
pub(crate) async fn start(tx: &mut Tx, pk: i64, number: i64, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE job SET state = 'running', number = ?2, started_at = ?3, heard_at = ?3
             WHERE pk = ?1 AND state = 'queued'",
            &[pk.into(), number.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Ends a job that has not ended; `false` if it had.
pub(crate) async fn end(
    tx: &mut Tx,
    pk: i64,
    state: JobState,
    exit_status: Option<i32>,
    now: Timestamp,
    silenced_at: Option<Timestamp>,
) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE job SET state = ?2, exit_status = ?3, finished_at = ?4, silenced_at = ?5
             WHERE pk = ?1 AND state IN ('queued', 'running')",
            &[
                pk.into(),
                state.word().into(),
                exit_status.into(),
                now.into(),
                silenced_at.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// Brings what is derived from the nodes up to date: the outcome of the job of that name, and the state of the build.
pub(crate) async fn settle(tx: &mut Tx, build: i64, name: &str, now: Timestamp) -> Result<()> {
    let outcome = JobOutcome::of(of_name(tx, build, name).await?.iter().map(|job| job.state));
    tx.execute(
        "UPDATE job SET outcome = ?3 WHERE build_pk = ?1 AND name = ?2 AND outcome <> ?3",
        &[build.into(), name.into(), outcome.word().into()],
    )
    .await?;
    let states = tx
        .all(
            "SELECT DISTINCT state FROM job WHERE build_pk = ?1",
            &[build.into()],
            |row| row.parsed(0, JobState::parse),
        )
        .await?;
    let state = match JobOutcome::of(states) {
        JobOutcome::Running => BuildState::Running,
        JobOutcome::Passed => BuildState::Passed,
        JobOutcome::Failed | JobOutcome::TimedOut => BuildState::Failed,
        JobOutcome::Canceled => BuildState::Canceled,
    };
    let finished_at = (state != BuildState::Running).then_some(now);
    super::builds::set_state(tx, build, state, finished_at).await
}

/// Notes that a job was heard of. One that was ended by nothing but its silence, and not long ago, runs again.
pub(crate) async fn hear(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE job SET heard_at = ?2 WHERE pk = ?1 AND heard_at < ?2",
        &[pk.into(), now.into()],
    )
    .await?;
    let revived = tx
        .first(
            "UPDATE job SET state = 'running', finished_at = NULL, silenced_at = NULL
             WHERE pk = ?1 AND silenced_at > ?2 RETURNING build_pk, name, id, project_pk",
            &[pk.into(), now.plus_ms(-Job::SILENCE_FORGIVEN_MS).into()],
            |row| Ok((row.int(0)?, row.text(1)?, row.text(2)?, row.int(3)?)),
        )
        .await?;
    if let Some((build, name, id, project)) = revived {
        tx.lock(Room::Project(project)).await?;
        settle(tx, build, &name, now).await?;
        let build = super::builds::by_pk(tx, build).await?;
        let slug = build.map(|build| build.project.slug());
        audit::record_own(tx, now, slug.as_ref(), "revive job", &format!("job {id}")).await?;
    }
    Ok(())
}

/// Running jobs that were not heard of since `before`.
pub(crate) async fn unheard(
    tx: &mut Tx,
    before: Timestamp,
    build: Option<i64>,
    limit: u32,
) -> Result<Vec<Job>> {
    let mut values: Vec<Value> = vec![before.into(), limit.into()];
    let mut sql = format!("{SELECT} WHERE job.state = 'running' AND job.heard_at < ?1");
    if let Some(build) = build {
        values.push(build.into());
        sql.push_str(" AND job.build_pk = ?3");
    }
    sql.push_str(" ORDER BY job.heard_at LIMIT ?2");
    tx.all(&sql, &values, job).await
}

fn job(row: &Row<'_>) -> Result<Job> {
    Ok(Job {
        pk: row.int(0)?,
        id: row.parsed(1, JobId::parse)?,
        build_pk: row.int(2)?,
        build_id: row.parsed(3, BuildId::parse)?,
        build_number: row.int(4)?,
        name: row.text(5)?,
        number: row.int_or_none(6)?,
        index: row.small(7)?,
        parallelism: row.small(8)?,
        state: row.parsed(9, JobState::parse)?,
        exit_status: row
            .int_or_none(10)?
            .and_then(|status| i32::try_from(status).ok()),
        created_at: row.time(11)?,
        started_at: row.time_or_none(12)?,
        finished_at: row.time_or_none(13)?,
        artifact_count: row.int(14)?,
        total_bytes: row.int(15)?,
        heard_at: row.time(16)?,
        silenced_at: row.time_or_none(17)?,
    })
}
