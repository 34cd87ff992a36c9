//! The output of a step on its way to the user's eyes and to the server: without the job's secrets,
//! in order, in pieces, and never more than a few of them in memory.

use super::event::{Event, Events};
use super::mask::{Mask, Stream};
use crate::error::{Error, Result};
use crate::server::Server;
use bytes::{Bytes, BytesMut};
use larder_protocol::OUTPUT_CHUNK_BYTES_MAX;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

/// Pieces that wait for the server; a step that prints faster waits with them.
const PIECES_WAITING_MAX: usize = 16;
/// What was printed is at the server this soon, if it keeps up.
const DELAY_MAX: Duration = Duration::from_millis(300);

/// Takes what one step prints.
pub(super) struct Output {
    id: String,
    job: String,
    node: u32,
    seq: u32,
    events: Events,
    sender: mpsc::Sender<Bytes>,
    shipper: JoinHandle<Result<Option<u64>>>,
    stream: Stream,
    /// When what the stream holds back is shown all the same.
    flush_at: Option<Instant>,
    ends_with_newline: bool,
}

impl Output {
    /// `job` is the name of the job, `id` its id on the server; the output begins at `offset` there,
    /// as soon as `begun` has told the server of the step. That fails [`Output::close`] if it fails.
    pub(super) fn open(
        server: Server,
        (job, id): (String, String),
        (node, seq, offset): (u32, u32, u64),
        events: Events,
        mask: &Mask,
        begun: impl Future<Output = Result<()>> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let (place, at) = (id.clone(), (seq, offset));
        let task = async move {
            begun.await?;
            ship(server, place, at, receiver).await
        };
        Self {
            id,
            job,
            node,
            seq,
            events,
            sender,
            shipper: tokio::spawn(task),
            stream: mask.stream(),
            flush_at: None,
            ends_with_newline: true,
        }
    }

    /// Takes what was printed. Its end is held back if a secret may begin there: until more comes,
    /// or until [`Output::flush_at`].
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else {
            return;
        };
        self.ends_with_newline = *last == b'\n';
        let shown = self.stream.push(bytes);
        self.flush_at = self.stream.holds_back().then(|| Instant::now() + DELAY_MAX);
        self.pass_on(shown).await;
    }

    /// When [`Output::flush`] is due, if something is held back.
    pub(super) fn flush_at(&self) -> Option<Instant> {
        self.flush_at
    }

    /// Passes on what was held back.
    pub(super) async fn flush(&mut self) {
        self.flush_at = None;
        let shown = self.stream.flush();
        self.pass_on(shown).await;
    }

    /// A line of the agent's own; it begins on a line of its own.
    pub(super) async fn line(&mut self, line: &str) {
        let start = if self.ends_with_newline { "" } else { "\n" };
        self.write(format!("{start}{line}\n").as_bytes()).await;
    }

    /// Waits until the server has everything; `Some` if it keeps only so many bytes of it.
    pub(super) async fn close(mut self) -> Result<Option<u64>> {
        self.flush().await;
        drop(self.sender);
        self.shipper
            .await
            .map_err(|error| Error::Usage(format!("output broke off: {error}")))?
    }

    async fn pass_on(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let bytes = Bytes::from(bytes);
        (self.events)(Event::Output {
            id: &self.id,
            job: &self.job,
            node: self.node,
            seq: self.seq,
            bytes: &bytes,
        });
        // If the shipper has given up, `close` says why.
        let _ = self.sender.send(bytes).await;
    }
}

/// Sends what is received; `Some` if the server keeps only so many bytes.
async fn ship(
    server: Server,
    job: String,
    (seq, mut offset): (u32, u64),
    mut receiver: mpsc::Receiver<Bytes>,
) -> Result<Option<u64>> {
    while let Some(first) = receiver.recv().await {
        let mut pending = BytesMut::from(&first[..]);
        let deadline = Instant::now() + DELAY_MAX;
        while pending.len() < OUTPUT_CHUNK_BYTES_MAX {
            match timeout_at(deadline, receiver.recv()).await {
                Ok(Some(piece)) => pending.extend_from_slice(&piece),
                Ok(None) | Err(_) => break,
            }
        }
        while !pending.is_empty() {
            let chunk = pending
                .split_to(pending.len().min(OUTPUT_CHUNK_BYTES_MAX))
                .freeze();
            let length = chunk.len() as u64;
            match server.append_output(&job, seq, offset, chunk).await {
                Ok(()) => offset += length,
                // What is too much is not kept; the step itself goes on.
                Err(Error::Refused {
                    status: 413,
                    message,
                    ..
                }) => {
                    tracing::debug!(seq, message, "the step's further output is not kept");
                    while receiver.recv().await.is_some() {}
                    return Ok(Some(offset));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(None)
}
