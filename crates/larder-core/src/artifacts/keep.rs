//! Upload in three verbs: announce → receive → finish. A plain PUT is all three at once.

use crate::access::{Action, Resource, authorize};
use crate::artifacts::Artifacts;
use crate::blobs::{Incoming, Written};
use crate::clock::Timestamp;
use crate::error::{Error, Result, What};
use crate::jobs::{JobOfBuild, Jobs};
use crate::metadata::artifacts as rows;
use crate::metadata::{Tx, audit, blobs, builds, jobs};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, Digests, Job, JobId, JobState, NewArtifact, Principal,
};
use futures_util::StreamExt as _;

/// What was announced before the job ended may still finish for so long after it.
const LATE_FINISH_MS: i64 = 10 * 60 * 1000;
/// While its bytes come, a job is noted as alive so often.
const HEARD_EVERY_MS: i64 = 60 * 1000;
/// Most artifacts in one announcement: Buildkite's own agent sends 30 at a time.
const ANNOUNCED_MAX: usize = 5_000;
/// Longest alias in bytes.
const ALIAS_BYTES_MAX: usize = 1_100;

/// An artifact that is kept.
#[derive(Debug)]
pub struct Kept {
    /// The artifact.
    pub artifact: Artifact,
    /// `false` if the same content was there under that path before, which is then given.
    pub fresh: bool,
}

/// Bytes of an announced artifact, durable and not yet named by its row.
#[derive(Debug)]
pub struct Received {
    artifact: Artifact,
    project_number: i64,
    written: Written,
}

impl Artifacts {
    /// Keeps one file of a running job: its bytes are durable when this returns. Content that the newest artifact of
    /// the path has already is given as it is. What is not as announced leaves nothing.
    pub async fn keep(
        &self,
        who: &Principal,
        job: JobId,
        new: NewArtifact,
        incoming: Incoming,
    ) -> Result<Kept> {
        check_new(&new)?;
        let owner = self.authorized_job(who, job).await?;
        require_running(&owner.job)?;
        let artifacts = self.clone();
        let (who, incoming) = (who.clone(), self.heard(&owner.job, incoming));
        // A task of its own: the commit does not die with the client's connection.
        let kept = tokio::spawn(async move {
            let written = artifacts.write(&new, incoming).await?;
            artifacts.commit_new(&who, owner, new, written).await
        });
        kept.await
            .map_err(|error| Error::internal("keep an artifact", error))?
    }

    /// Announces artifacts whose bytes are to come within the lease; in the order given.
    pub async fn announce(
        &self,
        who: &Principal,
        job: JobId,
        new: Vec<NewArtifact>,
    ) -> Result<Vec<Artifact>> {
        if new.len() > ANNOUNCED_MAX {
            return Err(Error::invalid(
                "artifacts",
                format!("at most {ANNOUNCED_MAX} can be announced at once"),
            ));
        }
        for new in &new {
            check_new(new)?;
        }
        let owner = self.authorized_job(who, job).await?;
        require_running(&owner.job)?;
        let (now, numbers) = (
            self.0.clock.now(),
            self.0.database.numbers(new.len()).await?,
        );
        let deadline = now.plus_ms(self.0.settings.upload_lease_ms);
        let announced: Vec<_> = numbers
            .zip(&new)
            .map(|(number, new)| owner.announced(number, new, now))
            .collect();
        let (who, answer) = (who.clone(), announced.clone());
        self.0
            .database
            .write(async move |tx| {
                for artifact in &announced {
                    rows::insert(tx, owner.build.project.number, artifact, Some(deadline)).await?;
                }
                let what = format!("job {job}: {} artifacts", announced.len());
                audit::record(tx, now, &who, "announce artifacts", &what).await?;
                jobs::hear(tx, owner.job.pk, now).await
            })
            .await?;
        Ok(answer)
    }

    /// Takes the bytes of an announced artifact. They are durable when this returns, and lost if what it returns is
    /// dropped.
    pub async fn receive(
        &self,
        who: &Principal,
        id: ArtifactId,
        incoming: Incoming,
    ) -> Result<Received> {
        let (artifact, build) = self.by_id(who, id, Action::CreateArtifacts).await?;
        require_awaited(&artifact)?;
        let expected = NewArtifact {
            size: artifact.size_is_known.then_some(artifact.size),
            sha1: artifact.sha1,
            sha256: artifact.sha256,
            ..NewArtifact::new(artifact.path.clone(), artifact.content_type.clone())
        };
        let id = artifact.job_id;
        let job = self
            .0
            .database
            .read(async move |tx| jobs::by_id(tx, id).await)
            .await?
            .ok_or(Error::NotFound(What::Job))?;
        let incoming = self.heard(&job, incoming);
        let written = self.write(&expected, incoming).await?;
        Ok(Received {
            artifact,
            project_number: build.project.number,
            written,
        })
    }

    /// Makes an announced artifact finished with the bytes that were received for it.
    pub async fn finish(&self, who: &Principal, received: Received) -> Result<Artifact> {
        let Received {
            artifact,
            project_number,
            written,
        } = received;
        let (now, numbers) = (self.0.clock.now(), self.0.database.numbers(2).await?);
        let (who, digests, key) = (who.clone(), written.digests, written.key.clone());
        let damaged = self.damaged_twin(project_number, &digests).await?;
        let (finished, used) = self
            .0
            .database
            .write(async move |tx| {
                let job = jobs::by_id(tx, artifact.job_id)
                    .await?
                    .ok_or(Error::NotFound(What::Job))?;
                require_not_long_ended(&job, now)?;
                let bytes = Bytes {
                    project: project_number,
                    key: &key,
                    digests,
                    numbers: [numbers.start, numbers.start + 1],
                    damaged,
                };
                let (blob, used) = bytes.name(tx, now).await?;
                let artifact = measured(artifact.clone(), blob, &digests, now);
                if !rows::finish(tx, &artifact).await? {
                    return Err(Error::Conflict(
                        "the artifact no longer awaits bytes".into(),
                    ));
                }
                count_kept(tx, &who, &artifact, now).await?;
                Ok((artifact, used))
            })
            .await?;
        if used {
            written.keep();
        }
        Ok(finished)
    }

    /// Marks an announced artifact as failed: its uploader gave up.
    pub async fn fail(&self, who: &Principal, id: ArtifactId) -> Result<()> {
        let (artifact, _) = self.by_id(who, id, Action::CreateArtifacts).await?;
        let (who, as_of) = (who.clone(), self.0.as_of_now());
        let (from, to) = (ArtifactState::New, ArtifactState::Error);
        self.0
            .database
            .write(async move |tx| {
                if !rows::move_on(tx, as_of, artifact.number, from, to).await? {
                    return Err(Error::Conflict(
                        "the artifact no longer awaits bytes".into(),
                    ));
                }
                let what = format!("artifact {id}");
                audit::record(tx, as_of.now, &who, "fail artifact", &what).await
            })
            .await
    }

    /// The same bytes, of which each that comes is a word from the job: a long upload must not outlive the job's lease.
    fn heard(&self, job: &Job, incoming: Incoming) -> Incoming {
        let (store, pk, declared) = (self.0.clone(), job.pk, incoming.declared());
        let state = (incoming, job.heard_at);
        let heard = futures_util::stream::unfold(state, move |(mut incoming, mut last)| {
            let store = store.clone();
            async move {
                let chunk = incoming.next().await?;
                let now = store.clock.now();
                if last.plus_ms(HEARD_EVERY_MS) <= now {
                    last = now;
                    let noted = store
                        .database
                        .write(async move |tx| jobs::hear(tx, pk, now).await);
                    // The upload goes on: whether it can be kept shows at its end.
                    if let Err(error) = noted.await {
                        tracing::warn!(%error, "note that a job is alive");
                    }
                }
                Some((chunk, (incoming, last)))
            }
        });
        Incoming::new(heard, declared)
    }

    /// The bytes are durable under a fresh key before any row names them: a crash in between leaves an orphan for the
    /// sweeper, never a finished row without its bytes.
    async fn write(&self, new: &NewArtifact, incoming: Incoming) -> Result<Written> {
        let written = self
            .0
            .blobs
            .write(incoming, self.0.settings.max_file_bytes)
            .await?;
        let Digests {
            size, sha1, sha256, ..
        } = written.digests;
        if let Some(expected) = new.size.filter(|expected| *expected != size) {
            return Err(Error::invalid(
                "size",
                format!("{size} bytes came and {expected} were announced"),
            ));
        }
        if let Some(expected) = new.sha256.filter(|expected| *expected != sha256) {
            let reason = format!(
                "the bytes that came have {} and {} was announced",
                sha256.hex(),
                expected.hex()
            );
            return Err(Error::invalid("sha256", reason));
        }
        if let Some(expected) = new.sha1.filter(|expected| *expected != sha1) {
            let reason = format!(
                "the bytes that came have {} and {} was announced",
                sha1.hex(),
                expected.hex()
            );
            return Err(Error::invalid("sha1", reason));
        }
        Ok(written)
    }

    /// The blob of equal content, if its own bytes are not there: what was sent must not be thrown away in favour of it.
    /// Looked at before the transaction, which awaits nothing else; a blob that comes in between is as fresh as can be.
    async fn damaged_twin(&self, project: i64, digests: &Digests) -> Result<Option<i64>> {
        let digests = *digests;
        let known = self
            .0
            .database
            .read(
                async move |tx| match blobs::of_content(tx, project, &digests).await? {
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

    async fn commit_new(
        &self,
        who: &Principal,
        owner: JobOfBuild,
        new: NewArtifact,
        written: Written,
    ) -> Result<Kept> {
        let (as_of, numbers) = (self.0.as_of_now(), self.0.database.numbers(3).await?);
        let now = as_of.now;
        let (who, digests, key) = (who.clone(), written.digests, written.key.clone());
        let project = owner.build.project.number;
        let damaged = self.damaged_twin(project, &digests).await?;
        let (kept, used) = self
            .0
            .database
            .write(async move |tx| {
                let job = jobs::by_id(tx, owner.job.id)
                    .await?
                    .ok_or(Error::NotFound(What::Job))?;
                require_not_long_ended(&job, now)?;
                let bytes = Bytes {
                    project,
                    key: &key,
                    digests,
                    numbers: [numbers.start + 1, numbers.start + 2],
                    damaged,
                };
                let (path, finished) = (new.path.as_str(), ArtifactState::Finished);
                if let Some(newest) = rows::newest(tx, as_of, job.pk, path, finished).await?
                    && newest.sha256 == Some(digests.sha256)
                {
                    let used = match newest.blob_pk {
                        Some(blob) => bytes.heal(tx, blob).await?,
                        None => false,
                    };
                    let kept = Kept {
                        artifact: newest,
                        fresh: false,
                    };
                    return Ok((kept, used));
                }
                let (blob, used) = bytes.name(tx, now).await?;
                let announced = owner.announced(numbers.start, &new, now);
                let artifact = measured(announced, blob, &digests, now);
                rows::insert(tx, project, &artifact, None).await?;
                count_kept(tx, &who, &artifact, now).await?;
                let kept = Kept {
                    artifact,
                    fresh: true,
                };
                Ok((kept, used))
            })
            .await?;
        if used {
            written.keep();
        }
        Ok(kept)
    }

    async fn authorized_job(&self, who: &Principal, id: JobId) -> Result<JobOfBuild> {
        let owner = Jobs(self.0.clone()).seen(who, id).await?;
        let resource = Resource::job(&owner.build.project, owner.build.pk, owner.job.pk);
        authorize(who, Action::CreateArtifacts, resource)?;
        Ok(owner)
    }
}

impl JobOfBuild {
    /// The row of an artifact that this job announces.
    fn announced(&self, number: i64, new: &NewArtifact, now: Timestamp) -> Artifact {
        Artifact {
            number,
            id: ArtifactId::new(now),
            job_pk: self.job.pk,
            build_pk: self.build.pk,
            job_id: self.job.id,
            job_index: self.job.index,
            job_number: self.job.number,
            build_id: self.build.id,
            build_number: self.build.number,
            path: new.path.clone(),
            alias: new.alias.clone(),
            absolute_path: new.absolute_path.clone(),
            state: ArtifactState::New,
            size: new.size.unwrap_or(0),
            size_is_known: new.size.is_some(),
            sha1: new.sha1,
            sha256: new.sha256,
            content_type: new.content_type.clone(),
            created_at: now,
            finished_at: None,
            blob_pk: None,
        }
    }
}

/// Durable bytes for which a row is wanted.
struct Bytes<'a> {
    project: i64,
    key: &'a str,
    digests: Digests,
    numbers: [i64; 2],
    /// A blob of the same content whose own bytes were found missing.
    damaged: Option<i64>,
}

impl Bytes<'_> {
    /// The blob of these bytes, and whether it is these very bytes: equal content of a project is stored once.
    async fn name(&self, tx: &mut Tx, now: Timestamp) -> Result<(i64, bool)> {
        if let Some(known) = blobs::revive(tx, self.project, &self.digests).await? {
            return Ok((known.pk, self.heal(tx, known.pk).await?));
        }
        let blob =
            blobs::insert_whole_file(tx, self.numbers, self.project, self.key, &self.digests, now)
                .await?;
        Ok((blob, true))
    }

    /// Gives these bytes to the blob if its own were found missing; whether it needed them.
    async fn heal(&self, tx: &mut Tx, blob: i64) -> Result<bool> {
        if self.damaged != Some(blob) {
            return Ok(false);
        }
        blobs::replace_bytes(tx, self.numbers[0], blob, self.key, &self.digests).await?;
        Ok(true)
    }
}

fn measured(artifact: Artifact, blob: i64, digests: &Digests, now: Timestamp) -> Artifact {
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

async fn count_kept(
    tx: &mut Tx,
    who: &Principal,
    artifact: &Artifact,
    now: Timestamp,
) -> Result<()> {
    let bytes = i64::try_from(artifact.size).unwrap_or(0);
    builds::add_to_counts(tx, artifact.build_pk, artifact.job_pk, 1, bytes).await?;
    jobs::hear(tx, artifact.job_pk, now).await?;
    audit::record(
        tx,
        now,
        who,
        "create artifact",
        &format!("artifact {}", artifact.id),
    )
    .await
}

fn check_new(new: &NewArtifact) -> Result<()> {
    if let Some(alias) = &new.alias
        && (alias.is_empty()
            || alias.len() > ALIAS_BYTES_MAX
            || alias.chars().any(char::is_control))
    {
        return Err(Error::invalid(
            "alias",
            format!("must be 1 to {ALIAS_BYTES_MAX} bytes without control characters"),
        ));
    }
    let plain = |byte: u8| (0x20..0x7f).contains(&byte);
    if new.content_type.is_empty()
        || new.content_type.len() > 255
        || !new.content_type.bytes().all(plain)
    {
        return Err(Error::invalid(
            "content_type",
            "must be 1 to 255 printable ASCII characters",
        ));
    }
    Ok(())
}

fn require_running(job: &Job) -> Result<()> {
    match job.state {
        JobState::Running => Ok(()),
        JobState::Queued => Err(Error::Conflict(
            "the job has not started: start it first".into(),
        )),
        ended => Err(Error::Conflict(format!(
            "the job has ended ({}): nothing can be added to it",
            ended.word()
        ))),
    }
}

fn require_not_long_ended(job: &Job, now: Timestamp) -> Result<()> {
    match job.finished_at {
        Some(finished) if finished.plus_ms(LATE_FINISH_MS) <= now => Err(Error::Conflict(
            "the job ended more than ten minutes ago: nothing can be added to it".into(),
        )),
        _ => Ok(()),
    }
}

fn require_awaited(artifact: &Artifact) -> Result<()> {
    if artifact.state == ArtifactState::New {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "the artifact is {} and awaits no bytes",
        artifact.state.word()
    )))
}
