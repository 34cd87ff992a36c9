//! Bytes that live as long as the process; for tests of use cases.

use crate::blobs::{ByteStream, Incoming, Measure, Pending, Written, pieces};
use crate::error::{Error, Result};
use crate::metadata::blobs::Extent;
use crate::model::ByteRange;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Blobs by key.
#[derive(Debug, Default)]
pub(crate) struct MemoryBlobs(Mutex<BTreeMap<String, Bytes>>);

impl MemoryBlobs {
    pub(super) async fn write<M: Measure>(
        &self,
        mut incoming: Incoming,
        limit: u64,
        mut measure: M,
    ) -> Result<Written<M::Measured>> {
        let mut kept = BytesMut::new();
        while let Some(bytes) = incoming.next().await {
            let bytes = bytes.map_err(Error::UploadInterrupted)?;
            if kept.len() as u64 + bytes.len() as u64 > limit {
                return Err(Error::TooLarge { limit });
            }
            measure.update(&bytes);
            kept.extend_from_slice(&bytes);
        }
        let key = uuid::Uuid::new_v4().simple().to_string();
        self.blobs().insert(key.clone(), kept.freeze());
        Ok(Written {
            key,
            measured: measure.finish(),
            container: None,
            pending: Pending::Memory,
        })
    }

    pub(super) fn open(&self, extents: &[Extent], range: ByteRange) -> Result<ByteStream> {
        let blobs = self.blobs();
        let mut parts = Vec::new();
        for piece in pieces(extents, range) {
            let whole = blobs.get(&piece.container).ok_or_else(|| {
                Error::internal("open a blob", format!("{} is missing", piece.container))
            })?;
            let part = (piece.start, piece.start + piece.length);
            let (Ok(start), Ok(end)) = (usize::try_from(part.0), usize::try_from(part.1)) else {
                return Err(Error::internal(
                    "open a blob",
                    "a part is larger than memory",
                ));
            };
            parts.push(Ok(whole.slice(start..end)));
        }
        Ok(ByteStream::new(
            futures_util::stream::iter(parts),
            range.length(),
        ))
    }

    pub(super) fn holds(&self, extents: &[Extent]) -> bool {
        let blobs = self.blobs();
        extents.iter().all(|extent| {
            let whole = blobs.get(&extent.container);
            whole.is_some_and(|whole| whole.len() as u64 >= extent.start + extent.length)
        })
    }

    pub(super) fn delete(&self, key: &str) {
        self.blobs().remove(key);
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.blobs().keys().cloned().collect()
    }

    fn blobs(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
