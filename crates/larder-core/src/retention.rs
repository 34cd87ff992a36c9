//! Ends of life: how long finished artifacts are kept, and what becomes of those that are past it.
//!
//! Reads do not wait for this: a statement in `metadata/artifacts.rs` tells the state from the clock. What is here
//! notes it in the rows, takes it from the counts and gives the bytes free.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::larder::Larder;
use crate::metadata::artifacts::{self, AsOf};
use crate::metadata::{Room, Tx, audit, blobs, builds, instance, projects};
use crate::model::{Principal, ProjectSlug, Retention};
use crate::projects::Projects;
use std::sync::PoisonError;

/// Rows noted as expired in one transaction.
const BATCH: u32 = 500;
/// A sweep that would expire more artifacts than this, and with them more than one part in [`DUE_SHARE`] of all bytes,
/// asks a person first.
const DUE_ARTIFACTS: i64 = 1_000;
const DUE_SHARE: i64 = 4;
/// So does one that finds the clock further than a day from where it should be.
const JUMP_MS: i64 = 24 * 60 * 60 * 1000;

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
        let what = format!("{slug}: {retention}");
        let set =
            async move |tx: &mut Tx, project| projects::set_retention(tx, project, retention).await;
        self.change_setting(who, slug, "set retention", what, set)
            .await
    }
}

impl Larder {
    /// Notes in its row, for every artifact past its retention, that it has expired; condemns the bytes to which nothing
    /// else points. How many artifacts; or, if the brake holds, why.
    pub(crate) async fn expire(&self) -> Result<(u64, Option<String>)> {
        let as_of = self.store.as_of_now();
        let jumped_ms = self.clock_jump_ms(as_of.now).await?;
        let held_why = self
            .store
            .database
            .write(async move |tx| {
                let held_why = match instance::sweeps(tx).await?.held_why {
                    Some(why) => Some(why),
                    None => reason_to_hold(tx, as_of, jumped_ms).await?,
                };
                instance::note_sweep(tx, as_of.now, held_why.as_deref()).await?;
                Ok(held_why)
            })
            .await?;
        match held_why {
            None => Ok((self.expire_due(as_of).await?, None)),
            held_why => Ok((0, held_why)),
        }
    }

    /// Lets go of the brake, and expires at once what is due by the clock: the operator has seen that clock and settings
    /// are right. How many artifacts.
    pub async fn resume_retention(&self) -> Result<u64> {
        let as_of = self.store.as_of_now();
        self.clock_jump_ms(as_of.now).await?;
        self.store
            .database
            .write(async move |tx| {
                instance::note_sweep(tx, as_of.now, None).await?;
                audit::record(tx, as_of.now, &Principal::Operator, "resume retention", "").await
            })
            .await?;
        self.expire_due(as_of).await
    }

    /// How far the clock moved, since the last sweep, from where it should be: after a sweep by this process from the
    /// time that passed, otherwise from the time that the last process noted.
    async fn clock_jump_ms(&self, now: Timestamp) -> Result<i64> {
        let elapsed_ms = self.store.clock.elapsed_ms();
        let last = self
            .store
            .last_sweep
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace((now, elapsed_ms));
        let expected = if let Some((then, elapsed_then)) = last {
            Some(then.plus_ms(elapsed_ms - elapsed_then))
        } else {
            let sweeps = self
                .store
                .database
                .read(async |tx| instance::sweeps(tx).await);
            sweeps.await?.last_at
        };
        Ok(expected.map_or(0, |expected| now.0.saturating_sub(expected.0)))
    }

    async fn expire_due(&self, as_of: AsOf) -> Result<u64> {
        let (database, mut expired) = (&self.store.database, 0);
        // One project in a transaction: it changes what the project keeps.
        while let Some(project) = database
            .scan(async move |tx| artifacts::project_with_due(tx, as_of).await)
            .await?
        {
            expired += database
                .write_in(Room::Project(project), async move |tx| {
                    expire_some(tx, as_of, project).await
                })
                .await?;
        }
        Ok(expired)
    }
}

/// Why a sweep should rather ask a person first: a wrong clock or a slip in the settings must not cost a store.
async fn reason_to_hold(tx: &mut Tx, as_of: AsOf, jumped_ms: i64) -> Result<Option<String>> {
    if !projects::any_retention(tx, as_of.retention_days).await? {
        return Ok(None);
    }
    if jumped_ms.saturating_abs() > JUMP_MS {
        let hours = jumped_ms / (60 * 60 * 1000);
        return Ok(Some(format!(
            "at {} the clock was {hours} hours from where the last sweep lets expect it: it was set, or the store was \
             stopped for so long",
            as_of.now.rfc3339()
        )));
    }
    let (artifacts, bytes) = artifacts::due_in_all(tx, as_of).await?;
    if artifacts <= DUE_ARTIFACTS {
        return Ok(None);
    }
    let all = builds::bytes_in_all(tx).await?;
    if bytes <= all / DUE_SHARE {
        return Ok(None);
    }
    Ok(Some(format!(
        "at {} one sweep would have expired {artifacts} artifacts with {bytes} of {all} bytes",
        as_of.now.rfc3339()
    )))
}

async fn expire_some(tx: &mut Tx, as_of: AsOf, project: i64) -> Result<u64> {
    let due = artifacts::due(tx, as_of, project, BATCH).await?;
    let mut expired = 0;
    for artifact in &due {
        if !artifacts::expire(tx, artifact.pk, as_of.now).await? {
            continue;
        }
        expired += 1;
        projects::give_back(tx, project, artifact.bytes).await?;
        builds::add_to_counts(tx, artifact.build_pk, artifact.job_pk, -1, -artifact.bytes).await?;
        if let Some(blob) = artifact.blob_pk {
            blobs::condemn_unless_used(tx, blob, as_of.now).await?;
        }
    }
    if let Some(project) = projects::by_number(tx, project).await?
        && expired > 0
    {
        let (slug, what) = (project.slug(), format!("{expired} artifacts"));
        audit::record_own(tx, as_of.now, Some(&slug), "expire artifacts", &what).await?;
    }
    Ok(expired)
}
