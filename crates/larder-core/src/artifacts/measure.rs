//! Digests of files that come in parts. What follows the start without a gap is measured while more comes, so that little
//! is left to do at the end; what was measured is in memory alone, and measured again after a restart.

use crate::artifacts::Artifacts;
use crate::blobs::{Hasher, Measure as _};
use crate::error::{Error, Result};
use crate::metadata::parts::{self, Part};
use crate::model::{ByteRange, Digests, Sha256Digest};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Uploads that are remembered; of more, some are measured anew when they end.
const REMEMBERED_MAX: usize = 4_096;

/// What is measured of each upload, by the row number of its artifact.
#[derive(Default)]
pub(crate) struct Prefixes(Mutex<HashMap<i64, Arc<tokio::sync::Mutex<Prefix>>>>);

/// What is measured of one upload.
#[derive(Clone, Default)]
struct Prefix {
    /// The first part that is not measured.
    next: u32,
    hasher: Hasher,
    /// Of the containers that were measured: another server may have found one of them lost, and have another one now.
    containers: Hasher,
}

/// What an upload came to.
pub(super) struct Measured {
    pub(super) digests: Digests,
    /// Of the containers whose bytes were measured.
    containers: Sha256Digest,
}

impl Measured {
    /// Whether it is these parts that were measured.
    pub(super) fn is_of(&self, parts: &[Part]) -> bool {
        self.containers == containers(parts)
    }
}

fn containers(parts: &[Part]) -> Sha256Digest {
    let mut containers = Hasher::default();
    for part in parts {
        containers.update(&part.container.to_le_bytes());
    }
    containers.finish().sha256
}

impl Prefix {
    fn measured(&self) -> Measured {
        Measured {
            digests: self.hasher.clone().finish(),
            containers: self.containers.clone().finish().sha256,
        }
    }
}

/// Somebody else has been at the upload.
pub(super) fn has_changed() -> Error {
    Error::Conflict("the upload has just changed; look at it again".into())
}

impl Prefixes {
    fn of(&self, artifact: i64) -> Arc<tokio::sync::Mutex<Prefix>> {
        let mut known = self.known();
        if known.len() >= REMEMBERED_MAX
            && !known.contains_key(&artifact)
            && let Some(any) = known.keys().next().copied()
        {
            known.remove(&any);
        }
        known.entry(artifact).or_default().clone()
    }

    pub(super) fn forget(&self, artifact: i64) {
        self.known().remove(&artifact);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Arc<tokio::sync::Mutex<Prefix>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Prefixes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Prefixes")
            .field("known", &self.known().len())
            .finish()
    }
}

impl Artifacts {
    /// Measures in the background what has come of an upload, unless somebody is at it.
    pub(super) fn measure_behind(&self, artifact: i64) {
        let (artifacts, prefix) = (self.clone(), self.0.prefixes.of(artifact));
        tokio::spawn(async move {
            let Ok(mut prefix) = prefix.try_lock() else {
                return;
            };
            // Whoever ends the upload meets the same trouble and tells of it.
            if let Err(error) = artifacts.advance(artifact, &mut prefix).await {
                tracing::warn!(%error, "measure parts of an upload");
            }
        });
    }

    /// The digests of an upload of which all these parts are held.
    pub(super) async fn measured_parts(&self, artifact: i64, parts: &[Part]) -> Result<Measured> {
        let prefix = self.0.prefixes.of(artifact);
        let mut prefix = prefix.lock().await;
        self.advance(artifact, &mut prefix).await?;
        if !prefix.measured().is_of(parts) {
            *prefix = Prefix::default();
            self.advance(artifact, &mut prefix).await?;
        }
        let measured = prefix.measured();
        if measured.is_of(parts) {
            return Ok(measured);
        }
        Err(has_changed())
    }

    /// Goes on to the first part that is not held.
    async fn advance(&self, artifact: i64, prefix: &mut Prefix) -> Result<()> {
        loop {
            let next = prefix.next;
            let held = self
                .0
                .database
                .read(async move |tx| parts::from(tx, artifact, next).await)
                .await?;
            let is_next = |(part, seq): &(Part, u32)| part.seq == *seq;
            let run: Vec<_> = held.into_iter().zip(next..).take_while(is_next).collect();
            if run.is_empty() {
                return Ok(());
            }
            for (part, _) in run {
                let container = part.container;
                prefix.hasher = self.measure_part(part, prefix.hasher.clone()).await?;
                prefix.containers.update(&container.to_le_bytes());
                prefix.next += 1;
            }
        }
    }

    /// Away from the threads that answer requests: digests of megabytes take their time.
    async fn measure_part(&self, part: Part, before: Hasher) -> Result<Hasher> {
        let whole = ByteRange {
            start: 0,
            end: part.extent.length,
        };
        let stream = self.0.blobs.open(&[part.extent], whole).await?;
        let runtime = tokio::runtime::Handle::current();
        let measure = move || runtime.block_on(stream.measure_after(before));
        tokio::task::spawn_blocking(measure)
            .await
            .map_err(|error| Error::internal("measure a part", error))?
            .map_err(|error| Error::internal("measure a part", error))
    }
}
