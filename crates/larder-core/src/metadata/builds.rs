//! Builds.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::projects::{self, project_at};
use crate::metadata::{Row, Tx, Value, organizations};
use crate::model::{Build, BuildId, BuildState, Contents, Cursor};

const COLUMNS: &str = "build.pk, build.id, build.number, build.branch, build.tag, build.revision, build.message,
    build.fork_at, build.state, build.created_at, build.finished_at, build.artifact_count, build.total_bytes,
    account.name";
/// Columns of a build itself; those of its project follow.
const WIDTH: usize = 14;

/// Which builds a list holds. Every condition that is given must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) projects: Vec<i64>,
    pub(crate) states: Vec<BuildState>,
    pub(crate) branches: Vec<String>,
    pub(crate) tag: Option<String>,
    pub(crate) revision: Option<String>,
    pub(crate) created_from: Option<Timestamp>,
    pub(crate) created_to: Option<Timestamp>,
    pub(crate) finished_from: Option<Timestamp>,
    pub(crate) before: Option<Cursor>,
}

/// Artifacts of all builds, and their bytes.
pub(crate) async fn totals(tx: &mut Tx) -> Result<(i64, i64)> {
    tx.one(
        "SELECT CAST(COALESCE(SUM(artifact_count), 0) AS BIGINT), CAST(COALESCE(SUM(total_bytes), 0) AS BIGINT) FROM build",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )
    .await
}

pub(crate) async fn insert(
    tx: &mut Tx,
    build: &Build,
    external_id: Option<&str>,
    account: Option<i64>,
) -> Result<()> {
    tx.execute(
        "INSERT INTO build (pk, id, project_pk, number, external_id, branch, tag, revision, message, fork_at,
                account_pk, state, created_at, artifact_count, total_bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, 0)",
        &[
            build.pk.into(),
            build.id.to_string().into(),
            build.project.number.into(),
            build.number.into(),
            external_id.into(),
            build.branch.clone().into(),
            build.tag.clone().into(),
            build.revision.clone().into(),
            build.message.clone().into(),
            build.fork.then_some(build.created_at).into(),
            account.into(),
            build.state.word().into(),
            build.created_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn by_id(tx: &mut Tx, id: BuildId) -> Result<Option<Build>> {
    one(tx, "build.id = ?1", &[id.to_string().into()]).await
}

pub(crate) async fn by_pk(tx: &mut Tx, pk: i64) -> Result<Option<Build>> {
    one(tx, "build.pk = ?1", &[pk.into()]).await
}

pub(crate) async fn by_number(tx: &mut Tx, project: i64, number: i64) -> Result<Option<Build>> {
    one(
        tx,
        "build.project_pk = ?1 AND build.number = ?2",
        &[project.into(), number.into()],
    )
    .await
}

pub(crate) async fn by_external_id(
    tx: &mut Tx,
    project: i64,
    external_id: &str,
) -> Result<Option<Build>> {
    one(
        tx,
        "build.project_pk = ?1 AND build.external_id = ?2",
        &[project.into(), external_id.into()],
    )
    .await
}

/// Builds that hold the conditions, newest first, after `skip` of them.
pub(crate) async fn list(
    tx: &mut Tx,
    conditions: &Conditions,
    skip: u32,
    limit: u32,
) -> Result<Vec<Build>> {
    if conditions.projects.is_empty() {
        return Ok(Vec::new());
    }
    let (clause, mut values) = conditions.clause();
    values.push(limit.into());
    values.push(skip.into());
    let sql = format!(
        "{} WHERE {clause} ORDER BY build.created_at DESC, build.pk DESC LIMIT ?{} OFFSET ?{}",
        select(),
        values.len() - 1,
        values.len()
    );
    tx.all(&sql, &values, build).await
}

/// How many builds hold the conditions.
pub(crate) async fn count(tx: &mut Tx, conditions: &Conditions) -> Result<u64> {
    if conditions.projects.is_empty() {
        return Ok(0);
    }
    let (clause, values) = conditions.clause();
    let count = tx
        .one(
            &format!("SELECT COUNT(*) FROM build WHERE {clause}"),
            &values,
            |row| row.int(0),
        )
        .await?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Sets what the jobs of a build amount to.
pub(crate) async fn set_state(
    tx: &mut Tx,
    pk: i64,
    state: BuildState,
    finished_at: Option<Timestamp>,
) -> Result<()> {
    tx.execute(
        "UPDATE build SET state = ?2, finished_at = ?3 WHERE pk = ?1",
        &[pk.into(), state.word().into(), finished_at.into()],
    )
    .await?;
    Ok(())
}

/// Adds to the counts of a build and of a job in it.
pub(crate) async fn add_to_counts(
    tx: &mut Tx,
    build: i64,
    job: i64,
    artifacts: i64,
    bytes: i64,
) -> Result<()> {
    for (table, pk) in [("build", build), ("job", job)] {
        let sql = format!(
            "UPDATE {table} SET artifact_count = artifact_count + ?2, total_bytes = total_bytes + ?3 WHERE pk = ?1"
        );
        tx.execute(&sql, &[pk.into(), artifacts.into(), bytes.into()])
            .await?;
    }
    Ok(())
}

/// Marks a build as deleted, so that another one can have its external id; its bytes, unless it was deleted before.
pub(crate) async fn delete(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<Option<i64>> {
    tx.first(
        "UPDATE build SET deleted_at = ?2, external_id = NULL WHERE pk = ?1 AND deleted_at IS NULL
         RETURNING total_bytes",
        &[pk.into(), now.into()],
        |row| row.int(0),
    )
    .await
}

/// How many builds a project has, with how many artifacts and bytes.
pub(crate) async fn contents_of_project(tx: &mut Tx, project: i64) -> Result<Contents> {
    tx.one(
        "SELECT COUNT(*), CAST(COALESCE(SUM(artifact_count), 0) AS BIGINT),
            CAST(COALESCE(SUM(total_bytes), 0) AS BIGINT)
         FROM build WHERE project_pk = ?1 AND deleted_at IS NULL",
        &[project.into()],
        |row| {
            Ok(Contents {
                builds: row.int(0)?,
                artifacts: row.int(1)?,
                bytes: row.int(2)?,
            })
        },
    )
    .await
}

/// Bytes of the artifacts of all builds, equal content counted as often as it is kept.
pub(crate) async fn bytes_in_all(tx: &mut Tx) -> Result<i64> {
    let sql = "SELECT CAST(COALESCE(SUM(total_bytes), 0) AS BIGINT) FROM project WHERE deleted_at IS NULL";
    tx.one(sql, &[], |row| row.int(0)).await
}

impl Conditions {
    fn clause(&self) -> (String, Vec<Value>) {
        let mut parts = vec!["build.deleted_at IS NULL".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let one_of =
            |column: &str, given: Vec<Value>, parts: &mut Vec<String>, values: &mut Vec<Value>| {
                if given.is_empty() {
                    return;
                }
                let places: Vec<_> = given
                    .iter()
                    .enumerate()
                    .map(|(at, _)| format!("?{}", values.len() + at + 1))
                    .collect();
                parts.push(format!("{column} IN ({})", places.join(", ")));
                values.extend(given);
            };
        let projects = self.projects.iter().map(|pk| Value::from(*pk)).collect();
        one_of("build.project_pk", projects, &mut parts, &mut values);
        let states = self
            .states
            .iter()
            .map(|state| Value::from(state.word()))
            .collect();
        one_of("build.state", states, &mut parts, &mut values);
        let branches = self
            .branches
            .iter()
            .map(|branch| Value::from(branch.as_str()))
            .collect();
        one_of("build.branch", branches, &mut parts, &mut values);
        let tag = self.tag.as_deref().map(Value::from).into_iter().collect();
        one_of("build.tag", tag, &mut parts, &mut values);
        let revision = self
            .revision
            .as_deref()
            .map(Value::from)
            .into_iter()
            .collect();
        one_of("build.revision", revision, &mut parts, &mut values);
        for (comparison, time) in [
            ("build.created_at >=", self.created_from),
            ("build.created_at <", self.created_to),
            ("build.finished_at >=", self.finished_from),
        ] {
            if let Some(time) = time {
                values.push(time.into());
                parts.push(format!("{comparison} ?{}", values.len()));
            }
        }
        if let Some(before) = self.before {
            values.push(before.created_at.into());
            values.push(before.number.into());
            parts.push(format!(
                "(build.created_at, build.pk) < (?{}, ?{})",
                values.len() - 1,
                values.len()
            ));
        }
        (parts.join(" AND "), values)
    }
}

fn select() -> String {
    format!(
        "SELECT {COLUMNS}, {}, {} FROM build
         JOIN project ON project.pk = build.project_pk AND project.deleted_at IS NULL {}
         LEFT JOIN account ON account.pk = build.account_pk",
        projects::COLUMNS,
        organizations::COLUMNS,
        projects::JOIN
    )
}

async fn one(tx: &mut Tx, condition: &str, values: &[Value]) -> Result<Option<Build>> {
    let sql = format!(
        "{} WHERE {condition} AND build.deleted_at IS NULL",
        select()
    );
    tx.first(&sql, values, build).await
}

fn build(row: &Row<'_>) -> Result<Build> {
    Ok(Build {
        pk: row.int(0)?,
        id: row.parsed(1, BuildId::parse)?,
        number: row.int(2)?,
        branch: row.text_or_none(3)?,
        tag: row.text_or_none(4)?,
        revision: row.text_or_none(5)?,
        message: row.text_or_none(6)?,
        fork: row.int_or_none(7)?.is_some(),
        state: row.parsed(8, BuildState::parse)?,
        created_at: row.time(9)?,
        finished_at: row.time_or_none(10)?,
        artifact_count: row.int(11)?,
        total_bytes: row.int(12)?,
        creator: row.text_or_none(13)?,
        project: project_at(row, WIDTH)?,
    })
}
