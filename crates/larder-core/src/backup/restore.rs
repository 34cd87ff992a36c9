//! The way back from a backup.

use super::copy::{Bytes, Trust};
use super::folder::{BackupFolder, copy_durably};
use crate::backup::BackedUp;
use crate::blobs::{BlobsAddress, LocalBlobs, make_folder, sync_folder};
use crate::error::{Context as _, Error, Result};
use crate::metadata::DatabaseAddress;
use crate::metadata::snapshot::Snapshot;
use crate::signing_keys::KEYS_FILE;
use crate::store::Settings;
use std::fs;
use std::path::Path;

/// Makes the store of these settings, which must not be there yet, from a backup, and reads every byte again on the way.
/// The rows come last: until then there is no store, and the same again goes on. The caller holds the store's lock.
///
/// # Errors
///
/// [`Error::Invalid`] for a store that is there or not embedded, and for a folder that is no finished backup. A damaged
/// file is no error: it is named, and everything else is restored.
pub async fn restore(settings: &Settings, folder: &Path) -> Result<BackedUp> {
    let (DatabaseAddress::Sqlite(database), BlobsAddress::Folder(blobs)) =
        (&settings.database, &settings.blobs)
    else {
        let reason =
            "a backup is restored to a store with its rows in SQLite and its bytes in a folder";
        return Err(Error::invalid("restore", reason));
    };
    if database.exists() {
        let reason = format!(
            "there is a store in {} already: a backup is restored to a new one, name it with --data",
            settings.data.display()
        );
        return Err(Error::invalid("restore", reason));
    }
    let (backup, manifest) = BackupFolder::open(folder)?;
    make_folder(&settings.data)?;
    if let Some(folder) = database.parent() {
        make_folder(folder)?;
    }
    let half = database.with_extension("restoring");
    copy_durably(&backup.rows_of(manifest.generation), &half)?;
    let rows = Snapshot::open(&half)?;
    let bytes = Bytes {
        rows: &rows,
        from: &backup.blobs()?,
        to: &LocalBlobs::open(blobs)?,
        trust: Trust::Nothing,
    };
    let done = bytes.copy().await?;
    let keys = backup.keys_of(manifest.generation);
    if keys.exists() {
        copy_durably(&keys, &settings.data.join(KEYS_FILE))?;
    }
    settings.sync_folders()?;
    drop(rows);
    fs::rename(&half, database).context_at("put the rows in their place", database)?;
    database.parent().map_or(Ok(()), sync_folder)?;
    Ok(done)
}
