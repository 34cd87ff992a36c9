//! Upload in three verbs: announce → receive → finish. A plain PUT is all three at once.

use crate::access::{Action, Resource, authorize};
use crate::artifacts::Artifacts;
use crate::artifacts::commit::{Bytes, Source, count_kept, is_same, measured};
use crate::blobs::{Hasher, Incoming, Written};
use crate::clock::Timestamp;
use crate::error::{Error, Result, What};
use crate::jobs::{JobOfBuild, Jobs, LATE_FINISH_MS, require_there};
use crate::metadata::artifacts as rows;
use crate::metadata::{Room, audit, jobs, parts};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, Digests, Job, JobId, JobState, NewArtifact, Principal,
    Project,
};
use futures_util::StreamExt as _;

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
    project: Project,
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
        require_running(&owner.job, self.0.clock.now())?;
        self.require_space_for(&owner, &new, incoming.declared())
            .await?;
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
        require_running(&owner.job, self.0.clock.now())?;
        let known = new.iter().filter_map(|new| new.size);
        let bytes = known.fold(0, u64::saturating_add);
        self.require_space(&owner.build.project, bytes).await?;
        let (now, numbers) = (
            self.0.clock.now(),
            self.0.database.numbers(new.len()).await?,
        );
        let deadline = now.plus_ms(self.0.settings.upload_lease_ms);
        let announced: Vec<_> = numbers
            .zip(&new)
            .map(|(number, new)| owner.announced(number, new, now))
            .collect();
        let (who, answer, slug) = (who.clone(), announced.clone(), owner.build.project.slug());
        self.0
            .database
            .write_in(Room::Project(owner.build.project.number), async move |tx| {
                require_there(tx, job).await?;
                for artifact in &announced {
                    rows::insert(tx, owner.build.project.number, artifact, Some(deadline)).await?;
                }
                let what = format!("job {job}: {} artifacts", announced.len());
                audit::record_in(tx, now, &who, &slug, "announce artifacts", &what).await?;
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
        let said = artifact.size_is_known.then_some(artifact.size);
        let bytes = said.or(incoming.declared()).unwrap_or(0);
        self.require_space(&build.project, bytes).await?;
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
            project: build.project,
            written,
        })
    }

    /// Makes an announced artifact finished with the bytes that were received for it.
    pub async fn finish(&self, who: &Principal, received: Received) -> Result<Artifact> {
        let Received {
            artifact,
            project,
            written,
        } = received;
        let (now, numbers) = (self.0.clock.now(), self.0.database.numbers(2).await?);
        let (digests, home) = (written.measured, written.home(numbers.start));
        let keeper = self.keeper(who, &project);
        let damaged = self
            .damaged_twin(project.number, digests.size, digests.sha256)
            .await?;
        let committed = self
            .0
            .database
            .write_in(Room::Project(project.number), async move |tx| {
                let job = jobs::by_id(tx, artifact.job_id)
                    .await?
                    .ok_or(Error::NotFound(What::Job))?;
                require_not_long_ended(&job, now)?;
                let bytes = Bytes {
                    project: project.number,
                    source: Source::Own(&home),
                    digests,
                    blob: numbers.start + 1,
                    damaged,
                };
                let (blob, used) = bytes.name(tx, now).await?;
                let artifact = measured(artifact.clone(), blob, &digests, now);
                if !rows::finish(tx, &artifact).await? {
                    return Err(Error::Conflict(
                        "the artifact no longer awaits bytes".into(),
                    ));
                }
                count_kept(tx, &keeper, &artifact, now).await?;
                Ok((artifact, used))
            })
            .await;
        written.settle(committed)
    }

    /// Marks an announced artifact as failed: its uploader gave up.
    pub async fn fail(&self, who: &Principal, id: ArtifactId) -> Result<()> {
        let (artifact, build) = self.by_id(who, id, Action::CreateArtifacts).await?;
        let (who, as_of, slug) = (who.clone(), self.0.as_of_now(), build.project.slug());
        let (from, to) = (ArtifactState::New, ArtifactState::Error);
        self.0
            .database
            .write_in(Room::Project(build.project.number), async move |tx| {
                if !rows::move_on(tx, as_of, artifact.number, from, to).await? {
                    return Err(Error::Conflict(
                        "the artifact no longer awaits bytes".into(),
                    ));
                }
                parts::free(tx, artifact.number).await?;
                let what = format!("artifact {id}");
                audit::record_in(tx, as_of.now, &who, &slug, "fail artifact", &what).await
            })
            .await
    }

    /// The same bytes, of which each that comes is a word from the job: a long upload must not outlive the job's lease.
    pub(super) fn heard(&self, job: &Job, incoming: Incoming) -> Incoming {
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
            .write(incoming, self.0.settings.max_file_bytes, Hasher::default())
            .await?;
        let Digests {
            size, sha1, sha256, ..
        } = written.measured;
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

    async fn commit_new(
        &self,
        who: &Principal,
        owner: JobOfBuild,
        new: NewArtifact,
        written: Written,
    ) -> Result<Kept> {
        let (as_of, numbers) = (self.0.as_of_now(), self.0.database.numbers(3).await?);
        let now = as_of.now;
        let (digests, home) = (written.measured, written.home(numbers.start + 1));
        let keeper = self.keeper(who, &owner.build.project);
        let project = owner.build.project.number;
        let damaged = self
            .damaged_twin(project, digests.size, digests.sha256)
            .await?;
        let committed = self
            .0
            .database
            .write_in(Room::Project(project), async move |tx| {
                let job = jobs::by_id(tx, owner.job.id)
                    .await?
                    .ok_or(Error::NotFound(What::Job))?;
                require_not_long_ended(&job, now)?;
                let bytes = Bytes {
                    project,
                    source: Source::Own(&home),
                    digests,
                    blob: numbers.start + 2,
                    damaged,
                };
                let (path, finished) = (new.path.as_str(), ArtifactState::Finished);
                if let Some(newest) = rows::newest(tx, as_of, job.pk, path, finished).await?
                    && is_same(&newest, &new, digests.sha256)
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
                count_kept(tx, &keeper, &artifact, now).await?;
                let kept = Kept {
                    artifact,
                    fresh: true,
                };
                Ok((kept, used))
            })
            .await;
        written.settle(committed)
    }

    /// Says no before any byte comes to what will not fit, unless it may be there already: then nothing more is kept.
    async fn require_space_for(
        &self,
        owner: &JobOfBuild,
        new: &NewArtifact,
        declared: Option<u64>,
    ) -> Result<()> {
        let bytes = new.size.or(declared).unwrap_or(0);
        let Err(full) = self.require_space(&owner.build.project, bytes).await else {
            return Ok(());
        };
        let newest = self.newest(&owner.job, new.path.as_str(), ArtifactState::Finished);
        match newest.await? {
            Some(newest) if newest.size == bytes => Ok(()),
            _ => Err(full),
        }
    }

    pub(super) async fn authorized_job(&self, who: &Principal, id: JobId) -> Result<JobOfBuild> {
        let owner = Jobs(self.0.clone()).seen(who, id).await?;
        let resource = Resource::job(&owner.build.project, owner.build.pk, owner.job.pk);
        authorize(who, Action::CreateArtifacts, resource)?;
        Ok(owner)
    }
}

impl JobOfBuild {
    /// The row of an artifact that this job announces.
    pub(super) fn announced(&self, number: i64, new: &NewArtifact, now: Timestamp) -> Artifact {
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
            mode: new.mode,
            part_bytes: None,
            blob_pk: None,
        }
    }
}

pub(super) fn check_new(new: &NewArtifact) -> Result<()> {
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

pub(super) fn require_running(job: &Job, now: Timestamp) -> Result<()> {
    match job.state {
        _ if job.runs(now) => Ok(()),
        JobState::Queued => Err(Error::Conflict(
            "the job has not started: start it first".into(),
        )),
        ended => Err(Error::Conflict(format!(
            "the job has ended ({}): nothing can be added to it",
            ended.word()
        ))),
    }
}

pub(super) fn require_not_long_ended(job: &Job, now: Timestamp) -> Result<()> {
    match job.finished_at {
        Some(finished) if finished.plus_ms(LATE_FINISH_MS) <= now => Err(Error::Conflict(
            "the job ended more than ten minutes ago: nothing can be added to it".into(),
        )),
        _ => Ok(()),
    }
}

pub(super) fn require_awaited(artifact: &Artifact) -> Result<()> {
    if artifact.state == ArtifactState::New {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "the artifact is {} and awaits no bytes",
        artifact.state.word()
    )))
}
