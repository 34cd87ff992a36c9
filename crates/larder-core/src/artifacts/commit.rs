//! Gives durable bytes their rows: equal content of a project is stored once.

use crate::artifacts::Artifacts;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::blobs::Home;
use crate::metadata::parts::Part;
use crate::metadata::{Tx, audit, blobs, builds, jobs, parts};
use crate::model::{
    Artifact, ArtifactState, Digests, NewArtifact, Principal, Project, Sha256Digest,
};
use crate::space;

/// Durable bytes for which a row is wanted.
pub(super) struct Bytes<'a> {
    pub(super) project: i64,
    pub(super) source: Source<'a>,
    pub(super) digests: Digests,
    /// Number of the blob's row, if there will be a new one.
    pub(super) blob: i64,
    /// A blob of the same content whose own bytes were found missing.
    pub(super) damaged: Option<i64>,
}

/// Where the bytes are.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// In a container of their own that is not sealed yet.
    Own(&'a Home),
    /// In the parts of an artifact.
    Parts { artifact: i64, parts: &'a [Part] },
}

impl Bytes<'_> {
    /// The blob of these bytes, and whether it is these very bytes: equal content of a project is stored once.
    pub(super) async fn name(&self, tx: &mut Tx, now: Timestamp) -> Result<(i64, bool)> {
        let Digests { size, sha256, .. } = self.digests;
        if let Some(known) = blobs::of_content(tx, self.project, size, sha256).await?
            && blobs::revive(tx, known.pk).await?
        {
            return Ok((known.pk, self.heal(tx, known.pk).await?));
        }
        blobs::insert(tx, self.blob, self.project, &self.digests, now).await?;
        self.give_to(tx, self.blob).await?;
        Ok((self.blob, true))
    }

    /// Gives these bytes to the blob if its own were found missing; whether it needed them.
    pub(super) async fn heal(&self, tx: &mut Tx, blob: i64) -> Result<bool> {
        if self.damaged != Some(blob) {
            return Ok(false);
        }
        blobs::unchain(tx, blob).await?;
        self.give_to(tx, blob).await?;
        Ok(true)
    }

    async fn give_to(&self, tx: &mut Tx, blob: i64) -> Result<()> {
        match self.source {
            Source::Own(home) => {
                blobs::seal(tx, home, self.digests.size).await?;
                blobs::chain(tx, blob, &[(home.container(), self.digests.size)]).await
            }
            Source::Parts { artifact, parts } => {
                let chain: Vec<_> = parts
                    .iter()
                    .map(|part| (part.container, part.extent.length))
                    .collect();
                blobs::chain(tx, blob, &chain).await?;
                parts::hand_over(tx, artifact).await
            }
        }
    }
}

impl Artifacts {
    /// Whoever keeps an artifact in a project.
    pub(super) fn keeper(&self, who: &Principal, project: &Project) -> Keeper {
        Keeper {
            who: who.clone(),
            project: project.clone(),
            max_bytes: space::of_instance(&self.0.settings),
        }
    }

    /// The blob of equal content, if its own bytes are not there: what was sent must not be thrown away in favour of it.
    /// Looked at before the transaction, which awaits nothing else; a blob that comes in between is as fresh as can be.
    pub(super) async fn damaged_twin(
        &self,
        project: i64,
        size: u64,
        sha256: Sha256Digest,
    ) -> Result<Option<i64>> {
        let known = self
            .0
            .database
            .read(
                async move |tx| match blobs::of_content(tx, project, size, sha256).await? {
                    Some(blob) => Ok(Some((blob.pk, blobs::extents(tx, blob.pk).await?))),
                    None => Ok(None),
                },
            )
            .await?;
        match known {
            Some((blob, extents)) => {
                let holds = self.0.blobs.holds(extents).await?;
                Ok((!holds).then_some(blob))
            }
            None => Ok(None),
        }
    }
}

/// Whether an artifact is already what is sent: the same bytes, and no other mode than its own.
pub(super) fn is_same(newest: &Artifact, new: &NewArtifact, sha256: Sha256Digest) -> bool {
    newest.sha256 == Some(sha256) && (new.mode.is_none() || new.mode == newest.mode)
}

/// The row of an artifact whose bytes are a blob's.
pub(super) fn measured(
    artifact: Artifact,
    blob: i64,
    digests: &Digests,
    now: Timestamp,
) -> Artifact {
    Artifact {
        state: ArtifactState::Finished,
        size: digests.size,
        size_is_known: true,
        sha1: Some(digests.sha1),
        sha256: Some(digests.sha256),
        finished_at: Some(now),
        blob_pk: Some(blob),
        ..artifact
    }
}

/// Who keeps an artifact, and where it counts.
pub(super) struct Keeper {
    pub(super) who: Principal,
    pub(super) project: Project,
    /// The limit of projects without one of their own.
    pub(super) max_bytes: i64,
}

/// Counts an artifact that is finished now, if it fits, and notes who made it.
pub(super) async fn count_kept(
    tx: &mut Tx,
    keeper: &Keeper,
    artifact: &Artifact,
    now: Timestamp,
) -> Result<()> {
    let Keeper { who, project, .. } = keeper;
    space::take(tx, project, artifact.size, keeper.max_bytes).await?;
    let bytes = i64::try_from(artifact.size).unwrap_or(0);
    builds::add_to_counts(tx, artifact.build_pk, artifact.job_pk, 1, bytes).await?;
    jobs::hear(tx, artifact.job_pk, now).await?;
    let what = format!("artifact {}", artifact.id);
    audit::record_in(tx, now, who, &project.slug(), "create artifact", &what).await
}
