//! What jobs say of their steps, and who may read it.

use crate::access::{Action, Resource, authorize};
use crate::error::{Error, Result, What};
use crate::jobs::{JobOfBuild, Jobs, require_there};
use crate::metadata::{Tx, jobs, steps};
use crate::model::{Build, Job, JobId, NewStep, Principal, Step};
use crate::store::Store;
use bytes::Bytes;
use std::sync::Arc;

/// Most steps of one job.
const STEPS_MAX: u32 = 10_000;
/// Longest name or command of a step in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Longest chunk of output in bytes.
pub const OUTPUT_CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Most output that is read at a time, in bytes.
const OUTPUT_READ_BYTES_MAX: usize = 1024 * 1024;
/// Most output that is kept of one step, in bytes.
const OUTPUT_BYTES_MAX: i64 = 256 * 1024 * 1024;

/// Steps of jobs and their output.
#[derive(Clone, Debug)]
pub struct Steps(pub(crate) Arc<Store>);

impl Steps {
    /// Notes where a step is; a step that has ended stays as it is.
    pub async fn report(
        &self,
        who: &Principal,
        job: JobId,
        seq: u32,
        step: NewStep,
    ) -> Result<Step> {
        if seq >= STEPS_MAX {
            return Err(Error::invalid("seq", format!("must be below {STEPS_MAX}")));
        }
        if step.name.len() > TEXT_BYTES_MAX
            || step
                .command
                .as_ref()
                .is_some_and(|text| text.len() > TEXT_BYTES_MAX)
        {
            return Err(Error::invalid(
                "step",
                format!("name and command must be at most {TEXT_BYTES_MAX} bytes"),
            ));
        }
        let job = self.running(who, job).await?;
        let (now, pk) = (self.0.clock.now(), self.0.database.number().await?);
        self.0
            .database
            .write(async move |tx| {
                require_there(tx, job.id).await?;
                steps::put(tx, pk, job.pk, seq, &step, now).await?;
                jobs::hear(tx, job.pk, now).await?;
                steps::by_seq(tx, job.pk, seq)
                    .await?
                    .ok_or(Error::NotFound(What::Step))
            })
            .await
    }

    /// Appends output at an offset. What is kept already is not kept twice, so that a chunk may be sent again; a chunk
    /// that begins after the end is a conflict. Answers the bytes kept.
    pub async fn append(
        &self,
        who: &Principal,
        job: JobId,
        seq: u32,
        offset: i64,
        chunk: Bytes,
    ) -> Result<i64> {
        if chunk.len() > OUTPUT_CHUNK_BYTES_MAX {
            return Err(Error::TooLarge {
                limit: OUTPUT_CHUNK_BYTES_MAX as u64,
            });
        }
        let job = self.running(who, job).await?;
        let now = self.0.clock.now();
        self.0
            .database
            .write(async move |tx| {
                require_there(tx, job.id).await?;
                let step = steps::by_seq(tx, job.pk, seq)
                    .await?
                    .ok_or(Error::NotFound(What::Step))?;
                if offset < 0 || offset > step.output_bytes {
                    return Err(Error::Conflict(format!(
                        "the output kept ends at {}",
                        step.output_bytes
                    )));
                }
                if step.output_bytes >= OUTPUT_BYTES_MAX {
                    return Err(Error::TooLarge {
                        limit: OUTPUT_BYTES_MAX.unsigned_abs(),
                    });
                }
                let known = usize::try_from(step.output_bytes - offset).unwrap_or(usize::MAX);
                let fresh = chunk.get(known..).unwrap_or_default();
                if !fresh.is_empty() {
                    steps::append(tx, step.pk, step.output_bytes, fresh, now).await?;
                }
                jobs::hear(tx, job.pk, now).await?;
                Ok(step.output_bytes + i64::try_from(fresh.len()).unwrap_or(0))
            })
            .await
    }

    /// The steps of a node, in order.
    pub async fn of_job(&self, who: &Principal, build: &Build, job: &Job) -> Result<Vec<Step>> {
        authorize(
            who,
            Action::ReadBuilds,
            Resource::job(&build.project, build.pk, job.pk),
        )?;
        let pk = job.pk;
        self.0
            .database
            .read(async move |tx| steps::of_job(tx, pk).await)
            .await
    }

    /// At most 1 MiB of a step's output from an offset.
    pub async fn output(
        &self,
        who: &Principal,
        build: &Build,
        job: &Job,
        seq: u32,
        offset: i64,
    ) -> Result<Bytes> {
        authorize(
            who,
            Action::ReadBuilds,
            Resource::job(&build.project, build.pk, job.pk),
        )?;
        let pk = job.pk;
        self.0
            .database
            .read(async move |tx| {
                let step = steps::by_seq(tx, pk, seq)
                    .await?
                    .ok_or(Error::NotFound(What::Step))?;
                printed(tx, step.pk, offset.max(0)).await
            })
            .await
    }

    async fn running(&self, who: &Principal, id: JobId) -> Result<Job> {
        let JobOfBuild { job, build } = Jobs(self.0.clone()).seen(who, id).await?;
        authorize(
            who,
            Action::RunJob,
            Resource::job(&build.project, build.pk, job.pk),
        )?;
        Ok(job)
    }
}

/// Output from an offset, up to the most that is read at a time; chunks are as long as their job liked.
async fn printed(tx: &mut Tx, step: i64, offset: i64) -> Result<Bytes> {
    let (mut output, mut limit) = (Vec::new(), 4);
    loop {
        let at = offset + i64::try_from(output.len()).unwrap_or(i64::MAX);
        let chunks = steps::output(tx, step, at, limit).await?;
        let (known, is_all) = (output.len(), chunks.len() < limit as usize);
        for (start, chunk) in chunks {
            let skipped = usize::try_from(at - start).unwrap_or(0);
            output.extend_from_slice(chunk.get(skipped..).unwrap_or_default());
        }
        if is_all || output.len() == known || output.len() >= OUTPUT_READ_BYTES_MAX {
            output.truncate(OUTPUT_READ_BYTES_MAX);
            return Ok(output.into());
        }
        // Few long chunks or many short ones, so that not much more is read than is given.
        let is_short = output.len() - known < 16 * 1024;
        limit = if is_short { 64 } else { 4 };
    }
}
