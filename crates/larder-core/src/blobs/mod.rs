//! Every byte of every blob. A key is fresh for each write and never used again; what a user called a file is never
//! part of it. `Ok` from [`BlobStore::write`] means that the bytes survive a power cut under the key.

mod folder;
mod hashing;
mod local;
mod local_read;
mod memory;
mod stream;

pub(crate) use folder::{make_folder, sync_folder};
pub(crate) use local::LocalBlobs;
pub use stream::{ByteStream, Incoming};

use crate::error::Result;
use crate::metadata::blobs::Extent;
use crate::model::{ByteRange, Digests};
use memory::MemoryBlobs;

/// Where bytes are kept.
#[derive(Debug)]
pub(crate) enum BlobStore {
    /// Files of this machine.
    Local(LocalBlobs),
    /// Nothing that outlives the process; for tests.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "only tests keep bytes in memory")
    )]
    Memory(MemoryBlobs),
}

/// Bytes that are durable under a fresh key, and which no row names yet. Dropped unkept, they are removed.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) key: String,
    pub(crate) digests: Digests,
    pending: Pending,
}

/// Keeps the sweeper from taking bytes for an orphan before their row is there.
#[derive(Debug)]
enum Pending {
    Local(local::PendingFile),
    Memory,
}

impl Written {
    /// A row names the bytes now.
    pub(crate) fn keep(mut self) {
        match &mut self.pending {
            Pending::Local(file) => file.keep(),
            Pending::Memory => {}
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
    pub(crate) async fn write(&self, incoming: Incoming, limit: u64) -> Result<Written> {
        match self {
            Self::Local(local) => local.write(incoming, limit).await,
            Self::Memory(memory) => memory.write(incoming, limit).await,
        }
    }

    /// The bytes of a chain of extents, or of a range of it.
    pub(crate) fn open(&self, extents: &[Extent], range: ByteRange) -> Result<ByteStream> {
        match self {
            Self::Local(local) => local.stream(extents, range),
            Self::Memory(memory) => memory.open(extents, range),
        }
    }

    /// Whether the containers of a chain of extents are there and long enough; their bytes are not read.
    pub(crate) async fn holds(&self, extents: Vec<Extent>) -> Result<bool> {
        match self {
            Self::Local(local) => local.holds(extents).await,
            Self::Memory(memory) => Ok(memory.holds(&extents)),
        }
    }

    /// Removes the bytes under a key; none there is no error.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        match self {
            Self::Local(local) => local.delete(key).await,
            Self::Memory(memory) => {
                memory.delete(key);
                Ok(())
            }
        }
    }

    /// Every key that holds bytes and is not being written now.
    pub(crate) async fn keys(&self) -> Result<Vec<String>> {
        match self {
            Self::Local(local) => local.keys().await,
            Self::Memory(memory) => Ok(memory.keys()),
        }
    }

    /// What lies among the bytes and is none of ours, by its relative path.
    pub(crate) async fn strays(&self) -> Result<Vec<String>> {
        match self {
            Self::Local(local) => local.strays().await,
            Self::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Says whether bytes can be written.
    pub(crate) async fn probe(&self) -> Result<()> {
        match self {
            Self::Local(local) => local.probe().await,
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
