//! Reads pieces of files one after the other. What the page cache holds is read on the thread that asks; only what is
//! not there goes to a thread that may block.

use bytes::Bytes;
use futures_util::Stream;
use rustix::io::{Errno, ReadWriteFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Pieces of files, in order.
pub(super) struct FileChain {
    pieces: VecDeque<Piece>,
}

struct Piece {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl FileChain {
    /// From files, where each piece starts, and how long it is.
    pub(super) fn new(parts: Vec<(File, u64, u64)>) -> Self {
        let pieces = parts
            .into_iter()
            .map(|(file, at, left)| Piece {
                file: Arc::new(file),
                at,
                left,
            })
            .collect();
        Self { pieces }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures_util::stream::try_unfold(self, async |mut chain| {
            let Some(piece) = chain.pieces.front_mut() else {
                return Ok(None);
            };
            let chunk = piece.read().await?;
            if piece.left == 0 {
                chain.pieces.pop_front();
            }
            Ok(Some((chunk, chain)))
        })
    }
}

impl Piece {
    async fn read(&mut self) -> io::Result<Bytes> {
        let length = usize::try_from(self.left)
            .unwrap_or(CHUNK_BYTES)
            .min(CHUNK_BYTES);
        let mut buffer = vec![0; length];
        let cached = rustix::io::preadv2(
            &self.file,
            &mut [IoSliceMut::new(&mut buffer)],
            self.at,
            ReadWriteFlags::NOWAIT,
        );
        let (buffer, read) = match cached {
            Ok(read) if read > 0 => (buffer, read),
            // Not in the page cache, or a file system that cannot say.
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                self.read_from_disk(buffer).await?
            }
            Err(error) => return Err(error.into()),
        };
        if read == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a blob is shorter than its row says",
            ));
        }
        self.at += read as u64;
        self.left -= read as u64;
        let mut bytes = Bytes::from(buffer);
        bytes.truncate(read);
        Ok(bytes)
    }

    async fn read_from_disk(&self, mut buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let (file, at) = (self.file.clone(), self.at);
        let read = move || {
            let read = file.read_at(&mut buffer, at)?;
            Ok((buffer, read))
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(io::Error::other)?
    }
}
