//! Empty folders: what an upload of a directory would lose.

use crate::artifacts::keep::require_running;
use crate::artifacts::{Artifacts, Holder};
use crate::error::{Error, Result, What};
use crate::metadata::{Room, audit, folders, jobs};
use crate::model::{ArtifactPath, FileMode, Folder, JobId, Principal};

/// Most folders that a job keeps, and that a list holds.
const FOLDERS_MAX: u32 = 10_000;

impl Artifacts {
    /// Keeps an empty folder of a running job; whether it was not there. A mode that comes with one that is there takes
    /// the place of its own.
    pub async fn keep_folder(
        &self,
        who: &Principal,
        job: JobId,
        path: ArtifactPath,
        mode: Option<FileMode>,
    ) -> Result<(Folder, bool)> {
        let owner = self.authorized_job(who, job).await?;
        let (who, now) = (who.clone(), self.0.clock.now());
        self.0
            .database
            .write_in(Room::Project(owner.build.project.number), async move |tx| {
                let pk = owner.job.pk;
                jobs::hear(tx, pk, now).await?;
                let job = jobs::by_id(tx, owner.job.id).await?;
                require_running(&job.ok_or(Error::NotFound(What::Job))?, now)?;
                let known = folders::by_path(tx, pk, &path).await?;
                if known.is_none() && folders::count(tx, pk).await? >= FOLDERS_MAX.into() {
                    return Err(Error::Conflict(format!(
                        "the job keeps {FOLDERS_MAX} empty folders, which is the most that a job can keep"
                    )));
                }
                let fresh = folders::put(tx, pk, &path, mode, now).await?;
                let changes_mode = mode.is_some() && known.is_some_and(|known| known.mode != mode);
                if fresh || changes_mode {
                    let act = if fresh { "create folder" } else { "change folder" };
                    let what = format!("job {} {}", owner.job.id, path);
                    let slug = owner.build.project.slug();
                    audit::record_in(tx, now, &who, &slug, act, &what).await?;
                }
                let kept = folders::by_path(tx, pk, &path).await?;
                Ok((kept.ok_or(Error::NotFound(What::Artifact))?, fresh))
            })
            .await
    }

    /// Empty folders of a node or of all nodes of a build, in the order of nodes and paths; at most 10,000.
    pub async fn folders(&self, who: &Principal, holder: Holder<'_>) -> Result<Vec<Folder>> {
        holder.authorize(who)?;
        let of = holder.rows();
        self.0
            .database
            .scan(async move |tx| folders::list(tx, of, FOLDERS_MAX).await)
            .await
    }
}
