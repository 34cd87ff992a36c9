//! Ends of life: how long finished artifacts are kept, and what becomes of those that are past it.
//!
//! Reads do not wait for this: a statement in `metadata/artifacts.rs` tells the state from the clock. What is here
//! notes it in the rows, takes it from the counts and gives the bytes free.

use crate::access::{Action, Resource, absent, authorize};
use crate::error::{Result, What};
use crate::larder::Larder;
use crate::metadata::artifacts::{self, AsOf};
use crate::metadata::{Tx, audit, blobs, builds, projects};
use crate::model::{Principal, ProjectSlug, Retention};
use crate::projects::Projects;

/// Rows noted as expired in one transaction.
const BATCH: u32 = 500;

impl Projects {
    /// Sets how long finished artifacts of a project are kept, those that are there already included. Needs `admin`
    /// and the role of an admin on the project.
    ///
    /// It counts at once. A longer time brings back what has expired but was not swept yet; what was swept stays gone.
    pub async fn set_retention(
        &self,
        who: &Principal,
        slug: &ProjectSlug,
        retention: Retention,
    ) -> Result<()> {
        let (who, slug, now) = (who.clone(), slug.clone(), self.0.clock.now());
        self.0
            .database
            .write(async move |tx| {
                let Some(project) = projects::by_slug(tx, &slug).await? else {
                    return Err(absent(&who, What::Project));
                };
                authorize(&who, Action::SetUpProject, Resource::project(&project))?;
                projects::set_retention(tx, project.number, retention).await?;
                let what = format!("{slug}: {retention}");
                audit::record(tx, now, &who, "set retention", &what).await
            })
            .await
    }
}

impl Larder {
    /// Notes in its row, for every artifact past its retention, that it has expired; condemns the bytes to which nothing
    /// else points. How many artifacts.
    pub(crate) async fn expire(&self) -> Result<u64> {
        let as_of = self.store.as_of_now();
        let mut expired = 0;
        loop {
            let batch = self
                .store
                .database
                .write(async move |tx| expire_some(tx, as_of).await)
                .await?;
            if batch == 0 {
                return Ok(expired);
            }
            expired += batch;
        }
    }
}

async fn expire_some(tx: &mut Tx, as_of: AsOf) -> Result<u64> {
    let due = artifacts::due(tx, as_of, BATCH).await?;
    for artifact in &due {
        artifacts::expire(tx, artifact.pk, as_of.now).await?;
        builds::add_to_counts(tx, artifact.build_pk, artifact.job_pk, -1, -artifact.bytes).await?;
        if let Some(blob) = artifact.blob_pk {
            blobs::condemn_unless_used(tx, blob, as_of.now).await?;
        }
    }
    Ok(due.len() as u64)
}
