//! Reads pieces of files one after the other. What the page cache holds is read on the thread that asks; only what is
//! not there goes to a thread that may block.

use bytes::Bytes;
use futures_util::Stream;
use rustix::io::{Errno, ReadWriteFlags};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Pieces of files, in order.
pub(super) struct FileChain {
    pieces: VecDeque<Piece>,
    buffers: Buffers,
}

/// Buffers that were sent, to be read into again: they are zeroed once, and still in the processor's cache.
#[derive(Clone, Default)]
struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// Bytes read, in a buffer that goes back to where it came from.
struct Chunk {
    buffer: Vec<u8>,
    length: usize,
    home: Buffers,
}

struct Piece {
    path: PathBuf,
    /// Opened when it is reached: a blob of a thousand parts must not take a thousand descriptors.
    file: Option<Arc<File>>,
    at: u64,
    left: u64,
}

impl FileChain {
    /// From paths of files, where each piece starts, and how long it is. The first file is opened at once.
    pub(super) fn open(parts: Vec<(PathBuf, u64, u64)>) -> io::Result<Self> {
        let mut pieces: VecDeque<_> = parts
            .into_iter()
            .map(|(path, at, left)| Piece {
                path,
                file: None,
                at,
                left,
            })
            .collect();
        if let Some(first) = pieces.front_mut() {
            first.file = Some(Arc::new(File::open(&first.path)?));
        }
        Ok(Self {
            pieces,
            buffers: Buffers::default(),
        })
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        futures_util::stream::try_unfold(self, async |mut chain| {
            let Some(piece) = chain.pieces.front_mut() else {
                return Ok(None);
            };
            let chunk = piece.read(&chain.buffers).await?;
            if piece.left == 0 {
                chain.pieces.pop_front();
            }
            Ok(Some((chunk, chain)))
        })
    }
}

impl Buffers {
    fn take(&self, length: usize) -> Vec<u8> {
        let mut buffer = self.idle().pop().unwrap_or_default();
        buffer.resize(length, 0);
        buffer
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.home.idle().push(buffer);
    }
}

impl Piece {
    async fn read(&mut self, buffers: &Buffers) -> io::Result<Bytes> {
        let file = self.opened().await?;
        let length = usize::try_from(self.left)
            .unwrap_or(CHUNK_BYTES)
            .min(CHUNK_BYTES);
        let mut buffer = buffers.take(length);
        let cached = rustix::io::preadv2(
            &*file,
            &mut [IoSliceMut::new(&mut buffer)],
            self.at,
            ReadWriteFlags::NOWAIT,
        );
        let (buffer, read) = match cached {
            Ok(read) if read > 0 => (buffer, read),
            // Not in the page cache, or a file system that cannot say.
            Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => {
                self.read_from_disk(file, buffer).await?
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
        Ok(Bytes::from_owner(Chunk {
            buffer,
            length: read,
            home: buffers.clone(),
        }))
    }

    async fn opened(&mut self) -> io::Result<Arc<File>> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let path = self.path.clone();
        let opened = tokio::task::spawn_blocking(move || File::open(path)).await;
        let file = Arc::new(opened.map_err(io::Error::other)??);
        self.file = Some(file.clone());
        Ok(file)
    }

    async fn read_from_disk(
        &self,
        file: Arc<File>,
        mut buffer: Vec<u8>,
    ) -> io::Result<(Vec<u8>, usize)> {
        let at = self.at;
        let read = move || {
            let read = file.read_at(&mut buffer, at)?;
            Ok((buffer, read))
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(io::Error::other)?
    }
}
