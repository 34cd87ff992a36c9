//! Artifacts.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Row, Tx, Value};
use crate::model::{
    Artifact, ArtifactId, ArtifactPath, ArtifactState, BuildId, Cursor, FileMode, JobId, Offset,
    Sha1Digest, Sha256Digest,
};
use std::fmt::Write as _;

/// The state of an artifact as of ?1, where ?2 days are the retention of projects without one of their own. A row says
/// `finished` until the sweeper comes by and `new` until its lease is noticed to have ended, so nothing but the sweeper
/// reads the bare column.
macro_rules! state {
    () => {
        "CASE WHEN artifact.state = 'finished'
                AND artifact.finished_at <= ?1 - NULLIF(COALESCE(project.retention_days, ?2), 0) * 86400000 THEN 'expired'
            WHEN artifact.state = 'new' AND artifact.deadline_at <= ?1 THEN 'error'
            ELSE artifact.state END"
    };
}

/// [`state!`] as a word of statements.
const STATE: &str = state!();

/// Artifacts with their states; ?1 and ?2 are those of [`AsOf::values`].
const SELECT: &str = concat!(
    "SELECT artifact.pk, artifact.id, artifact.job_pk, artifact.build_pk, job.id, job.node_index,
        job.number, build.id, build.number, artifact.path, artifact.alias, artifact.absolute_path, ",
    state!(),
    ", artifact.size, artifact.sha1, artifact.sha256, artifact.content_type, artifact.created_at,
        artifact.finished_at, artifact.blob_pk, artifact.mode, artifact.part_bytes
    FROM artifact JOIN job ON job.pk = artifact.job_pk
        JOIN build ON build.pk = artifact.build_pk AND build.deleted_at IS NULL
        JOIN project ON project.pk = artifact.project_pk AND project.deleted_at IS NULL"
);

/// What the state of an artifact hangs on beside its row and its project's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AsOf {
    /// The time for which the state is asked.
    pub(crate) now: Timestamp,
    /// Retention of projects that have none of their own; 0 for no end.
    pub(crate) retention_days: u32,
}

impl AsOf {
    /// Values ?1 and ?2 of every statement that asks for a state, with the further ones.
    fn values<const N: usize>(self, further: [Value; N]) -> Vec<Value> {
        let mut values = vec![self.now.into(), self.retention_days.into()];
        values.extend(further);
        values
    }
}

/// Whose artifacts a list holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// All jobs of the build with this key.
    Build(i64),
    /// The node with this key.
    Job(i64),
}

/// Which artifacts a list holds.
#[derive(Clone, Debug)]
pub(crate) struct Conditions {
    pub(crate) of: Of,
    /// One or more.
    pub(crate) states: Vec<ArtifactState>,
    /// An exact path.
    pub(crate) path: Option<String>,
}

pub(crate) async fn insert(
    tx: &mut Tx,
    project: i64,
    artifact: &Artifact,
    deadline_at: Option<Timestamp>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO artifact (pk, id, job_pk, build_pk, project_pk, path, alias, absolute_path, state, blob_pk, size,
                sha1, sha256, content_type, created_at, finished_at, deadline_at, mode, part_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        &[
            artifact.number.into(),
            artifact.id.to_string().into(),
            artifact.job_pk.into(),
            artifact.build_pk.into(),
            project.into(),
            artifact.path.as_str().into(),
            artifact.alias.clone().into(),
            artifact.absolute_path.clone().into(),
            artifact.state.word().into(),
            artifact.blob_pk.into(),
            artifact
                .size_is_known
                .then(|| i64::try_from(artifact.size).unwrap_or(i64::MAX))
                .into(),
            artifact.sha1.as_ref().map(|digest| digest.0.as_slice()).into(),
            artifact.sha256.as_ref().map(|digest| digest.0.as_slice()).into(),
            artifact.content_type.as_str().into(),
            artifact.created_at.into(),
            artifact.finished_at.into(),
            deadline_at.into(),
            artifact.mode.map(FileMode::bits).into(),
            artifact.part_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn by_id(tx: &mut Tx, as_of: AsOf, id: ArtifactId) -> Result<Option<Artifact>> {
    tx.first(
        &format!("{SELECT} WHERE artifact.id = ?3"),
        &as_of.values([id.to_string().into()]),
        artifact,
    )
    .await
}

/// The newest artifact of that path and in that state in a node.
pub(crate) async fn newest(
    tx: &mut Tx,
    as_of: AsOf,
    job: i64,
    path: &str,
    state: ArtifactState,
) -> Result<Option<Artifact>> {
    newest_where(tx, as_of, "artifact.path = ?4", job, path, state).await
}

/// The newest artifact of that alias and in that state in a node.
pub(crate) async fn newest_by_alias(
    tx: &mut Tx,
    as_of: AsOf,
    job: i64,
    alias: &str,
    state: ArtifactState,
) -> Result<Option<Artifact>> {
    newest_where(tx, as_of, "artifact.alias = ?4", job, alias, state).await
}

/// Finished artifacts of a node by path; of equal paths only the newest.
pub(crate) async fn by_path(tx: &mut Tx, as_of: AsOf, job: i64) -> Result<Vec<Artifact>> {
    // The order of the index, so that nothing is sorted.
    let sql = format!(
        "{SELECT} WHERE artifact.job_pk = ?3 AND {STATE} = 'finished' ORDER BY artifact.path, artifact.pk"
    );
    let mut artifacts = tx.all(&sql, &as_of.values([job.into()]), artifact).await?;
    artifacts.dedup_by(|newer, kept| {
        let is_same = newer.path == kept.path;
        if is_same {
            std::mem::swap(newer, kept);
        }
        is_same
    });
    Ok(artifacts)
}

/// A page in order of creation.
pub(crate) async fn page(
    tx: &mut Tx,
    as_of: AsOf,
    conditions: &Conditions,
    offset: Offset,
) -> Result<Vec<Artifact>> {
    let (clause, mut values) = conditions.clause(as_of);
    values.push(offset.limit.into());
    values.push(offset.skip.into());
    let sql = format!(
        "{SELECT} WHERE {clause} ORDER BY artifact.created_at, artifact.pk LIMIT ?{} OFFSET ?{}",
        values.len() - 1,
        values.len()
    );
    tx.all(&sql, &values, artifact).await
}

/// At most `limit` artifacts after a place, in order of creation.
pub(crate) async fn after(
    tx: &mut Tx,
    as_of: AsOf,
    conditions: &Conditions,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Artifact>> {
    let (mut clause, mut values) = conditions.clause(as_of);
    if let Some(cursor) = cursor {
        values.push(cursor.created_at.into());
        values.push(cursor.number.into());
        let (time, number) = (values.len() - 1, values.len());
        let _ = write!(
            clause,
            " AND (artifact.created_at, artifact.pk) > (?{time}, ?{number})"
        );
    }
    values.push(limit.into());
    let sql = format!(
        "{SELECT} WHERE {clause} ORDER BY artifact.created_at, artifact.pk LIMIT ?{}",
        values.len()
    );
    tx.all(&sql, &values, artifact).await
}

/// How many artifacts hold the conditions.
pub(crate) async fn count(tx: &mut Tx, as_of: AsOf, conditions: &Conditions) -> Result<u64> {
    let (clause, values) = conditions.clause(as_of);
    let sql = format!(
        "SELECT COUNT(*) FROM artifact JOIN project ON project.pk = artifact.project_pk WHERE {clause}"
    );
    let count = tx.one(&sql, &values, |row| row.int(0)).await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Makes an announced artifact finished with its blob; `false` if it no longer awaited bytes.
pub(crate) async fn finish(tx: &mut Tx, artifact: &Artifact) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE artifact SET state = 'finished', blob_pk = ?2, size = ?3, sha1 = ?4, sha256 = ?5, finished_at = ?6,
                deadline_at = NULL
             WHERE pk = ?1 AND state = 'new' AND deadline_at > ?6",
            &[
                artifact.number.into(),
                artifact.blob_pk.into(),
                i64::try_from(artifact.size).unwrap_or(i64::MAX).into(),
                artifact.sha1.as_ref().map(|digest| digest.0.as_slice()).into(),
                artifact.sha256.as_ref().map(|digest| digest.0.as_slice()).into(),
                artifact.finished_at.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// The artifact of a node that awaits parts of a file with this path and content.
pub(crate) async fn awaiting_parts(
    tx: &mut Tx,
    as_of: AsOf,
    job: i64,
    path: &str,
    size: u64,
    sha256: Sha256Digest,
) -> Result<Option<Artifact>> {
    let sql = format!(
        "{SELECT} WHERE artifact.job_pk = ?3 AND artifact.path = ?4 AND {STATE} = 'new' AND artifact.size = ?5
            AND artifact.sha256 = ?6 AND artifact.part_bytes IS NOT NULL ORDER BY artifact.pk DESC LIMIT 1"
    );
    let values = as_of.values([
        job.into(),
        path.into(),
        i64::try_from(size).unwrap_or(i64::MAX).into(),
        sha256.0.as_slice().into(),
    ]);
    tx.first(&sql, &values, artifact).await
}

/// How many artifacts of a node await bytes.
pub(crate) async fn awaited_of_job(tx: &mut Tx, job: i64) -> Result<i64> {
    tx.one(
        "SELECT COUNT(*) FROM artifact WHERE job_pk = ?1 AND state = 'new'",
        &[job.into()],
        |row| row.int(0),
    )
    .await
}

/// Gives an artifact that awaits bytes until when they may come; `false` if it awaits none any more.
pub(crate) async fn renew(
    tx: &mut Tx,
    pk: i64,
    now: Timestamp,
    deadline: Timestamp,
) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE artifact SET deadline_at = ?3 WHERE pk = ?1 AND state = 'new' AND deadline_at > ?2",
            &[pk.into(), now.into(), deadline.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// What of a node awaits bytes must have them by then, if it did not have to sooner.
pub(crate) async fn hurry(tx: &mut Tx, job: i64, deadline: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE artifact SET deadline_at = ?2 WHERE job_pk = ?1 AND state = 'new' AND deadline_at > ?2",
        &[job.into(), deadline.into()],
    )
    .await?;
    Ok(())
}

/// Gives an artifact that awaits bytes what its uploader says of it now.
pub(crate) async fn describe(tx: &mut Tx, artifact: &Artifact) -> Result<()> {
    tx.execute(
        "UPDATE artifact SET alias = ?2, content_type = ?3, mode = ?4 WHERE pk = ?1",
        &[
            artifact.number.into(),
            artifact.alias.clone().into(),
            artifact.content_type.as_str().into(),
            artifact.mode.map(FileMode::bits).into(),
        ],
    )
    .await?;
    Ok(())
}

/// Moves an artifact on from one state to another; `false` if it was not in the first.
pub(crate) async fn move_on(
    tx: &mut Tx,
    as_of: AsOf,
    pk: i64,
    from: ArtifactState,
    to: ArtifactState,
) -> Result<bool> {
    let sql = format!(
        "UPDATE artifact SET state = ?5, ended_at = ?1, deadline_at = NULL
         WHERE pk = ?3 AND EXISTS (SELECT 1 FROM project WHERE project.pk = artifact.project_pk AND {STATE} = ?4)"
    );
    let values = as_of.values([pk.into(), from.word().into(), to.word().into()]);
    Ok(tx.execute(&sql, &values).await? == 1)
}

/// Announced artifacts whose bytes did not come in time become `error`; which.
pub(crate) async fn fail_overdue(tx: &mut Tx, now: Timestamp) -> Result<Vec<i64>> {
    tx.all(
        "UPDATE artifact SET state = 'error', ended_at = ?1, deadline_at = NULL
         WHERE state = 'new' AND deadline_at <= ?1 RETURNING pk",
        &[now.into()],
        |row| row.int(0),
    )
    .await
}

/// An artifact whose row still says `finished` after its retention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) pk: i64,
    pub(crate) build_pk: i64,
    pub(crate) job_pk: i64,
    pub(crate) blob_pk: Option<i64>,
    pub(crate) bytes: i64,
}

/// Artifacts past their retention whose rows do not say so yet. The bare columns are compared, and SQLite takes the
/// tables of a `CROSS JOIN` in the order written, so that the index answers for each project.
const DUE: &str = "FROM project CROSS JOIN artifact
    WHERE artifact.project_pk = project.pk AND artifact.state = 'finished' AND project.deleted_at IS NULL
        AND artifact.finished_at <= ?1 - NULLIF(COALESCE(project.retention_days, ?2), 0) * 86400000
        AND NOT EXISTS (SELECT 1 FROM build WHERE build.pk = artifact.build_pk AND build.deleted_at IS NOT NULL)";

/// A project that has artifacts past their retention which are not yet noted as expired.
pub(crate) async fn project_with_due(tx: &mut Tx, as_of: AsOf) -> Result<Option<i64>> {
    let sql = format!("SELECT project.pk {DUE} LIMIT 1");
    tx.first(&sql, &as_of.values([]), |row| row.int(0)).await
}

/// Some of the artifacts of a project that are past their retention and not yet noted as expired.
pub(crate) async fn due(tx: &mut Tx, as_of: AsOf, project: i64, limit: u32) -> Result<Vec<Due>> {
    let sql = format!(
        "SELECT artifact.pk, artifact.build_pk, artifact.job_pk, artifact.blob_pk, artifact.size {DUE}
            AND project.pk = ?3 LIMIT ?4"
    );
    tx.all(&sql, &as_of.values([project.into(), limit.into()]), |row| {
        Ok(Due {
            pk: row.int(0)?,
            build_pk: row.int(1)?,
            job_pk: row.int(2)?,
            blob_pk: row.int_or_none(3)?,
            bytes: row.int_or_none(4)?.unwrap_or(0),
        })
    })
    .await
}

/// How many artifacts are past their retention and not yet noted as expired, and their bytes.
pub(crate) async fn due_in_all(tx: &mut Tx, as_of: AsOf) -> Result<(i64, i64)> {
    let sql = format!("SELECT COUNT(*), CAST(COALESCE(SUM(artifact.size), 0) AS BIGINT) {DUE}");
    let values = as_of.values([]);
    tx.one(&sql, &values, |row| Ok((row.int(0)?, row.int(1)?)))
        .await
}

/// Notes that an artifact is past its retention; `false` if it was deleted or noted meanwhile.
pub(crate) async fn expire(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE artifact SET state = 'expired', ended_at = ?2 WHERE pk = ?1 AND state = 'finished'",
            &[pk.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Finished artifacts after a row, for a pass over all of them.
pub(crate) async fn finished_after(
    tx: &mut Tx,
    as_of: AsOf,
    pk: i64,
    limit: u32,
) -> Result<Vec<Artifact>> {
    let sql = format!(
        "{SELECT} WHERE {STATE} = 'finished' AND artifact.pk > ?3 ORDER BY artifact.pk LIMIT ?4"
    );
    let values = as_of.values([pk.into(), limit.into()]);
    tx.all(&sql, &values, artifact).await
}

/// Id and path of finished artifacts with these bytes, a few of them.
pub(crate) async fn of_blob(tx: &mut Tx, blob: i64, limit: u32) -> Result<Vec<(String, String)>> {
    tx.all(
        "SELECT id, path FROM artifact WHERE blob_pk = ?1 AND state = 'finished' ORDER BY pk LIMIT ?2",
        &[blob.into(), limit.into()],
        |row| Ok((row.text(0)?, row.text(1)?)),
    )
    .await
}

impl Conditions {
    fn clause(&self, as_of: AsOf) -> (String, Vec<Value>) {
        let (column, pk) = match self.of {
            Of::Build(pk) => ("artifact.build_pk", pk),
            Of::Job(pk) => ("artifact.job_pk", pk),
        };
        let mut values = as_of.values([pk.into()]);
        let places: Vec<_> = self
            .states
            .iter()
            .map(|state| {
                values.push(state.word().into());
                format!("?{}", values.len())
            })
            .collect();
        let mut clause = format!("{column} = ?3 AND {STATE} IN ({})", places.join(", "));
        if let Some(path) = &self.path {
            values.push(path.as_str().into());
            let _ = write!(clause, " AND artifact.path = ?{}", values.len());
        }
        (clause, values)
    }
}

async fn newest_where(
    tx: &mut Tx,
    as_of: AsOf,
    condition: &str,
    job: i64,
    name: &str,
    state: ArtifactState,
) -> Result<Option<Artifact>> {
    let sql = format!(
        "{SELECT} WHERE artifact.job_pk = ?3 AND {condition} AND {STATE} = ?5
            ORDER BY artifact.pk DESC LIMIT 1"
    );
    let values = as_of.values([job.into(), name.into(), state.word().into()]);
    tx.first(&sql, &values, artifact).await
}

fn artifact(row: &Row<'_>) -> Result<Artifact> {
    Ok(Artifact {
        number: row.int(0)?,
        id: row.parsed(1, ArtifactId::parse)?,
        job_pk: row.int(2)?,
        build_pk: row.int(3)?,
        job_id: row.parsed(4, JobId::parse)?,
        job_index: row.small(5)?,
        job_number: row.int_or_none(6)?,
        build_id: row.parsed(7, BuildId::parse)?,
        build_number: row.int(8)?,
        path: row.parsed(9, |path| ArtifactPath::parse(path).ok())?,
        alias: row.text_or_none(10)?,
        absolute_path: row.text_or_none(11)?,
        state: row.parsed(12, ArtifactState::parse)?,
        size: u64::try_from(row.int_or_none(13)?.unwrap_or(0)).unwrap_or(0),
        size_is_known: row.int_or_none(13)?.is_some(),
        sha1: row
            .bytes_or_none(14)?
            .and_then(|bytes| Sha1Digest::from_slice(&bytes)),
        sha256: row
            .bytes_or_none(15)?
            .and_then(|bytes| Sha256Digest::from_slice(&bytes)),
        content_type: row.text(16)?,
        created_at: row.time(17)?,
        finished_at: row.time_or_none(18)?,
        blob_pk: row.int_or_none(19)?,
        mode: row.int_or_none(20)?.and_then(FileMode::of_bits),
        part_bytes: row
            .int_or_none(21)?
            .and_then(|bytes| u64::try_from(bytes).ok()),
    })
}
