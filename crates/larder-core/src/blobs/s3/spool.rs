//! A part of an object that waits on the disk until it can be sent: a client that takes its time costs no memory.

use crate::blobs::Measure;
use crate::error::{Context as _, Error, Result};
use bytes::Bytes;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use tokio::task::spawn_blocking;

/// Bytes gathered before a thread is asked to write them; each upload on its way has room for so many.
const GATHERED_BYTES: usize = 128 * 1024;

/// A file without a name, which ends with the process, and what is measured of all that passed through it.
pub(super) struct Spool<M> {
    /// Absent after a failure.
    state: Option<(File, M)>,
    gathered: Vec<u8>,
    length: u64,
}

impl<M: Measure> Spool<M> {
    /// An empty one in that folder.
    pub(super) async fn new(folder: &Path, measure: M) -> Result<Self> {
        let folder = folder.to_owned();
        let make =
            move || tempfile::tempfile_in(&folder).context_at("make a file in the spool", &folder);
        let file = spawn_blocking(make).await.map_err(broken)??;
        Ok(Self {
            state: Some((file, measure)),
            gathered: Vec::with_capacity(GATHERED_BYTES),
            length: 0,
        })
    }

    /// Bytes that wait.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) async fn push(&mut self, mut chunk: &[u8]) -> Result<()> {
        self.length += chunk.len() as u64;
        while !chunk.is_empty() {
            let room = GATHERED_BYTES - self.gathered.len();
            let (now, later) = chunk.split_at(room.min(chunk.len()));
            self.gathered.extend_from_slice(now);
            chunk = later;
            if self.gathered.len() == GATHERED_BYTES {
                self.write_out().await?;
            }
        }
        Ok(())
    }

    async fn write_out(&mut self) -> Result<()> {
        let mut bytes = std::mem::take(&mut self.gathered);
        self.gathered = self
            .with_file(move |file, measure| {
                measure.update(&bytes);
                file.write_all(&bytes)?;
                bytes.clear();
                Ok(bytes)
            })
            .await?;
        Ok(())
    }

    /// All that waits, in memory; what comes next begins anew in the same file.
    pub(super) async fn take(&mut self) -> Result<Bytes> {
        self.write_out().await?;
        let length = usize::try_from(std::mem::take(&mut self.length)).unwrap_or(usize::MAX);
        self.with_file(move |file, _| {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, 0)?;
            file.set_len(0)?;
            file.rewind()?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    /// What was measured of everything.
    pub(super) fn finish(self) -> Result<M::Measured> {
        let failed = || Error::internal("use the spool", "an earlier use failed");
        self.state
            .map(|(_, measure)| measure.finish())
            .ok_or_else(failed)
    }

    async fn with_file<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut File, &mut M) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some((mut file, mut measure)) = self.state.take() else {
            return Err(Error::internal("use the spool", "an earlier use failed"));
        };
        let work = move || work(&mut file, &mut measure).map(|done| (done, (file, measure)));
        let (done, state) = spawn_blocking(work)
            .await
            .map_err(broken)?
            .context("use the spool")?;
        self.state = Some(state);
        Ok(done)
    }
}

fn broken(error: tokio::task::JoinError) -> Error {
    Error::internal("use the spool", error)
}
