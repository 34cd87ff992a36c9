//! Streams with a direction: who failed decides what the failure means.

use crate::blobs::hashing::{Hasher, Measure as _};
use crate::model::Digests;
use futures_util::stream::BoxStream;
use futures_util::{Stream, TryStreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

/// Bytes that a client sends. An error of it is the client's.
pub struct Incoming {
    stream: BoxStream<'static, Result<Bytes, String>>,
    declared: Option<u64>,
}

impl Incoming {
    /// From a body of `declared` bytes, if that is known; the error says what happened, for people.
    pub fn new(
        stream: impl Stream<Item = Result<Bytes, String>> + Send + 'static,
        declared: Option<u64>,
    ) -> Self {
        Self {
            stream: Box::pin(stream),
            declared,
        }
    }

    /// From bytes at hand.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let declared = Some(bytes.len() as u64);
        Self::new(futures_util::stream::iter([Ok(bytes)]), declared)
    }

    /// Bytes that the client said it would send.
    pub fn declared(&self) -> Option<u64> {
        self.declared
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, String>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Incoming")
            .field("declared", &self.declared)
            .finish_non_exhaustive()
    }
}

/// Bytes that the larder sends. An error of it is the store's.
pub struct ByteStream {
    stream: BoxStream<'static, std::io::Result<Bytes>>,
    length: u64,
}

impl ByteStream {
    pub(crate) fn new(
        stream: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
        length: u64,
    ) -> Self {
        Self {
            stream: Box::pin(stream),
            length,
        }
    }

    /// The same bytes, whose last chunk is held back if their CRC-32 is not this one.
    pub(crate) fn checked(self, crc32: u32) -> Self {
        let (stream, length) = (self.stream, self.length);
        let state = (stream, crc32fast::Hasher::new(), length);
        let checked = futures_util::stream::try_unfold(
            state,
            move |(mut stream, mut hasher, left)| async move {
                let Some(chunk) = stream.try_next().await? else {
                    return Ok(None);
                };
                hasher.update(&chunk);
                let left = left.saturating_sub(chunk.len() as u64);
                if left == 0 && hasher.clone().finalize() != crc32 {
                    return Err(std::io::Error::new(
                        std::io::ErrorKind::InvalidData,
                        "stored bytes are damaged",
                    ));
                }
                Ok(Some((chunk, (stream, hasher, left))))
            },
        );
        Self::new(checked, length)
    }

    /// Takes all of it, and says what was there.
    pub(crate) async fn measure(self) -> std::io::Result<Digests> {
        Ok(self.measure_after(Hasher::default()).await?.finish())
    }

    /// Takes all of it, which follows what was measured before.
    pub(crate) async fn measure_after(mut self, mut hasher: Hasher) -> std::io::Result<Hasher> {
        while let Some(chunk) = self.stream.try_next().await? {
            hasher.update(&chunk);
        }
        Ok(hasher)
    }

    /// Bytes that it will give.
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Stream for ByteStream {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ByteStream")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
