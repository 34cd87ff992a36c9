//! The folder of a backup: what lies where in it, and when it is one.

use crate::backup::BackedUp;
use crate::backup::copy::Trust;
use crate::blobs::{LocalBlobs, make_folder, sync_folder};
use crate::clock::Timestamp;
use crate::error::{Context as _, Error, Result};
use crate::signing_keys::KEYS_FILE;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const MANIFEST: &str = "backup.json";
const LOCK: &str = "LOCK";
/// Is there while copies may be that nobody has read yet.
const UNREAD: &str = "UNREAD";
const BLOBS: &str = "blobs";
const KEYS: &str = "signing-keys";
const ROWS: &str = "rows";
/// Of the layout; another one is not understood.
const FORMAT: u32 = 1;

/// What `backup.json` says.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Manifest {
    format: u32,
    /// Of which store.
    pub(super) instance: String,
    /// Which files of rows and keys are meant; 0 while no backup has been finished.
    pub(super) generation: u64,
    /// When those rows were true.
    #[serde(default)]
    taken_at: String,
    #[serde(flatten)]
    pub(super) holds: BackedUp,
}

/// A folder that nobody else makes a backup in, or restores from, meanwhile.
#[derive(Debug)]
pub(super) struct BackupFolder {
    root: PathBuf,
    manifest: Option<Manifest>,
    /// Held until it is dropped.
    _lock: File,
}

impl Manifest {
    pub(super) fn new(
        instance: String,
        generation: u64,
        taken: Timestamp,
        holds: &BackedUp,
    ) -> Self {
        Self {
            format: FORMAT,
            instance,
            generation,
            taken_at: taken.rfc3339(),
            holds: holds.clone(),
        }
    }
}

impl BackupFolder {
    /// Takes a folder for a backup of that store.
    pub(super) fn take(root: &Path, instance: &str) -> Result<Self> {
        let is_new = match fs::read_dir(root) {
            Ok(mut inside) => inside.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(unusable(root, &error)),
        };
        if !is_new && !root.join(MANIFEST).exists() {
            let reason = format!(
                "{} is not empty and no backup: name an empty folder or one that is not there yet",
                root.display()
            );
            return Err(Error::invalid("folder", reason));
        }
        make_folder(root)?;
        let mut folder = Self::lock(root)?;
        if let Some(former) = &folder.manifest
            && former.instance != instance
        {
            let reason = format!(
                "{} is a backup of another store: name another folder",
                root.display()
            );
            return Err(Error::invalid("folder", reason));
        }
        if folder.manifest.is_none() {
            // So that what follows is known for ours should it not come to its end.
            let begun = Manifest::new(instance.to_owned(), 0, Timestamp(0), &BackedUp::default());
            folder.finish(&begun)?;
            folder.manifest = Some(begun);
        }
        Ok(folder)
    }

    /// A finished backup, to restore from.
    pub(super) fn open(root: &Path) -> Result<(Self, Manifest)> {
        if !root.join(MANIFEST).exists() {
            let reason = format!("{} is no backup: it has no {MANIFEST}", root.display());
            return Err(Error::invalid("folder", reason));
        }
        let folder = Self::lock(root)?;
        match &folder.manifest {
            Some(manifest) if manifest.generation > 0 => {
                let manifest = manifest.clone();
                Ok((folder, manifest))
            }
            _ => {
                let reason = format!(
                    "the backup in {} was begun and never finished: make it again, or name another one",
                    root.display()
                );
                Err(Error::invalid("folder", reason))
            }
        }
    }

    fn lock(root: &Path) -> Result<Self> {
        let lock = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(root.join(LOCK))
            .map_err(|error| unusable(root, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Conflict(format!(
                    "{} is in use by another backup or restore: wait for its end",
                    root.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(root, &error)),
        }
        Ok(Self {
            root: root.to_owned(),
            manifest: read_manifest(root)?,
            _lock: lock,
        })
    }

    pub(super) fn shown(&self) -> String {
        self.root.display().to_string()
    }

    pub(super) fn next_generation(&self) -> u64 {
        self.manifest.as_ref().map_or(0, |former| former.generation) + 1
    }

    pub(super) fn rows_of(&self, generation: u64) -> PathBuf {
        self.root.join(format!("{ROWS}-{generation}.db"))
    }

    pub(super) fn keys_of(&self, generation: u64) -> PathBuf {
        self.root.join(format!("{KEYS}-{generation}.json"))
    }

    /// Notes that copies come now, and says whether those that are there were all read: an earlier backup may have ended
    /// between a copy and the look at it.
    pub(super) fn begin(&self) -> Result<Trust> {
        let unread = self.root.join(UNREAD);
        if unread.exists() {
            return Ok(Trust::Nothing);
        }
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unread)
            .context_at("note that copies come", &unread)?;
        sync_folder(&self.root)?;
        Ok(Trust::WhatIsThere)
    }

    /// Notes that all copies were read and are durable.
    pub(super) fn end(&self) -> Result<()> {
        let unread = self.root.join(UNREAD);
        fs::remove_file(&unread).context_at("note that all copies were read", &unread)
    }

    /// The copies of bytes.
    pub(super) fn blobs(&self) -> Result<LocalBlobs> {
        LocalBlobs::open(&self.root.join(BLOBS))
    }

    /// Copies the keys that sign links, where a file holds them.
    pub(super) fn copy_keys(&self, data: &Path, generation: u64) -> Result<()> {
        let keys = data.join(KEYS_FILE);
        if !keys.exists() {
            return Ok(());
        }
        copy_durably(&keys, &self.keys_of(generation))
    }

    /// Says that the backup is finished, at once and for good.
    pub(super) fn finish(&self, manifest: &Manifest) -> Result<()> {
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(|error| Error::internal("write what a backup holds", error))?;
        let (half, whole) = (
            self.root.join(format!("{MANIFEST}.new")),
            self.root.join(MANIFEST),
        );
        // The rows' and the keys' names first.
        sync_folder(&self.root)?;
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)
            .context_at("write what a backup holds", &half)?;
        file.write_all(&text)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&half, &whole))
            .context_at("write what a backup holds", &whole)?;
        sync_folder(&self.root)
    }

    /// Removes rows and keys of other generations.
    pub(super) fn forget_others(&self, generation: u64) -> Result<()> {
        let kept = [self.rows_of(generation), self.keys_of(generation)];
        for entry in fs::read_dir(&self.root).context_at("list a backup", &self.root)? {
            let path = entry.context_at("list a backup", &self.root)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_of_one = [ROWS, KEYS]
                .iter()
                .any(|kind| name.starts_with(&format!("{kind}-")));
            if is_of_one && !kept.contains(&path) {
                fs::remove_file(&path).context_at("remove an earlier backup's rows", &path)?;
            }
        }
        Ok(())
    }
}

/// A backup inside of what is backed up would be part of itself.
pub(super) fn require_outside(folder: &Path, store: &Path) -> Result<()> {
    // What is not there yet is where its nearest folder is that is.
    let there = folder
        .ancestors()
        .find_map(|ancestor| ancestor.canonicalize().ok());
    let store = store
        .canonicalize()
        .context_at("look at the store's folder", store)?;
    if there.is_some_and(|there| there.starts_with(&store)) {
        let reason = format!(
            "{} is inside of the store's folder {}: name one elsewhere, best on another disk",
            folder.display(),
            store.display()
        );
        return Err(Error::invalid("folder", reason));
    }
    Ok(())
}

/// Copies a small file, which is durable when this returns; its name is after a sync of the folder.
pub(super) fn copy_durably(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .and_then(|_| File::open(to)?.sync_all())
        .context_at("copy a file", to)
}

fn read_manifest(root: &Path) -> Result<Option<Manifest>> {
    let path = root.join(MANIFEST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&path, &error)),
    };
    match serde_json::from_slice::<Manifest>(&text) {
        Ok(manifest) if manifest.format == FORMAT => Ok(Some(manifest)),
        Ok(manifest) => {
            let reason = format!(
                "{} has format {}, this larder knows {FORMAT}: use a newer larder",
                path.display(),
                manifest.format
            );
            Err(Error::invalid("folder", reason))
        }
        Err(error) => {
            let reason = format!("{} is not what a backup says: {error}", path.display());
            Err(Error::invalid("folder", reason))
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::invalid("folder", format!("{}: {error}", path.display()))
}
