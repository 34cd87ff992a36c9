//! Frees what nothing needs any more: bytes of deleted and expired artifacts, uploads that were given up, bytes that no row names.

use crate::error::Result;
use crate::larder::Larder;
use crate::metadata::{artifacts, blobs, parts};

/// Rows handled in one transaction.
const BATCH: u32 = 500;

/// What a sweep did.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Deserialize, serde::Serialize)]
pub struct Swept {
    /// Announced artifacts whose bytes never came, and which are `error` now.
    pub abandoned: u64,
    /// Artifacts that are past their retention, and whose rows say `expired` now.
    pub expired: u64,
    /// Files whose last artifact was deleted or expired.
    pub freed: u64,
    /// Files that no row named, and objects that were sent in vain.
    pub orphans: u64,
    /// Why nothing expired and nothing will until an operator says so, for people; see [`Larder::resume_retention`].
    pub held: Option<String>,
}

impl Larder {
    /// Frees what can be freed now. Safe at any time, and again after a crash in its middle.
    pub async fn collect_garbage(&self) -> Result<Swept> {
        let now = self.store.clock.now();
        let abandoned = self
            .store
            .database
            .write(async move |tx| {
                blobs::condemn_overdue(tx, now).await?;
                // First the states: whoever finishes one of them meanwhile keeps its parts.
                let failed = artifacts::fail_overdue(tx, now).await?;
                for artifact in &failed {
                    parts::free(tx, *artifact).await?;
                }
                Ok(failed.len() as u64)
            })
            .await?;
        let (expired, held) = self.expire().await?;
        self.remove_deleted().await?;
        // From `deleting` no blob comes back, so its bytes may go whatever uploads arrive meanwhile.
        while self
            .store
            .database
            .write(async move |tx| blobs::begin_deleting(tx, now, BATCH).await)
            .await?
            > 0
        {}
        let (freed, orphans) = match self.store.bytes_stay.try_write() {
            Ok(_nobody_reads) => {
                let (freed, given_up) = self.free_condemned_containers().await?;
                (freed, given_up + self.remove_orphans().await?)
            }
            // The next sweep's.
            Err(_) => (0, 0),
        };
        Ok(Swept {
            abandoned,
            expired,
            freed,
            orphans,
            held,
        })
    }

    /// How many had held what a row named, and how many had not.
    async fn free_condemned_containers(&self) -> Result<(u64, u64)> {
        let (mut freed, mut given_up, mut last) = (0, 0, 0);
        loop {
            let batch = self
                .store
                .database
                .scan(async move |tx| blobs::condemned_containers(tx, last, BATCH).await)
                .await?;
            let Some(end) = batch.last() else {
                return Ok((freed, given_up));
            };
            last = end.pk;
            let mut gone = Vec::new();
            for container in &batch {
                let sending = container.sending.as_deref();
                if self.is_removed(&container.key, sending).await {
                    gone.push(container.pk);
                    freed += u64::from(container.was_sealed);
                    given_up += u64::from(!container.was_sealed);
                }
            }
            self.store
                .database
                .write(async move |tx| {
                    for container in &gone {
                        blobs::forget_container(tx, *container).await?;
                    }
                    Ok(())
                })
                .await?;
        }
    }

    async fn remove_orphans(&self) -> Result<u64> {
        let mut removed = 0;
        if !self.store.blobs.leaves_orphans() {
            return Ok(removed);
        }
        for key in &self.orphans().await? {
            removed += u64::from(self.is_removed(key, None).await);
        }
        Ok(removed)
    }

    /// Removes the bytes under a key. What cannot be removed is left to the next sweep: one bad file must not keep the
    /// others.
    async fn is_removed(&self, key: &str, sending: Option<&str>) -> bool {
        let removed = self.store.blobs.delete(key, sending).await;
        if let Err(error) = &removed {
            tracing::error!(key, %error, "free the bytes of a blob");
        }
        removed.is_ok()
    }

    /// Keys of bytes that no row names. Bytes whose row may still come are not among the keys that the store lists, and
    /// the rows are read after that list.
    pub(crate) async fn orphans(&self) -> Result<Vec<String>> {
        let mut orphans = Vec::new();
        let keys = self.store.blobs.keys().await?;
        for batch in keys.chunks(BATCH as usize) {
            let batch = batch.to_vec();
            let mut unknown = self
                .store
                .database
                .scan(async move |tx| {
                    let mut unknown = Vec::new();
                    for key in &batch {
                        if !blobs::container_is_known(tx, key).await? {
                            unknown.push(key.clone());
                        }
                    }
                    Ok(unknown)
                })
                .await?;
            orphans.append(&mut unknown);
        }
        Ok(orphans)
    }
}
