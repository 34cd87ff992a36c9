//! What every use case works with: rows, bytes, time, keys, and the settings that bound them.

use crate::blobs::{BlobStore, LocalBlobs, make_folder, sync_folder};
use crate::clock::{Clock, Timestamp};
use crate::error::Result;
use crate::metadata::Database;
use crate::metadata::artifacts::AsOf;
use crate::signed_url::KeyRing;
use std::path::PathBuf;
use std::sync::Mutex;

/// Where an embedded store is and what bounds it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of signing keys and of what is not placed elsewhere.
    pub data: PathBuf,
    /// File of the metadata.
    pub database: PathBuf,
    /// Folder of the blobs.
    pub blobs: PathBuf,
    /// Largest artifact in bytes.
    pub max_file_bytes: u64,
    /// Whether announcing a build makes an unknown project.
    pub auto_create_projects: bool,
    /// A running job unheard of for so long has timed out, in milliseconds.
    pub job_lease_ms: i64,
    /// Announced bytes must come within so long, in milliseconds.
    pub upload_lease_ms: i64,
    /// Finished artifacts expire after so many days where their project says nothing else; 0 for never.
    pub retention_days: u32,
}

impl Settings {
    /// The defaults for a store in a folder: 3 GB a file, an hour for a job, a day for an upload, no
    /// end for what is kept.
    pub fn in_folder(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        Self {
            database: data.join("meta.db"),
            blobs: data.join("blobs"),
            data,
            max_file_bytes: 3_000_000_000,
            auto_create_projects: false,
            job_lease_ms: 60 * 60 * 1000,
            upload_lease_ms: 24 * 60 * 60 * 1000,
            retention_days: 0,
        }
    }
}

impl Settings {
    /// A new store must not vanish with the folders that it lies in.
    fn sync_folders(&self) -> Result<()> {
        let holders = [
            Some(&*self.data),
            self.database.parent(),
            self.blobs.parent(),
            self.data.parent(),
        ];
        holders.into_iter().flatten().try_for_each(sync_folder)
    }
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) blobs: BlobStore,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRing,
    pub(crate) settings: Settings,
    /// Of the last sweep by this process: when, and what [`Clock::elapsed_ms`] was.
    pub(crate) last_sweep: Mutex<Option<(Timestamp, i64)>>,
}

impl Store {
    /// What states of artifacts hang on, now.
    pub(crate) fn as_of_now(&self) -> AsOf {
        AsOf {
            now: self.clock.now(),
            retention_days: self.settings.retention_days,
        }
    }

    /// Opens the store, makes it when it is not there.
    pub(crate) fn open(settings: Settings, clock: Clock) -> Result<Self> {
        make_folder(&settings.data)?;
        if let Some(folder) = settings.database.parent() {
            make_folder(folder)?;
        }
        let store = Self {
            database: Database::open_sqlite(&settings.database)?,
            blobs: BlobStore::Local(LocalBlobs::open(&settings.blobs)?),
            keys: KeyRing::open(&settings.data.join("signing-keys.json"))?,
            clock,
            settings,
            last_sweep: Mutex::new(None),
        };
        store.settings.sync_folders()?;
        Ok(store)
    }
}
