//! Every byte of every blob. A key is fresh for each write and never used again; what a user called a file is never
//! part of it. `Ok` from [`BlobStore::write`] means that the bytes survive a power cut under the key.

mod folder;
mod hashing;
mod local;
mod local_copy;
mod local_read;
mod memory;
mod s3;
mod stream;

pub(crate) use folder::{make_folder, sync_folder};
pub(crate) use hashing::{Hasher, Measure, PartMeasure};
pub(crate) use local::LocalBlobs;
pub(crate) use local_copy::Copied;
pub use s3::S3Address;
pub(crate) use s3::{S3Blobs, try_bucket};
pub use stream::{ByteStream, Incoming};

use crate::error::{Error, Result};
use crate::metadata::blobs::{Extent, Home};
use crate::model::{ByteRange, Digests};
use memory::MemoryBlobs;
use std::path::PathBuf;
use std::time::Duration;

/// Where the bytes of a store are.
#[derive(Clone, Debug)]
pub enum BlobsAddress {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket, which any number of servers may share.
    S3(S3Address),
}

/// Where bytes are kept.
#[derive(Debug)]
pub(crate) enum BlobStore {
    /// Files of this machine.
    Local(LocalBlobs),
    /// Objects of a bucket.
    S3(S3Blobs),
    /// Nothing that outlives the process; for tests.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only tests keep bytes in memory")
    )]
    Memory(MemoryBlobs),
}

/// Bytes that are durable under a fresh key, and which no row names yet. Dropped unkept, they are removed.
#[derive(Debug)]
pub(crate) struct Written<M = Digests> {
    pub(crate) key: String,
    pub(crate) measured: M,
    /// The row of their container, where bytes are on record before they are sent.
    container: Option<i64>,
    pending: Pending,
}

/// Keeps the sweeper from taking bytes for an orphan before their row is there.
#[derive(Debug)]
enum Pending {
    Local(local::PendingFile),
    Object(s3::PendingObject),
    Memory,
}

impl<M> Written<M> {
    /// Passes on how the transaction ended that was to name the bytes, with whether it did. Bytes that are not named are
    /// removed; where that is not known, they are left to the sweep.
    pub(crate) fn settle<T>(mut self, committed: Result<(T, bool)>) -> Result<T> {
        match &committed {
            Ok((_, true)) => self.keep(),
            // Perhaps a row names them, and no server has heard of it.
            Err(Error::Unavailable(_)) => self.leave(),
            Ok((_, false)) | Err(_) => {}
        }
        committed.map(|(answer, _)| answer)
    }

    fn keep(&mut self) {
        match &mut self.pending {
            Pending::Local(file) => file.keep(),
            Pending::Object(object) => object.keep(),
            Pending::Memory => {}
        }
    }

    fn leave(&mut self) {
        match &mut self.pending {
            Pending::Local(file) => file.keep(),
            // What a row names is no longer intended, so giving it up changes nothing.
            Pending::Object(_) | Pending::Memory => {}
        }
    }

    /// What the row of their container is to say; `fresh` is its number if there is none yet.
    pub(crate) fn home(&self, fresh: i64) -> Home {
        match self.container {
            Some(container) => Home::Object { container },
            None => Home::File {
                container: fresh,
                key: self.key.clone(),
            },
        }
    }
}

impl BlobStore {
    /// A store for tests.
    #[cfg(test)]
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryBlobs::default())
    }

    /// Takes all bytes of `incoming`, at most `limit` of them, and makes them durable under a fresh key.
    pub(crate) async fn write<M: Measure>(
        &self,
        incoming: Incoming,
        limit: u64,
        measure: M,
    ) -> Result<Written<M::Measured>> {
        match self {
            Self::Local(local) => local.write(incoming, limit, measure).await,
            Self::S3(s3) => s3.write(incoming, limit, measure).await,
            Self::Memory(memory) => memory.write(incoming, limit, measure).await,
        }
    }

    /// The bytes of a chain of extents, or of a range of it.
    pub(crate) async fn open(&self, extents: &[Extent], range: ByteRange) -> Result<ByteStream> {
        match self {
            Self::Local(local) => local.stream(extents, range),
            Self::S3(s3) => s3.open_range(extents, range).await,
            Self::Memory(memory) => memory.open(extents, range),
        }
    }

    /// Whether the containers of a chain of extents are there and long enough; their bytes are not read.
    pub(crate) async fn holds(&self, extents: Vec<Extent>) -> Result<bool> {
        match self {
            Self::Local(local) => local.holds(extents).await,
            Self::S3(s3) => s3.holds(extents).await,
            Self::Memory(memory) => Ok(memory.holds(&extents)),
        }
    }

    /// Removes the bytes under a key, and of those what was sent in parts and not completed; none there is no error.
    pub(crate) async fn delete(&self, key: &str, sending: Option<&str>) -> Result<()> {
        match self {
            Self::Local(local) => local.delete(key).await,
            Self::S3(s3) => s3.delete(key, sending).await,
            Self::Memory(memory) => {
                memory.delete(key);
                Ok(())
            }
        }
    }

    /// Whether what no row names can only be found by a list of all keys.
    pub(crate) fn leaves_orphans(&self) -> bool {
        match self {
            Self::Local(_) | Self::Memory(_) => true,
            Self::S3(_) => false,
        }
    }

    /// An address that gives the bytes to whoever has it, for a while; none where the larder sends them itself. `answer`
    /// are the headers that the answer shall have, as the bucket's service names them.
    pub(crate) async fn presigned(
        &self,
        extents: &[Extent],
        size: u64,
        life: Duration,
        answer: &[(&'static str, String)],
    ) -> Result<Option<String>> {
        match self {
            Self::Local(_) | Self::Memory(_) => Ok(None),
            Self::S3(s3) => s3.presigned(extents, size, life, answer).await,
        }
    }

    /// Every key that holds bytes and is not being written now.
    pub(crate) async fn keys(&self) -> Result<Vec<String>> {
        match self {
            Self::Local(local) => local.keys().await,
            Self::S3(s3) => s3.keys().await,
            Self::Memory(memory) => Ok(memory.keys()),
        }
    }

    /// What lies among the bytes and is none of ours, by its relative path.
    pub(crate) async fn strays(&self) -> Result<Vec<String>> {
        match self {
            Self::Local(local) => local.strays().await,
            Self::S3(s3) => s3.strays().await,
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Says whether bytes can be written.
    pub(crate) async fn probe(&self) -> Result<()> {
        match self {
            Self::Local(local) => local.probe().await,
            Self::S3(s3) => s3.probe().await,
            Self::Memory(_) => Ok(()),
        }
    }
}

/// The parts of extents that make up a range, in order.
fn pieces(extents: &[Extent], range: ByteRange) -> Vec<Extent> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for extent in extents {
        let (from, to) = (range.start.max(at), range.end.min(at + extent.length));
        if from < to {
            pieces.push(Extent {
                container: extent.container.clone(),
                start: extent.start + (from - at),
                length: to - from,
            });
        }
        at += extent.length;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt as _;
    use proptest::prelude::*;
    use proptest::test_runner::TestRunner;

    /// Keeps each part under a key of its own, and reads ranges of the chain.
    async fn check_chain(store: &BlobStore, parts: &[Vec<u8>], cuts: &[(usize, usize)]) {
        let mut chain = Vec::new();
        for part in parts {
            let incoming = Incoming::from_bytes(part.clone());
            let written = store
                .write(incoming, u64::MAX, Hasher::default())
                .await
                .unwrap();
            chain.push(Extent {
                container: written.key.clone(),
                start: 0,
                length: part.len() as u64,
            });
            written.settle(Ok(((), true))).unwrap();
        }
        let whole = parts.concat();
        assert!(store.holds(chain.clone()).await.unwrap());
        for (from, to) in cuts {
            let from = from % (whole.len() + 1);
            let to = from + to % (whole.len() - from + 1);
            let range = ByteRange {
                start: from as u64,
                end: to as u64,
            };
            let mut stream = store.open(&chain, range).await.unwrap();
            assert_eq!(stream.length(), range.length());
            let mut got = Vec::new();
            while let Some(chunk) = stream.next().await {
                got.extend_from_slice(&chunk.unwrap());
            }
            assert_eq!(got, &whole[from..to]);
        }
    }

    #[test]
    fn any_range_of_any_chain_is_what_it_would_be_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let local = LocalBlobs::open(folder.path()).unwrap();
        let stores = [BlobStore::memory(), BlobStore::Local(local)];
        let bytes = proptest::collection::vec(any::<u8>(), 0..40);
        let parts = proptest::collection::vec(bytes, 0..12);
        let cuts = proptest::collection::vec((any::<usize>(), any::<usize>()), 1..12);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
        let outcome = runner.run(&(parts, cuts), |(parts, cuts)| {
            for store in &stores {
                runtime.block_on(check_chain(store, &parts, &cuts));
            }
            Ok(())
        });
        outcome.unwrap();
    }

    #[test]
    fn a_range_over_a_chain_takes_a_piece_of_each_extent() {
        let extent = |container: &str, start, length| Extent {
            container: container.into(),
            start,
            length,
        };
        let chain = [extent("a", 100, 10), extent("b", 0, 5), extent("c", 7, 20)];
        let got: Vec<_> = pieces(&chain, ByteRange { start: 8, end: 17 })
            .into_iter()
            .map(|piece| (piece.container, piece.start, piece.length))
            .collect();
        assert_eq!(
            got,
            [("a".into(), 108, 2), ("b".into(), 0, 5), ("c".into(), 7, 2)]
        );
        assert!(pieces(&chain, ByteRange { start: 35, end: 35 }).is_empty());
    }
}
