//! Uploads in parts: begin → send each part → finish. After a cut or a kill of either side only missing parts are sent
//! again. An upload is an artifact that awaits bytes; its parts are kept as they came, and become the chain of extents of
//! its blob.

use crate::artifacts::Artifacts;
use crate::artifacts::commit::{Bytes, Keeper, Source, count_kept, is_same, measured};
use crate::artifacts::keep::{
    Kept, check_new, require_awaited, require_not_long_ended, require_running,
};
use crate::artifacts::measure::{Measured, has_changed};
use crate::blobs::{Incoming, Measure, PartMeasure, Written};
use crate::clock::Timestamp;
use crate::error::{Error, Result, What};
use crate::jobs::{JobOfBuild, LATE_FINISH_MS};
use crate::metadata::artifacts as rows;
use crate::metadata::parts::{self, Part};
use crate::metadata::{Room, Tx, audit, blobs, jobs};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, Job, JobId, NewArtifact, PartPlan, Principal,
    Sha256Digest, Upload,
};
use crate::space;

/// Size of a part, and its digest if it was sent with one.
type PartMeasured = <PartMeasure as Measure>::Measured;

/// Most uploads of a job that await parts at a time.
const OPEN_UPLOADS_MAX: i64 = 10_000;
/// Most missing parts that an error names.
const NAMED_PARTS_MAX: usize = 100;

/// An upload that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where it is; nothing is to be sent if its artifact is finished.
    pub upload: Upload,
    /// `false` if it was there before.
    pub fresh: bool,
}

impl Artifacts {
    /// Begins an upload in parts of a running job, of a file whose size and SHA-256 are known. The same again is the same
    /// upload, whose lease begins anew. What the newest artifact of the path is already is given as it is, and content
    /// that the project holds makes an artifact at once.
    pub async fn begin_upload(
        &self,
        who: &Principal,
        job: JobId,
        new: NewArtifact,
    ) -> Result<Begun> {
        check_new(&new)?;
        let (Some(size), Some(sha256)) = (new.size, new.sha256) else {
            let reason = "an upload in parts needs the size and the SHA-256 of the file";
            return Err(Error::invalid("upload", reason));
        };
        let limit = self.0.settings.max_file_bytes;
        if size > limit {
            return Err(Error::TooLarge { limit });
        }
        let plan = PartPlan::new(size, self.0.settings.part_bytes);
        if size == 0 {
            let kept = self.keep(who, job, new, Incoming::from_bytes(Vec::new()));
            let Kept { artifact, fresh } = kept.await?;
            let upload = plan.upload(artifact, Vec::new());
            return Ok(Begun { upload, fresh });
        }
        let owner = self.authorized_job(who, job).await?;
        let project = owner.build.project.number;
        let begin = Begin {
            keeper: self.keeper(who, &owner.build.project),
            damaged: self.damaged_twin(project, size, sha256).await?,
            number: self.0.database.number().await?,
            as_of: self.0.as_of_now(),
            lease_ms: self.0.settings.upload_lease_ms,
            owner,
            new,
            plan,
            size,
            sha256,
        };
        self.0
            .database
            .write(async move |tx| begin.run(tx).await)
            .await
    }

    /// Where an upload is.
    pub async fn upload(&self, who: &Principal, job: JobId, id: ArtifactId) -> Result<Upload> {
        let (_, artifact) = self.upload_of(who, job, id).await?;
        let pk = artifact.number;
        let held = self
            .0
            .database
            .read(async move |tx| parts::held(tx, pk).await)
            .await?;
        Ok(self.plan_of(&artifact).upload(artifact, held))
    }

    /// Takes one part of an upload, in whatever order and beside others. It survives a power cut when this returns; one
    /// that is held already stays as it is.
    pub async fn receive_part(
        &self,
        who: &Principal,
        job: JobId,
        id: ArtifactId,
        part: u32,
        expected: Option<Sha256Digest>,
        incoming: Incoming,
    ) -> Result<()> {
        let (owner, artifact) = self.upload_of(who, job, id).await?;
        require_awaited(&artifact)?;
        require_not_long_ended(&owner.job, self.0.clock.now())?;
        self.require_space(&owner.build.project, artifact.size)
            .await?;
        let plan = self.plan_of(&artifact);
        let length = plan.length_of(part).ok_or_else(|| {
            let reason = format!("the file has {} parts, counted from 0", plan.parts());
            Error::invalid("part", reason)
        })?;
        if let Some(declared) = incoming.declared().filter(|declared| *declared != length) {
            return Err(wrong_length(part, length, declared));
        }
        let incoming = self.heard(&owner.job, incoming);
        let artifacts = self.clone();
        // A task of its own: the commit does not die with the client's connection.
        let received = tokio::spawn(async move {
            let written = artifacts.write_part(part, length, expected, incoming);
            let written = written.await?;
            artifacts
                .commit_part(owner, &artifact, part, written)
                .await?;
            artifacts.measure_behind(artifact.number);
            Ok(())
        });
        received
            .await
            .map_err(|error| Error::internal("receive a part", error))?
    }

    /// Makes the artifact of an upload of which all parts are held, when the whole is what was announced; otherwise the
    /// upload ends. Again is no error.
    pub async fn finish_upload(&self, who: &Principal, job: JobId, id: ArtifactId) -> Result<Kept> {
        let (owner, artifact) = self.upload_of(who, job, id).await?;
        if artifact.state == ArtifactState::Finished {
            let fresh = false;
            return Ok(Kept { artifact, fresh });
        }
        require_awaited(&artifact)?;
        require_not_long_ended(&owner.job, self.0.clock.now())?;
        let (artifacts, by) = (self.clone(), who.clone());
        let finished = tokio::spawn(async move { artifacts.complete(&by, owner, artifact).await });
        let finished = finished
            .await
            .map_err(|error| Error::internal("finish an upload", error))?;
        match finished {
            Ok(artifact) => Ok(Kept {
                artifact,
                fresh: true,
            }),
            Err(error @ Error::Conflict(_)) => {
                self.finished_beside(who, job, id).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The artifact, if the same request at the same time has finished it.
    async fn finished_beside(
        &self,
        who: &Principal,
        job: JobId,
        id: ArtifactId,
    ) -> Result<Option<Kept>> {
        let (_, artifact) = self.upload_of(who, job, id).await?;
        let is_finished = artifact.state == ArtifactState::Finished;
        Ok(is_finished.then_some(Kept {
            artifact,
            fresh: false,
        }))
    }

    /// Gives an upload up: its parts are freed.
    pub async fn give_up_upload(&self, who: &Principal, job: JobId, id: ArtifactId) -> Result<()> {
        let (_, artifact) = self.upload_of(who, job, id).await?;
        require_awaited(&artifact)?;
        self.0.prefixes.forget(artifact.number);
        self.fail(who, id).await
    }

    /// The job, after asking whether it may be added to, and its artifact of that id, if it comes in parts or has come.
    async fn upload_of(
        &self,
        who: &Principal,
        job: JobId,
        id: ArtifactId,
    ) -> Result<(JobOfBuild, Artifact)> {
        let owner = self.authorized_job(who, job).await?;
        let as_of = self.0.as_of_now();
        let found = self
            .0
            .database
            .read(async move |tx| rows::by_id(tx, as_of, id).await)
            .await?;
        let is_upload = |artifact: &Artifact| {
            artifact.job_pk == owner.job.pk
                && artifact.state != ArtifactState::Deleted
                && (artifact.part_bytes.is_some() || artifact.state == ArtifactState::Finished)
        };
        let artifact = found.filter(is_upload);
        Ok((owner, artifact.ok_or(Error::NotFound(What::Upload))?))
    }

    fn plan_of(&self, artifact: &Artifact) -> PartPlan {
        // What did not come in parts is as if it had.
        PartPlan::of(artifact)
            .unwrap_or_else(|| PartPlan::new(artifact.size, self.0.settings.part_bytes))
    }

    async fn write_part(
        &self,
        part: u32,
        length: u64,
        expected: Option<Sha256Digest>,
        incoming: Incoming,
    ) -> Result<Written<PartMeasured>> {
        let measure = PartMeasure::new(expected.is_some());
        let written = match self.0.blobs.write(incoming, length, measure).await {
            Err(Error::TooLarge { .. }) => {
                let reason = format!("part {part} has {length} bytes and more came");
                return Err(Error::invalid("size", reason));
            }
            other => other?,
        };
        let (size, sha256) = written.measured;
        if size != length {
            return Err(wrong_length(part, length, size));
        }
        match (sha256, expected) {
            (Some(sha256), Some(expected)) if sha256 != expected => {
                Err(wrong_digest(sha256, expected))
            }
            _ => Ok(written),
        }
    }

    async fn commit_part(
        &self,
        owner: JobOfBuild,
        artifact: &Artifact,
        part: u32,
        written: Written<PartMeasured>,
    ) -> Result<()> {
        let (pk, container) = (artifact.number, self.0.database.number().await?);
        let (now, lease_ms) = (self.0.clock.now(), self.0.settings.upload_lease_ms);
        let (home, length) = (written.home(container), written.measured.0);
        let committed = self
            .0
            .database
            .write_in(Room::Project(owner.build.project.number), async move |tx| {
                let job = heard_job(tx, owner.job.pk, owner.job.id, now).await?;
                renew(tx, pk, &job, lease_ms, now).await?;
                if parts::is_held(tx, pk, part).await? {
                    return Ok(((), false));
                }
                blobs::seal(tx, &home, length).await?;
                parts::insert(tx, pk, part, home.container(), length).await?;
                Ok(((), true))
            })
            .await;
        written.settle(committed)
    }

    async fn complete(
        &self,
        who: &Principal,
        owner: JobOfBuild,
        artifact: Artifact,
    ) -> Result<Artifact> {
        let (pk, plan) = (artifact.number, self.plan_of(&artifact));
        let parts = self
            .0
            .database
            .read(async move |tx| parts::from(tx, pk, 0).await)
            .await?;
        require_all(plan, &parts)?;
        let measured = match self.measured_parts(pk, &parts).await {
            Err(error @ Error::Internal { .. }) => {
                return Err(self
                    .lost_parts(owner.build.project.number, pk, error)
                    .await?);
            }
            other => other?,
        };
        let digests = &measured.digests;
        let expected = artifact.sha256.unwrap_or(digests.sha256);
        if digests.sha256 != expected || digests.size != artifact.size {
            self.0.prefixes.forget(pk);
            self.fail(who, artifact.id).await?;
            return Err(wrong_digest(digests.sha256, expected));
        }
        let finished = self.commit_upload(who, owner, artifact, measured).await?;
        self.0.prefixes.forget(pk);
        Ok(finished)
    }

    async fn commit_upload(
        &self,
        who: &Principal,
        owner: JobOfBuild,
        artifact: Artifact,
        measured_parts: Measured,
    ) -> Result<Artifact> {
        let digests = measured_parts.digests;
        let (blob, now) = (self.0.database.number().await?, self.0.clock.now());
        let keeper = self.keeper(who, &owner.build.project);
        let project = owner.build.project.number;
        let damaged = self.damaged_twin(project, digests.size, digests.sha256);
        let damaged = damaged.await?;
        self.0
            .database
            .write_in(Room::Project(project), async move |tx| {
                heard_job(tx, owner.job.pk, owner.job.id, now).await?;
                let parts = parts::from(tx, artifact.number, 0).await?;
                if !measured_parts.is_of(&parts) {
                    return Err(has_changed());
                }
                let bytes = Bytes {
                    project,
                    source: Source::Parts {
                        artifact: artifact.number,
                        parts: &parts,
                    },
                    digests,
                    blob,
                    damaged,
                };
                let (blob, used) = bytes.name(tx, now).await?;
                if !used {
                    parts::free(tx, artifact.number).await?;
                }
                let artifact = measured(artifact.clone(), blob, &digests, now);
                if !rows::finish(tx, &artifact).await? {
                    return Err(no_longer_awaited());
                }
                count_kept(tx, &keeper, &artifact, now).await?;
                Ok(artifact)
            })
            .await
    }

    /// Forgets parts whose bytes are not there, so that they can be sent again; what to say of it.
    async fn lost_parts(&self, project: i64, artifact: i64, error: Error) -> Result<Error> {
        let held = self
            .0
            .database
            .read(async move |tx| parts::from(tx, artifact, 0).await)
            .await?;
        let mut lost = Vec::new();
        for part in held {
            if !self.0.blobs.holds(vec![part.extent]).await? {
                lost.push(part.seq);
            }
        }
        if lost.is_empty() {
            return Ok(error);
        }
        tracing::error!(%error, parts = ?lost, "parts of an upload are lost");
        // What comes in their place may be something else.
        self.0.prefixes.forget(artifact);
        let said = missing(&lost);
        self.0
            .database
            .write_in(Room::Project(project), async move |tx| {
                for part in &lost {
                    parts::free_one(tx, artifact, *part).await?;
                }
                Ok(())
            })
            .await?;
        Ok(said)
    }
}

/// What beginning an upload takes into its transaction.
struct Begin {
    keeper: Keeper,
    owner: JobOfBuild,
    new: NewArtifact,
    plan: PartPlan,
    size: u64,
    sha256: Sha256Digest,
    number: i64,
    as_of: rows::AsOf,
    lease_ms: i64,
    /// A blob of the same content whose bytes were found missing.
    damaged: Option<i64>,
}

impl Begin {
    async fn run(&self, tx: &mut Tx) -> Result<Begun> {
        tx.lock(Room::Project(self.owner.build.project.number))
            .await?;
        let now = self.as_of.now;
        let job = heard_job(tx, self.owner.job.pk, self.owner.job.id, now).await?;
        if let Some(open) = self.open(tx, &job).await? {
            let held = parts::held(tx, open.number).await?;
            return Ok(self.begun(open, held, false));
        }
        require_running(&job, now)?;
        if let Some(artifact) = self.newest(tx).await? {
            return Ok(self.begun(artifact, Vec::new(), false));
        }
        if let Some(artifact) = self.held_elsewhere(tx).await? {
            return Ok(self.begun(artifact, Vec::new(), true));
        }
        if rows::awaited_of_job(tx, job.pk).await? >= OPEN_UPLOADS_MAX {
            return Err(Error::Conflict(format!(
                "the job has {OPEN_UPLOADS_MAX} uploads that are not finished, which is the most that a job can have: \
                 finish some or give them up"
            )));
        }
        let (project, limit) = (&self.keeper.project, self.keeper.max_bytes);
        space::require(tx, project, self.size, limit).await?;
        let artifact = self.announced();
        let deadline = now.plus_ms(self.lease_ms);
        rows::insert(
            tx,
            self.owner.build.project.number,
            &artifact,
            Some(deadline),
        )
        .await?;
        let what = format!("artifact {}", artifact.id);
        let slug = self.owner.build.project.slug();
        audit::record_in(tx, now, &self.keeper.who, &slug, "begin upload", &what).await?;
        Ok(self.begun(artifact, Vec::new(), true))
    }

    /// The upload that was begun before, with a new lease and what is said of the file now.
    async fn open(&self, tx: &mut Tx, job: &Job) -> Result<Option<Artifact>> {
        let path = self.new.path.as_str();
        let open = rows::awaiting_parts(tx, self.as_of, job.pk, path, self.size, self.sha256);
        let Some(open) = open.await? else {
            return Ok(None);
        };
        renew(tx, open.number, job, self.lease_ms, self.as_of.now).await?;
        let open = Artifact {
            alias: self.new.alias.clone(),
            content_type: self.new.content_type.clone(),
            mode: self.new.mode,
            ..open
        };
        rows::describe(tx, &open).await?;
        Ok(Some(open))
    }

    /// The newest artifact of the path, if it is what would be sent.
    async fn newest(&self, tx: &mut Tx) -> Result<Option<Artifact>> {
        let (path, state) = (self.new.path.as_str(), ArtifactState::Finished);
        let newest = rows::newest(tx, self.as_of, self.owner.job.pk, path, state).await?;
        Ok(newest.filter(|newest| {
            let is_whole = newest.blob_pk.is_some() && newest.blob_pk != self.damaged;
            is_whole && newest.size == self.size && is_same(newest, &self.new, self.sha256)
        }))
    }

    /// An artifact of content that the project holds.
    async fn held_elsewhere(&self, tx: &mut Tx) -> Result<Option<Artifact>> {
        let (now, project) = (self.as_of.now, self.owner.build.project.number);
        let held = blobs::of_content(tx, project, self.size, self.sha256).await?;
        let Some(blob) = held.filter(|blob| Some(blob.pk) != self.damaged) else {
            return Ok(None);
        };
        blobs::revive(tx, blob.pk).await?;
        let artifact = measured(self.announced(), blob.pk, &blob.digests, now);
        rows::insert(tx, project, &artifact, None).await?;
        count_kept(tx, &self.keeper, &artifact, now).await?;
        Ok(Some(artifact))
    }

    fn announced(&self) -> Artifact {
        let announced = self.owner.announced(self.number, &self.new, self.as_of.now);
        Artifact {
            part_bytes: Some(self.plan.part_bytes()),
            ..announced
        }
    }

    fn begun(&self, artifact: Artifact, held: Vec<u32>, fresh: bool) -> Begun {
        let plan = PartPlan::of(&artifact).unwrap_or(self.plan);
        let upload = plan.upload(artifact, held);
        Begun { upload, fresh }
    }
}

/// The job, of which was just heard, if what it announced may still finish.
async fn heard_job(tx: &mut Tx, pk: i64, id: JobId, now: Timestamp) -> Result<Job> {
    jobs::hear(tx, pk, now).await?;
    let job = jobs::by_id(tx, id)
        .await?
        .ok_or(Error::NotFound(What::Job))?;
    require_not_long_ended(&job, now)?;
    Ok(job)
}

/// The lease begins anew; it never goes on for longer than an ended job may finish what it announced.
async fn renew(tx: &mut Tx, artifact: i64, job: &Job, lease_ms: i64, now: Timestamp) -> Result<()> {
    let lease = now.plus_ms(lease_ms);
    let deadline = job
        .finished_at
        .map_or(lease, |at| lease.min(at.plus_ms(LATE_FINISH_MS)));
    if rows::renew(tx, artifact, now, deadline).await? {
        return Ok(());
    }
    Err(no_longer_awaited())
}

fn require_all(plan: PartPlan, parts: &[Part]) -> Result<()> {
    let held: Vec<_> = parts.iter().map(|part| part.seq).collect();
    let missed = plan.missing(&held);
    if missed.is_empty() {
        return Ok(());
    }
    Err(missing(&missed))
}

fn missing(parts: &[u32]) -> Error {
    let mut named: Vec<_> = parts
        .iter()
        .take(NAMED_PARTS_MAX)
        .map(ToString::to_string)
        .collect();
    let more = parts.len().saturating_sub(NAMED_PARTS_MAX);
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    Error::Conflict(format!(
        "parts are missing, send them and finish again: {}",
        named.join(", ")
    ))
}

fn no_longer_awaited() -> Error {
    Error::Conflict("the artifact no longer awaits bytes".into())
}

fn wrong_length(part: u32, length: u64, came: u64) -> Error {
    let reason = format!("part {part} has {length} bytes and {came} came");
    Error::invalid("size", reason)
}

fn wrong_digest(came: Sha256Digest, expected: Sha256Digest) -> Error {
    let reason = format!(
        "the bytes that came have {} and {} was announced",
        came.hex(),
        expected.hex()
    );
    Error::invalid("sha256", reason)
}
