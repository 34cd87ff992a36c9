//! Projects, and the counters that number their builds and jobs.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::metadata::organizations::{self, organization_at};
use crate::metadata::{Row, Tx, Value};
use crate::model::{Project, ProjectId, ProjectSlug, Retention, SpaceLimit};

/// Columns of a project and its organization, in the order that [`project_at`] reads.
pub(crate) const COLUMNS: &str = "project.pk, project.id, project.name, project.public_at, project.retention_days, project.created_at,
    project.max_bytes, project.total_bytes";
/// How a project finds its organization.
pub(crate) const JOIN: &str = "JOIN organization ON organization.pk = project.organization_pk";

pub(crate) async fn insert(tx: &mut Tx, project: &Project) -> Result<()> {
    tx.execute(
        "INSERT INTO project (pk, id, organization_pk, name, public_at, created_at, last_build, last_job)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0)",
        &[
            project.number.into(),
            project.id.to_string().into(),
            project.organization.pk.into(),
            project.name.as_str().into(),
            project.public_at.into(),
            project.created_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn by_slug(tx: &mut Tx, slug: &ProjectSlug) -> Result<Option<Project>> {
    one(
        tx,
        "organization.vcs = ?1 AND organization.name = ?2 AND project.name = ?3",
        &[
            slug.vcs.word().into(),
            slug.org.as_str().into(),
            slug.name.as_str().into(),
        ],
    )
    .await
}

/// The project of Buildkite's two slugs.
pub(crate) async fn by_pipeline(
    tx: &mut Tx,
    organization: &str,
    pipeline: &str,
) -> Result<Option<Project>> {
    one(
        tx,
        "organization.slug = ?1 AND project.name = ?2",
        &[organization.into(), pipeline.into()],
    )
    .await
}

pub(crate) async fn by_number(tx: &mut Tx, number: i64) -> Result<Option<Project>> {
    one(tx, "project.pk = ?1", &[number.into()]).await
}

/// All projects by slug.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<Project>> {
    let sql = format!(
        "SELECT {COLUMNS}, {} FROM project {JOIN} WHERE project.deleted_at IS NULL
         ORDER BY organization.vcs, organization.name, project.name",
        organizations::COLUMNS
    );
    tx.all(&sql, &[], |row| project_at(row, 0)).await
}

/// Gives a project another name; `false` if it has not the one that it had.
pub(crate) async fn rename(
    tx: &mut Tx,
    project: &Project,
    organization: i64,
    name: &str,
) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE project SET organization_pk = ?4, name = ?5
             WHERE pk = ?1 AND organization_pk = ?2 AND name = ?3 AND deleted_at IS NULL",
            &[
                project.number.into(),
                project.organization.pk.into(),
                project.name.as_str().into(),
                organization.into(),
                name.into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// Marks a project as deleted, under a name that none can have, so that its own can be given again; `false` if it was before.
pub(crate) async fn delete(tx: &mut Tx, project: &Project, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE project SET deleted_at = ?2, name = ?3, total_bytes = 0 WHERE pk = ?1 AND deleted_at IS NULL",
            &[
                project.number.into(),
                now.into(),
                format!("deleted/{}", project.id).into(),
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// Sets how many bytes a project may keep.
pub(crate) async fn set_space_limit(tx: &mut Tx, project: i64, limit: SpaceLimit) -> Result<()> {
    tx.execute(
        "UPDATE project SET max_bytes = ?2 WHERE pk = ?1",
        &[project.into(), limit.to_stored().into()],
    )
    .await?;
    Ok(())
}

/// The limit of a project, 0 for none, and the bytes that it keeps.
pub(crate) async fn space(
    tx: &mut Tx,
    project: i64,
    of_instance: i64,
) -> Result<Option<(i64, i64)>> {
    tx.first(
        "SELECT COALESCE(max_bytes, ?2), total_bytes FROM project WHERE pk = ?1 AND deleted_at IS NULL",
        &[project.into(), of_instance.into()],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )
    .await
}

/// Counts bytes that a project keeps from now on; `false` if they do not fit.
pub(crate) async fn take_space(
    tx: &mut Tx,
    project: i64,
    bytes: i64,
    of_instance: i64,
) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE project SET total_bytes = total_bytes + ?2 WHERE pk = ?1 AND deleted_at IS NULL
                AND (COALESCE(max_bytes, ?3) = 0 OR total_bytes + ?2 <= COALESCE(max_bytes, ?3))",
            &[project.into(), bytes.into(), of_instance.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Counts bytes that a project no longer keeps.
pub(crate) async fn give_back(tx: &mut Tx, project: i64, bytes: i64) -> Result<()> {
    tx.execute(
        "UPDATE project SET total_bytes = total_bytes - ?2 WHERE pk = ?1 AND deleted_at IS NULL",
        &[project.into(), bytes.into()],
    )
    .await?;
    Ok(())
}

/// The next number of a build.
pub(crate) async fn next_build(tx: &mut Tx, project: i64) -> Result<i64> {
    tx.one(
        "UPDATE project SET last_build = last_build + 1 WHERE pk = ?1 RETURNING last_build",
        &[project.into()],
        |row| row.int(0),
    )
    .await
}

/// The next number of a job.
pub(crate) async fn next_job(tx: &mut Tx, project: i64) -> Result<i64> {
    tx.one(
        "UPDATE project SET last_job = last_job + 1 WHERE pk = ?1 RETURNING last_job",
        &[project.into()],
        |row| row.int(0),
    )
    .await
}

/// Sets how long finished artifacts of a project are kept.
pub(crate) async fn set_retention(tx: &mut Tx, project: i64, retention: Retention) -> Result<()> {
    tx.execute(
        "UPDATE project SET retention_days = ?2 WHERE pk = ?1",
        &[project.into(), retention.to_stored().into()],
    )
    .await?;
    Ok(())
}

/// Whether artifacts of any project expire, where `of_instance` days are the retention of those without one of their own.
pub(crate) async fn any_retention(tx: &mut Tx, of_instance: u32) -> Result<bool> {
    let sql = "SELECT 1 FROM project WHERE COALESCE(retention_days, ?1) <> 0 AND deleted_at IS NULL LIMIT 1";
    let found = tx
        .first(sql, &[of_instance.into()], |row| row.int(0))
        .await?;
    Ok(found.is_some())
}

/// Reads the columns of a project and its organization that begin at `first`.
pub(crate) fn project_at(row: &Row<'_>, first: usize) -> Result<Project> {
    Ok(Project {
        number: row.int(first)?,
        id: row.parsed(first + 1, ProjectId::parse)?,
        name: row.text(first + 2)?,
        public_at: row.time_or_none(first + 3)?,
        retention: retention_at(row, first + 4)?,
        created_at: row.time(first + 5)?,
        space_limit: SpaceLimit::from_stored(row.int_or_none(first + 6)?),
        total_bytes: row.int(first + 7)?,
        organization: organization_at(row, first + 8)?,
    })
}

fn retention_at(row: &Row<'_>, column: usize) -> Result<Retention> {
    let damaged = |error| Error::internal("read a stored retention", error);
    let days = row.int_or_none(column)?.map(u32::try_from).transpose();
    Ok(Retention::from_stored(days.map_err(damaged)?))
}

async fn one(tx: &mut Tx, condition: &str, values: &[Value]) -> Result<Option<Project>> {
    let sql = format!(
        "SELECT {COLUMNS}, {} FROM project {JOIN} WHERE {condition} AND project.deleted_at IS NULL",
        organizations::COLUMNS
    );
    tx.first(&sql, values, |row| project_at(row, 0)).await
}
