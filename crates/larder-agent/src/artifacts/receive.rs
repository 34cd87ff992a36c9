//! The bytes of one artifact as they arrive: what is cut off goes on where it was, and nothing counts
//! until the digest is right.

use super::file::hex;
use crate::error::{Error, Result};
use crate::server::Server;
use futures_util::StreamExt;
use larder_protocol::ArtifactBody;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Waits, in milliseconds, after connections that broke without a byte more than the one before.
const CUT_PATIENCE_MS: [u64; 3] = [100, 300, 1_000];

/// Read at a time of what is there. Many files are looked at in threads of their own, each with its own memory.
const PIECE_BYTES: usize = 32 * 1024;

/// What has arrived so far.
pub(crate) struct Received {
    digest: Sha256,
    size: u64,
}

impl Received {
    pub(crate) fn nothing() -> Self {
        Self {
            digest: Sha256::new(),
            size: 0,
        }
    }

    /// Reads what has arrived before; blocks.
    pub(crate) fn before(file: &mut File) -> std::io::Result<Self> {
        let mut received = Self::nothing();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(received),
                read => received.add(&piece[..read]),
            }
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Lower-case hex.
    pub(crate) fn sha256(&self) -> String {
        hex(&self.digest.clone().finalize())
    }

    fn add(&mut self, piece: &[u8]) {
        self.digest.update(piece);
        self.size += piece.len() as u64;
    }
}

/// Writes the rest of an artifact to `sink` and verifies the whole; new bytes are counted in `count`.
pub(crate) async fn receive(
    server: &Server,
    artifact: &ArtifactBody,
    received: &mut Received,
    sink: &mut impl Write,
    count: &AtomicU64,
) -> Result<()> {
    let damaged = |reason: &str| {
        Err(Error::Damaged {
            what: artifact.path.clone(),
            reason: reason.to_owned(),
        })
    };
    let Ok(total) = u64::try_from(artifact.size) else {
        return damaged("the server gives it a size below 0");
    };
    let mut waits = CUT_PATIENCE_MS.iter();
    while received.size < total {
        let before = received.size;
        let cut = match receive_once(server, artifact, total, received, sink, count).await {
            Err(error @ Error::Unreachable { .. }) => Some(error),
            answer => {
                answer?;
                None
            }
        };
        if received.size > before {
            waits = CUT_PATIENCE_MS.iter();
        } else if let Some(&wait) = waits.next() {
            tokio::time::sleep(Duration::from_millis(wait)).await;
        } else {
            return match cut {
                Some(error) => Err(error),
                None => damaged("the server ends before the size that it gives; try again"),
            };
        }
    }
    if artifact
        .sha256
        .as_ref()
        .is_some_and(|known| *known != received.sha256())
    {
        return damaged("what arrived is not what the server keeps; try again");
    }
    Ok(())
}

async fn receive_once(
    server: &Server,
    artifact: &ArtifactBody,
    total: u64,
    received: &mut Received,
    sink: &mut impl Write,
    count: &AtomicU64,
) -> Result<()> {
    let content = server.open_artifact(artifact, received.size).await?;
    // Sent from the beginning although we have some of it: that is passed over.
    let mut known = received.size - content.start;
    let mut pieces = Box::pin(content.pieces);
    while let Some(piece) = pieces.next().await {
        let mut piece = piece?;
        let old = known.min(piece.len() as u64);
        known -= old;
        let _ = piece.split_to(usize::try_from(old).unwrap_or(usize::MAX));
        if received.size + piece.len() as u64 > total {
            return Err(Error::Damaged {
                what: artifact.path.clone(),
                reason: "more arrived than the server keeps; try again".to_owned(),
            });
        }
        sink.write_all(&piece).map_err(Error::io(&artifact.path))?;
        received.add(&piece);
        count.fetch_add(piece.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}
