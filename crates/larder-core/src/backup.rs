//! Backups of an embedded store, taken while it is in use, and the way back from them.
//!
//! A backup is a folder: the rows as they were at its begin, the keys that sign links, and a copy of every file of bytes
//! that those rows name. `backup.json` comes last and says which rows are meant, so that a backup which is made again in
//! the same folder is the former one until it is the new one.

mod copy;
mod folder;
mod restore;

use crate::blobs::BlobStore;
use crate::check::Fault;
use crate::error::{Error, Result};
use crate::larder::Larder;
use crate::metadata::{audit, instance};
use crate::model::Principal;
use copy::Bytes;
use folder::{BackupFolder, Manifest};
pub use restore::restore;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a backup holds, or what was restored from one.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BackedUp {
    /// Files of bytes.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Files that were not there before and were copied.
    pub new_files: u64,
    /// Their sizes together.
    pub new_bytes: u64,
    /// Artifacts that have not their exact bytes, which are therefore not copied.
    pub faults: Vec<Fault>,
}

impl BackedUp {
    /// Whether every artifact has its exact bytes.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Larder {
    /// Makes a backup in a folder that is empty, not there, or holds an earlier backup of this store; then only new files
    /// are copied. Everything acknowledged before is in it. The store may be in use; no bytes are freed meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a store that is not embedded, and for a folder that is something else. A damaged file is no
    /// error: it is named, and everything else is backed up.
    pub async fn backup(&self, folder: &Path) -> Result<BackedUp> {
        let store = &self.store;
        let (Some(rows_folder), BlobStore::Local(blobs)) =
            (store.settings.database_folder(), &store.blobs)
        else {
            let reason = "only a store with its rows in SQLite and its bytes in a folder is backed up like this; for \
                          PostgreSQL and S3 see docs/operations.md";
            return Err(Error::invalid("backup", reason));
        };
        for inside in [&*store.settings.data, rows_folder] {
            folder::require_outside(folder, inside)?;
        }
        let id = store.database.read(instance::id).await?;
        let folder = BackupFolder::take(folder, &id)?;
        let _bytes_stay = store.bytes_stay.read().await;
        let now = store.clock.now();
        let what = folder.shown();
        let noted = store.database.write(async move |tx| {
            audit::record(tx, now, &Principal::Operator, "back up", &what).await
        });
        noted.await?;
        let generation = folder.next_generation();
        folder.copy_keys(&store.settings.data, generation)?;
        let rows = folder.rows_of(generation);
        let rows = store.database.snapshot_into(rows).await?;
        let (kept, trust) = (folder.blobs()?, folder.begin()?);
        let bytes = Bytes {
            rows: &rows,
            from: blobs,
            to: &kept,
            trust,
        };
        let done = bytes.copy().await?;
        folder.end()?;
        folder.finish(&Manifest::new(id, generation, now, &done))?;
        folder.forget_others(generation)?;
        copy::remove_unnamed(&kept, &rows).await?;
        Ok(done)
    }
}
