//! What every use case works with: rows, bytes, time, keys, and the settings that bound them.

use crate::artifacts::Prefixes;
use crate::blobs::{
    BlobStore, BlobsAddress, LocalBlobs, S3Blobs, make_folder, sync_folder, try_bucket,
};
use crate::clock::{Clock, Timestamp};
use crate::downloads::Downloads;
use crate::error::Result;
use crate::metadata::artifacts::AsOf;
use crate::metadata::{Database, DatabaseAddress};
use crate::signing_keys::{Signing, SigningKeys};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where an embedded store is and what bounds it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder of signing keys and of what is not placed elsewhere.
    pub data: PathBuf,
    /// Where the rows are.
    pub database: DatabaseAddress,
    /// Where the bytes are.
    pub blobs: BlobsAddress,
    /// Where the keys that sign links are kept.
    pub signing: Signing,
    /// Largest artifact in bytes.
    pub max_file_bytes: u64,
    /// Bytes that a project may keep that says nothing else itself; 0 for no limit.
    pub max_project_bytes: u64,
    /// Whether announcing a build makes an unknown project.
    pub auto_create_projects: bool,
    /// A running job unheard of for so long has timed out, in milliseconds.
    pub job_lease_ms: i64,
    /// Announced bytes must come within so long, in milliseconds.
    pub upload_lease_ms: i64,
    /// Bytes of a part of a large upload, unless the file has too few or too many of them.
    pub part_bytes: u64,
    /// Finished artifacts expire after so many days where their project says nothing else; 0 for never.
    pub retention_days: u32,
}

impl Settings {
    /// The defaults for a store in a folder: 3 GB a file, an hour for a job, a day for an upload, no
    /// end for what is kept.
    pub fn in_folder(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        Self {
            database: DatabaseAddress::Sqlite(data.join("meta.db")),
            blobs: BlobsAddress::Folder(data.join("blobs")),
            data,
            signing: Signing::File,
            max_file_bytes: 3_000_000_000,
            max_project_bytes: 0,
            auto_create_projects: false,
            job_lease_ms: 60 * 60 * 1000,
            upload_lease_ms: 24 * 60 * 60 * 1000,
            part_bytes: 8 * 1024 * 1024,
            retention_days: 0,
        }
    }
}

impl Settings {
    pub(crate) fn database_folder(&self) -> Option<&Path> {
        match &self.database {
            DatabaseAddress::Sqlite(file) => file.parent(),
            DatabaseAddress::Postgres(_) => None,
        }
    }

    fn blobs_folder(&self) -> Option<&Path> {
        match &self.blobs {
            BlobsAddress::Folder(folder) => folder.parent(),
            BlobsAddress::S3(_) => None,
        }
    }

    /// A new store must not vanish with the folders that it lies in.
    pub(crate) fn sync_folders(&self) -> Result<()> {
        let holders = [
            Some(&*self.data),
            self.database_folder(),
            self.blobs_folder(),
            self.data.parent(),
        ];
        holders.into_iter().flatten().try_for_each(sync_folder)
    }
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) database: Arc<Database>,
    pub(crate) blobs: BlobStore,
    pub(crate) clock: Clock,
    pub(crate) keys: SigningKeys,
    pub(crate) settings: Settings,
    /// This server among those over the same store.
    pub(crate) server: uuid::Uuid,
    /// Digests of uploads in parts, as far as they go.
    pub(crate) prefixes: Prefixes,
    /// Downloads that are not in the log yet.
    pub(crate) downloads: Downloads,
    /// Held by whoever reads bytes that rows of an earlier moment name; a sweep frees none meanwhile.
    pub(crate) bytes_stay: tokio::sync::RwLock<()>,
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
    pub(crate) async fn open(settings: Settings, clock: Clock) -> Result<Self> {
        if let BlobsAddress::S3(address) = &settings.blobs {
            try_bucket(address).await?;
        }
        make_folder(&settings.data)?;
        if let Some(folder) = settings.database_folder() {
            make_folder(folder)?;
        }
        let database = Arc::new(Database::open(&settings.database).await?);
        let store = Self {
            keys: SigningKeys::open(&settings.signing, &settings.data, &database, &clock).await?,
            blobs: open_blobs(&settings, &database, &clock)?,
            database,
            clock,
            settings,
            server: uuid::Uuid::new_v4(),
            prefixes: Prefixes::default(),
            downloads: Downloads::default(),
            bytes_stay: tokio::sync::RwLock::default(),
            last_sweep: Mutex::new(None),
        };
        store.settings.sync_folders()?;
        Ok(store)
    }
}

fn open_blobs(settings: &Settings, database: &Arc<Database>, clock: &Clock) -> Result<BlobStore> {
    match &settings.blobs {
        BlobsAddress::Folder(folder) => LocalBlobs::open(folder).map(BlobStore::Local),
        BlobsAddress::S3(address) => {
            let spool = settings.data.join("spool");
            make_folder(&spool)?;
            let (database, clock) = (database.clone(), clock.clone());
            S3Blobs::open(address, spool, database, clock).map(BlobStore::S3)
        }
    }
}
