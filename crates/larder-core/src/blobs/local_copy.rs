//! Copies of blobs in another folder of blobs.

use crate::blobs::folder::sync_folder;
use crate::blobs::local::LocalBlobs;
use crate::error::{Context as _, Error, Result};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What became of one blob that was to be copied.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Copied {
    /// It was there already.
    Before,
    /// It was not, and is now.
    Now,
    /// It cannot be read, and why.
    Unreadable(String),
}

/// The number of Linux and its kin for a disk that does not read.
const EIO: i32 = 5;

impl LocalBlobs {
    /// Copies a blob of another folder under the same key, unless it is here with at least `length` bytes. It is durable
    /// after [`LocalBlobs::sync_all`].
    pub(crate) async fn copy_from(&self, other: &Self, key: &str, length: u64) -> Result<Copied> {
        let (from, to) = (other.path_of(key), self.path_of(key));
        let half_copied = self.temporary_path_of(key);
        let copy = move || {
            if fs::metadata(&to).is_ok_and(|found| found.is_file() && found.len() >= length) {
                return Ok(Copied::Before);
            }
            if let Err(error) = File::open(&from) {
                return Ok(Copied::Unreadable(error.to_string()));
            }
            match copy_and_sync(&from, &half_copied) {
                Err(error) if error.raw_os_error() == Some(EIO) => {
                    return Ok(Copied::Unreadable(error.to_string()));
                }
                copied => copied.context_at("copy a blob", &half_copied)?,
            }
            fs::rename(&half_copied, &to).context_at("publish a blob", &to)?;
            Ok(Copied::Now)
        };
        tokio::task::spawn_blocking(copy)
            .await
            .map_err(|error| Error::internal("copy a blob", error))?
    }

    /// Makes all copies durable under their keys.
    pub(crate) async fn sync_all(&self) -> Result<()> {
        let blobs: Vec<_> = (0..=u8::MAX)
            .map(|fan| self.path_of(&format!("{fan:02x}")))
            .collect();
        let sync = move || {
            let mut fans = blobs.iter().filter_map(|blob| blob.parent());
            fans.try_for_each(sync_folder)
        };
        tokio::task::spawn_blocking(sync)
            .await
            .map_err(|error| Error::internal("sync folders of blobs", error))?
    }
}

fn copy_and_sync(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    File::open(to)?.sync_data()
}
