//! Compares rows and bytes, both ways and by digest.

use crate::error::Result;
use crate::larder::Larder;
use crate::metadata::{artifacts, blobs};
use crate::model::{Artifact, ByteRange, Digests};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

const BATCH: u32 = 500;

/// What a check found.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CheckReport {
    /// Finished artifacts that were looked at.
    pub artifacts: u64,
    /// Distinct blobs that were read.
    pub blobs: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Finished artifacts that have not their exact bytes.
    pub faults: Vec<Fault>,
    /// Keys of bytes that no row names, which the sweep removes, and files that are no blobs at all, by their path in the
    /// folder of blobs, which it leaves alone.
    pub waste: Vec<String>,
}

/// An artifact that has not its exact bytes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fault {
    /// Its id.
    pub artifact: String,
    /// Its path.
    pub path: String,
    /// What is wrong, for people.
    pub what: String,
}

impl CheckReport {
    /// Whether every finished artifact has its exact bytes.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Larder {
    /// Reads every byte of every finished artifact and compares; lists bytes that no row names.
    pub async fn check(&self) -> Result<CheckReport> {
        let mut report = CheckReport::default();
        let (mut sound, mut last) = (HashSet::new(), 0);
        loop {
            let as_of = self.store.as_of_now();
            let batch = self
                .store
                .database
                .scan(async move |tx| artifacts::finished_after(tx, as_of, last, BATCH).await)
                .await?;
            let Some(end) = batch.last() else { break };
            last = end.number;
            for artifact in &batch {
                report.artifacts += 1;
                if artifact.blob_pk.is_some_and(|blob| sound.contains(&blob)) {
                    continue;
                }
                match self.fault_of(artifact, &mut report).await? {
                    None => sound.extend(artifact.blob_pk),
                    Some(what) if self.is_still_finished(artifact).await? => {
                        report.faults.push(Fault {
                            artifact: artifact.id.to_string(),
                            path: artifact.path.to_string(),
                            what,
                        });
                    }
                    // Deleted or expired while it was read.
                    Some(_) => {}
                }
            }
        }
        report.waste = self.orphans().await?;
        report.waste.extend(self.store.blobs.strays().await?);
        Ok(report)
    }

    async fn fault_of(
        &self,
        artifact: &Artifact,
        report: &mut CheckReport,
    ) -> Result<Option<String>> {
        let Some(pk) = artifact.blob_pk else {
            return Ok(Some("it names no bytes".into()));
        };
        let (blob, extents) = self
            .store
            .database
            .scan(async move |tx| Ok((blobs::by_pk(tx, pk).await?, blobs::extents(tx, pk).await?)))
            .await?;
        let Some(blob) = blob else {
            return Ok(Some("its bytes have no row".into()));
        };
        let chained: u64 = extents.iter().map(|extent| extent.length).sum();
        if blob.digests.size != artifact.size || chained != artifact.size {
            return Ok(Some(format!(
                "{} bytes are on record and {} in its parts",
                artifact.size, chained
            )));
        }
        if artifact.sha256 != Some(blob.digests.sha256) || artifact.sha1 != Some(blob.digests.sha1)
        {
            return Ok(Some(
                "artifact and blob are on record with different digests".into(),
            ));
        }
        report.blobs += 1;
        report.bytes += artifact.size;
        let whole = ByteRange {
            start: 0,
            end: artifact.size,
        };
        let measured = match self.store.blobs.open(&extents, whole).await {
            Ok(stream) => stream.measure().await,
            Err(error) => return Ok(Some(format!("its bytes cannot be opened: {error}"))),
        };
        Ok(match measured {
            Ok(measured) => difference(&measured, &blob.digests),
            Err(error) => Some(format!("its bytes cannot be read: {error}")),
        })
    }

    async fn is_still_finished(&self, artifact: &Artifact) -> Result<bool> {
        let (as_of, id) = (self.store.as_of_now(), artifact.id);
        let now = self
            .store
            .database
            .read(async move |tx| artifacts::by_id(tx, as_of, id).await)
            .await?;
        Ok(now.is_some_and(|now| now.state == artifact.state))
    }
}

/// What of the bytes is not as on record, for people.
pub(crate) fn difference(measured: &Digests, recorded: &Digests) -> Option<String> {
    let wrong: Vec<_> = [
        ("size", measured.size == recorded.size),
        ("SHA-1", measured.sha1 == recorded.sha1),
        ("SHA-256", measured.sha256 == recorded.sha256),
        ("CRC-32", measured.crc32 == recorded.crc32),
    ]
    .into_iter()
    .filter_map(|(name, is_equal)| (!is_equal).then_some(name))
    .collect();
    (!wrong.is_empty())
        .then(|| format!("its bytes have another {} than on record", wrong.join(", ")))
}
