//! Bytes as files of this machine, one file a blob.
//!
//! The order of a write is the promise: bytes into a side file, `fdatasync`, rename to a fresh key, `fsync` of the
//! folder; only then may a row name them. A failed sync means that the bytes are lost: the file is removed and never
//! synced again.

use crate::blobs::folder::{make_folder, sync_folder};
use crate::blobs::local_read::FileChain;
use crate::blobs::{ByteStream, Incoming, Measure, Pending, Written, pieces};
use crate::error::{Context as _, Error, Result};
use crate::metadata::blobs::Extent;
use crate::model::ByteRange;
use bytes::Bytes;
use futures_util::StreamExt as _;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

/// Bodies up to this many bytes are gathered first and written in one go.
const GATHERED_BYTES_MAX: u64 = 256 * 1024;
/// Chunks on their way from the socket to the disk; with the largest chunk of the front this bounds an upload's memory.
const CHUNKS_MAX: usize = 8;

/// The folder of all blobs: `aa/KEY` for a key that ends with `aa`, `tmp/KEY` while it is written.
#[derive(Debug)]
pub(crate) struct LocalBlobs(Arc<Folder>);

#[derive(Debug)]
struct Folder {
    root: PathBuf,
    /// Keys whose row may still come.
    pending: Mutex<HashSet<String>>,
}

impl LocalBlobs {
    /// Opens the folder, makes it when it is not there, and removes what an earlier process left half-written.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let tmp = root.join("tmp");
        make_folder(&tmp)?;
        for half_written in fs::read_dir(&tmp).context("list half-written blobs")? {
            let path = half_written.context("list half-written blobs")?.path();
            if let Err(error) = fs::remove_file(&path) {
                // Not worth a store that does not start.
                tracing::warn!(path = %path.display(), %error, "remove a half-written blob");
            }
        }
        // Made and synced once, so that a first blob in a folder cannot vanish with the folder.
        for fan in 0..=u8::MAX {
            make_fan(&root.join(format!("{fan:02x}")))?;
        }
        sync_folder(root)?;
        Ok(Self(Arc::new(Folder {
            root: root.to_owned(),
            pending: Mutex::default(),
        })))
    }

    pub(super) fn path_of(&self, key: &str) -> PathBuf {
        self.0.path_of(key)
    }

    pub(super) fn temporary_path_of(&self, key: &str) -> PathBuf {
        self.0.temporary_path_of(key)
    }

    pub(super) async fn write<M: Measure>(
        &self,
        incoming: Incoming,
        limit: u64,
        measure: M,
    ) -> Result<Written<M::Measured>> {
        if incoming.declared().is_some_and(|declared| declared > limit) {
            return Err(Error::TooLarge { limit });
        }
        let pending = PendingFile::new(self.0.clone());
        match incoming.declared() {
            Some(declared) if declared <= GATHERED_BYTES_MAX => {
                write_gathered(pending, incoming, declared, measure).await
            }
            _ => write_streamed(pending, incoming, limit, measure).await,
        }
    }

    pub(crate) fn stream(&self, extents: &[Extent], range: ByteRange) -> Result<ByteStream> {
        let parts: Vec<_> = pieces(extents, range)
            .into_iter()
            .map(|piece| (self.0.path_of(&piece.container), piece.start, piece.length))
            .collect();
        let first = parts.first().map(|(path, ..)| path.clone());
        let chain = FileChain::open(parts)
            .context_at("open a blob", first.as_deref().unwrap_or(&self.0.root))?;
        Ok(ByteStream::new(chain.into_stream(), range.length()))
    }

    pub(super) async fn holds(&self, extents: Vec<Extent>) -> Result<bool> {
        let folder = self.0.clone();
        blocking("look at a blob", move || {
            // What cannot be looked at cannot be read either.
            Ok(extents.iter().all(|extent| {
                fs::metadata(folder.path_of(&extent.container)).is_ok_and(|found| {
                    found.is_file() && found.len() >= extent.start + extent.length
                })
            }))
        })
        .await
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        let path = self.0.path_of(key);
        blocking("remove a blob", move || match fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    pub(crate) async fn keys(&self) -> Result<Vec<String>> {
        self.list(|found| match found {
            Found::Blob(key) => Some(key),
            Found::Stray(_) => None,
        })
        .await
    }

    pub(super) async fn strays(&self) -> Result<Vec<String>> {
        self.list(|found| match found {
            Found::Blob(_) => None,
            Found::Stray(path) => Some(path),
        })
        .await
    }

    async fn list(&self, wanted: fn(Found) -> Option<String>) -> Result<Vec<String>> {
        let folder = self.0.clone();
        blocking("list blobs", move || {
            let mut listed = Vec::new();
            for fan in 0..=u8::MAX {
                let fan = format!("{fan:02x}");
                for entry in fs::read_dir(folder.root.join(&fan))? {
                    listed.extend(wanted(Found::in_fan(&fan, &entry?)?));
                }
            }
            let pending = folder.pending();
            listed.retain(|key| !pending.contains(key));
            Ok(listed)
        })
        .await
    }

    pub(super) async fn probe(&self) -> Result<()> {
        let path = self
            .0
            .root
            .join("tmp")
            .join(format!("probe-{}", uuid::Uuid::new_v4().simple()));
        blocking("write to the folder of blobs", move || {
            let written = fs::write(&path, b"larder");
            let removed = fs::remove_file(&path);
            written.and(removed)
        })
        .await
    }
}

/// What lies in a folder of blobs.
enum Found {
    /// A blob, by its key.
    Blob(String),
    /// Something that nobody can ask for, by its relative path.
    Stray(String),
}

impl Found {
    fn in_fan(fan: &str, entry: &fs::DirEntry) -> std::io::Result<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_key = name.len() == 32 && name.ends_with(fan) && name.bytes().all(is_digit);
        Ok(if is_key && entry.file_type()?.is_file() {
            Self::Blob(name)
        } else {
            Self::Stray(format!("{fan}/{name}"))
        })
    }
}

impl Folder {
    /// Keys are ours: 32 hexadecimal digits, of which the last two spread the files over folders.
    fn path_of(&self, key: &str) -> PathBuf {
        let fan = key.get(key.len().saturating_sub(2)..).unwrap_or("00");
        self.root.join(fan).join(key)
    }

    fn temporary_path_of(&self, key: &str) -> PathBuf {
        self.root.join("tmp").join(key)
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_fan(folder: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).context_at("make a folder of blobs", folder)
        }
        _ => Ok(()),
    }
}

/// A file on its way to be a blob. Dropped before a row names it, it is removed.
#[derive(Debug)]
pub(super) struct PendingFile {
    folder: Arc<Folder>,
    key: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Nothing,
    SideFile,
    Published,
    Kept,
}

impl PendingFile {
    fn new(folder: Arc<Folder>) -> Self {
        let key = uuid::Uuid::new_v4().simple().to_string();
        folder.pending().insert(key.clone());
        Self {
            folder,
            key,
            stage: Stage::Nothing,
        }
    }

    fn create(&mut self) -> Result<File> {
        let path = self.folder.temporary_path_of(&self.key);
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .context_at("make a side file", &path)?;
        self.stage = Stage::SideFile;
        Ok(file)
    }

    /// Makes the file durable under its key.
    fn publish(&mut self, file: &File) -> Result<()> {
        file.sync_data().context("sync a blob")?;
        let target = self.folder.path_of(&self.key);
        fs::rename(self.folder.temporary_path_of(&self.key), &target)
            .context_at("publish a blob", &target)?;
        self.stage = Stage::Published;
        sync_folder(target.parent().unwrap_or(&self.folder.root))
    }

    pub(super) fn keep(&mut self) {
        self.stage = Stage::Kept;
    }
}

impl Drop for PendingFile {
    fn drop(&mut self) {
        // What cannot be removed now is an orphan, and the sweeper's.
        let _ = match self.stage {
            Stage::Nothing | Stage::Kept => Ok(()),
            Stage::SideFile => fs::remove_file(self.folder.temporary_path_of(&self.key)),
            Stage::Published => fs::remove_file(self.folder.path_of(&self.key)),
        };
        self.folder.pending().remove(&self.key);
    }
}

/// A small body: one hop to a thread that may block.
async fn write_gathered<M: Measure>(
    mut pending: PendingFile,
    mut incoming: Incoming,
    declared: u64,
    mut measure: M,
) -> Result<Written<M::Measured>> {
    let mut chunks = Vec::new();
    let mut received = 0;
    while let Some(chunk) = incoming.next().await {
        let chunk = chunk.map_err(Error::UploadInterrupted)?;
        received += chunk.len() as u64;
        if received > declared {
            return Err(Error::UploadInterrupted(
                "more bytes came than were declared".into(),
            ));
        }
        chunks.push(chunk);
    }
    let write = move || {
        let mut file = pending.create()?;
        for chunk in &chunks {
            measure.update(chunk);
            file.write_all(chunk).context("write a blob")?;
        }
        pending.publish(&file)?;
        Ok(written(pending, measure.finish()))
    };
    spawn_blocking(write)
        .await
        .map_err(|error| Error::internal("write a blob", error))?
}

/// A body of any size: one thread writes while another hashes.
async fn write_streamed<M: Measure>(
    pending: PendingFile,
    incoming: Incoming,
    limit: u64,
    measure: M,
) -> Result<Written<M::Measured>> {
    let (to_disk, disk) = spawn_writer(pending);
    let (to_hasher, hasher) = spawn_hasher(measure);
    let passed = pass_on(incoming, limit, to_disk, to_hasher).await;
    // The writer is waited for in any case: who is refused finds nothing left of the side file.
    let side_file = disk
        .await
        .map_err(|error| Error::internal("write a blob", error))?;
    passed?;
    let (mut pending, file) = side_file?;
    let measured = hasher
        .await
        .map_err(|error| Error::internal("hash a blob", error))?;
    let publish = move || {
        pending.publish(&file)?;
        Ok(written(pending, measured))
    };
    spawn_blocking(publish)
        .await
        .map_err(|error| Error::internal("publish a blob", error))?
}

async fn pass_on(
    mut incoming: Incoming,
    limit: u64,
    to_disk: mpsc::Sender<Bytes>,
    to_hasher: mpsc::Sender<Bytes>,
) -> Result<()> {
    let mut received = 0;
    while let Some(chunk) = incoming.next().await {
        let chunk = chunk.map_err(Error::UploadInterrupted)?;
        received += chunk.len() as u64;
        if received > limit {
            return Err(Error::TooLarge { limit });
        }
        // A closed channel means that the thread has failed; its result says how.
        if to_hasher.send(chunk.clone()).await.is_err() || to_disk.send(chunk).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn spawn_writer(
    mut pending: PendingFile,
) -> (mpsc::Sender<Bytes>, JoinHandle<Result<(PendingFile, File)>>) {
    let (sender, mut chunks) = mpsc::channel::<Bytes>(CHUNKS_MAX);
    let writer = spawn_blocking(move || {
        let mut file = pending.create()?;
        while let Some(chunk) = chunks.blocking_recv() {
            file.write_all(&chunk).context("write a blob")?;
        }
        Ok((pending, file))
    });
    (sender, writer)
}

fn spawn_hasher<M: Measure>(mut measure: M) -> (mpsc::Sender<Bytes>, JoinHandle<M::Measured>) {
    let (sender, mut chunks) = mpsc::channel::<Bytes>(CHUNKS_MAX);
    let hasher = spawn_blocking(move || {
        while let Some(chunk) = chunks.blocking_recv() {
            measure.update(&chunk);
        }
        measure.finish()
    });
    (sender, hasher)
}

fn written<M>(pending: PendingFile, measured: M) -> Written<M> {
    Written {
        key: pending.key.clone(),
        measured,
        container: None,
        pending: Pending::Local(pending),
    }
}

async fn blocking<T: Send + 'static>(
    context: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work)
        .await
        .map_err(|error| Error::internal(context, error))?
        .context(context)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::{BlobStore, Hasher};

    async fn read(store: &BlobStore, key: &str, length: u64) -> Vec<u8> {
        let extent = Extent {
            container: key.to_owned(),
            start: 0,
            length,
        };
        let mut stream = store
            .open(
                &[extent],
                ByteRange {
                    start: 0,
                    end: length,
                },
            )
            .await
            .unwrap();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
        bytes
    }

    fn chunked(bytes: &[u8]) -> Incoming {
        let chunks: Vec<_> = bytes
            .chunks(70_000)
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        Incoming::new(futures_util::stream::iter(chunks), None)
    }

    /// What every kind of store does.
    async fn check_contract(store: BlobStore) {
        let large: Vec<u8> = (0..1_000_000_u32)
            .map(|number| (number % 251) as u8)
            .collect();
        for (incoming, bytes) in [
            (Incoming::from_bytes(b"hello".to_vec()), b"hello".to_vec()),
            (chunked(&large), large.clone()),
        ] {
            let written = store
                .write(incoming, 1_000_000, Hasher::default())
                .await
                .unwrap();
            let (key, size) = (written.key.clone(), written.measured.size);
            written.settle(Ok(((), true))).unwrap();
            assert_eq!(read(&store, &key, size).await, bytes);
            assert!(store.keys().await.unwrap().contains(&key));
            store.delete(&key, None).await.unwrap();
            store.delete(&key, None).await.unwrap();
            assert!(store.keys().await.unwrap().is_empty());
        }
        let refused = store
            .write(chunked(&large), 999_999, Hasher::default())
            .await;
        assert!(matches!(refused, Err(Error::TooLarge { limit: 999_999 })));
        let cut =
            futures_util::stream::iter([Ok(Bytes::from_static(b"half")), Err("cut".to_owned())]);
        let interrupted = store
            .write(Incoming::new(cut, None), 100, Hasher::default())
            .await;
        assert!(matches!(interrupted, Err(Error::UploadInterrupted(_))));
        assert!(store.keys().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn memory_keeps_the_contract_of_a_blob_store() {
        check_contract(BlobStore::memory()).await;
    }

    #[tokio::test]
    async fn a_folder_keeps_the_contract_of_a_blob_store() {
        let folder = tempfile::tempdir().unwrap();
        check_contract(BlobStore::Local(LocalBlobs::open(folder.path()).unwrap())).await;
    }

    #[tokio::test]
    async fn bytes_that_no_row_came_to_name_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = BlobStore::Local(LocalBlobs::open(folder.path()).unwrap());
        let written = store
            .write(
                Incoming::from_bytes(b"hello".to_vec()),
                10,
                Hasher::default(),
            )
            .await
            .unwrap();
        assert!(
            store.keys().await.unwrap().is_empty(),
            "bytes whose row may still come are not listed as waste"
        );
        drop(written);
        assert!(store.keys().await.unwrap().is_empty());
        assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_crash_left_half_written_is_removed_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tmp")).unwrap();
        fs::write(folder.path().join("tmp/half"), b"half").unwrap();
        LocalBlobs::open(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }
}
