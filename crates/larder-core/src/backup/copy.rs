//! Copies the bytes that rows name from one folder of blobs to another, and looks whether they arrived.

use crate::backup::BackedUp;
use crate::blobs::{Copied, LocalBlobs};
use crate::check::{Fault, difference};
use crate::error::{Error, Result};
use crate::metadata::blobs::{self, Blob, Extent};
use crate::metadata::snapshot::Snapshot;
use crate::metadata::{artifacts, parts};
use crate::model::ByteRange;

/// Rows that are looked at together.
const BATCH: u32 = 500;
/// Artifacts that are named for one blob.
const NAMED_MAX: u32 = 10;

/// What is copied, and where.
pub(super) struct Bytes<'a> {
    pub(super) rows: &'a Snapshot,
    pub(super) from: &'a LocalBlobs,
    pub(super) to: &'a LocalBlobs,
    pub(super) trust: Trust,
}

/// Which bytes are read again at their new place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// None that were there: they were read when they came.
    WhatIsThere,
    /// All.
    Nothing,
}

impl Bytes<'_> {
    /// All bytes that the rows name, durable when this returns. What is damaged is named, and not kept at the new place.
    pub(super) async fn copy(&self) -> Result<BackedUp> {
        let mut done = BackedUp::default();
        let mut last = 0;
        loop {
            let batch = self
                .rows
                .scan(async move |tx| {
                    let mut batch = Vec::new();
                    for blob in blobs::kept_after(tx, last, BATCH).await? {
                        let extents = blobs::extents(tx, blob.pk).await?;
                        batch.push((blob, extents));
                    }
                    Ok(batch)
                })
                .await?;
            let Some((end, _)) = batch.last() else { break };
            last = end.pk;
            for (blob, extents) in &batch {
                if let Some(what) = self.copy_blob(blob, extents, &mut done).await? {
                    self.name(blob, &what, &mut done).await?;
                }
            }
        }
        self.copy_parts(&mut done).await?;
        self.to.sync_all().await?;
        Ok(done)
    }

    /// What is wrong with a blob, if anything is.
    async fn copy_blob(
        &self,
        blob: &Blob,
        extents: &[Extent],
        done: &mut BackedUp,
    ) -> Result<Option<String>> {
        let mut is_new = false;
        for extent in extents {
            match self.copy_extent(extent, done).await? {
                Copied::Before => {}
                Copied::Now => is_new = true,
                Copied::Unreadable(why) => {
                    return Ok(Some(format!("its bytes cannot be read: {why}")));
                }
            }
        }
        if !is_new && self.trust == Trust::WhatIsThere {
            return Ok(None);
        }
        let whole = ByteRange {
            start: 0,
            end: blob.digests.size,
        };
        let runtime = tokio::runtime::Handle::current();
        let stream = self.to.stream(extents, whole)?;
        let measured = tokio::task::spawn_blocking(move || runtime.block_on(stream.measure()))
            .await
            .map_err(|error| Error::internal("measure a copy", error))?;
        let fault = match measured {
            Ok(measured) => difference(&measured, &blob.digests),
            Err(error) => Some(format!("its bytes cannot be read: {error}")),
        };
        if fault.is_some() {
            // Otherwise the next backup would find it there.
            for extent in extents {
                self.to.delete(&extent.container).await?;
            }
        }
        Ok(fault)
    }

    /// Parts of uploads that are not finished; of them alone no digest is known.
    async fn copy_parts(&self, done: &mut BackedUp) -> Result<()> {
        let mut last = 0;
        loop {
            let batch = self
                .rows
                .scan(async move |tx| parts::after(tx, last, BATCH).await)
                .await?;
            let Some(end) = batch.last() else {
                return Ok(());
            };
            last = end.container;
            for part in &batch {
                // A part that is missing is asked for again when its upload goes on.
                self.copy_extent(&part.extent, done).await?;
            }
        }
    }

    async fn copy_extent(&self, extent: &Extent, done: &mut BackedUp) -> Result<Copied> {
        let length = extent.start + extent.length;
        let copied = self.to.copy_from(self.from, &extent.container, length);
        let copied = copied.await?;
        if let Copied::Before | Copied::Now = copied {
            done.files += 1;
            done.bytes += extent.length;
        }
        if copied == Copied::Now {
            done.new_files += 1;
            done.new_bytes += extent.length;
        }
        Ok(copied)
    }

    /// Notes the artifacts whose bytes those are.
    async fn name(&self, blob: &Blob, what: &str, done: &mut BackedUp) -> Result<()> {
        let pk = blob.pk;
        let named = self
            .rows
            .scan(async move |tx| artifacts::of_blob(tx, pk, NAMED_MAX).await)
            .await?;
        done.faults
            .extend(named.into_iter().map(|(artifact, path)| Fault {
                artifact,
                path,
                what: what.to_owned(),
            }));
        Ok(())
    }
}

/// Removes copies that the rows do not name.
pub(super) async fn remove_unnamed(copies: &LocalBlobs, rows: &Snapshot) -> Result<()> {
    for keys in copies.keys().await?.chunks(BATCH as usize) {
        let keys = keys.to_vec();
        let unnamed = rows.scan(async move |tx| {
            let mut unnamed = Vec::new();
            for key in &keys {
                if !blobs::container_is_known(tx, key).await? {
                    unnamed.push(key.clone());
                }
            }
            Ok(unnamed)
        });
        for key in unnamed.await? {
            copies.delete(&key).await?;
        }
    }
    Ok(())
}
