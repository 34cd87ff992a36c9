//! How many bytes a project may keep.
//!
//! What it keeps is the sum over its builds, as they show it, and stands in its own row: what would pass the limit is refused
//! by the statement that counts it, in the transaction that makes the artifact. Uploads that say their size are refused
//! before their bytes come, too.

use crate::artifacts::Artifacts;
use crate::error::{Error, Result, What};
use crate::metadata::{Tx, projects};
use crate::model::{Principal, Project, ProjectSlug, SpaceLimit};
use crate::projects::Projects;
use crate::store::Settings;

impl Projects {
    /// Sets how many bytes a project may keep. What it keeps already stays, if it is more. Needs `admin` and the role of an
    /// admin on the project.
    pub async fn set_space_limit(
        &self,
        who: &Principal,
        slug: &ProjectSlug,
        limit: SpaceLimit,
    ) -> Result<()> {
        let what = format!("{slug}: {limit}");
        let set =
            async move |tx: &mut Tx, project| projects::set_space_limit(tx, project, limit).await;
        self.change_setting(who, slug, "set limit", what, set).await
    }
}

impl Artifacts {
    /// Says no before any byte comes to what will not fit in the end.
    pub(crate) async fn require_space(&self, project: &Project, bytes: u64) -> Result<()> {
        let (number, of_instance) = (project.number, of_instance(&self.0.settings));
        let space = self
            .0
            .database
            .read(async move |tx| projects::space(tx, number, of_instance).await)
            .await?;
        fits(project, space, bytes)
    }
}

/// Says no to what will not fit in the end, inside a transaction that does not count it yet.
pub(crate) async fn require(
    tx: &mut Tx,
    project: &Project,
    bytes: u64,
    of_instance: i64,
) -> Result<()> {
    let space = projects::space(tx, project.number, of_instance).await?;
    fits(project, space, bytes)
}

/// Counts bytes that a project is to keep, or says that they do not fit.
pub(crate) async fn take(
    tx: &mut Tx,
    project: &Project,
    bytes: u64,
    of_instance: i64,
) -> Result<()> {
    let number = project.number;
    if projects::take_space(tx, number, as_int(bytes), of_instance).await? {
        return Ok(());
    }
    let space = projects::space(tx, number, of_instance).await?;
    let (limit, used) = space.ok_or(Error::NotFound(What::Project))?;
    Err(full(project, limit, used, bytes))
}

/// The limit of projects without one of their own; 0 for none.
pub(crate) fn of_instance(settings: &Settings) -> i64 {
    as_int(settings.max_project_bytes)
}

fn fits(project: &Project, space: Option<(i64, i64)>, bytes: u64) -> Result<()> {
    match space {
        Some((limit, used)) if limit > 0 && used.saturating_add(as_int(bytes)) > limit => {
            Err(full(project, limit, used, bytes))
        }
        _ => Ok(()),
    }
}

fn full(project: &Project, limit: i64, used: i64, wanted: u64) -> Error {
    Error::ProjectFull {
        project: project.slug().to_string(),
        limit: u64::try_from(limit).unwrap_or(0),
        used: u64::try_from(used).unwrap_or(0),
        wanted,
    }
}

fn as_int(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
