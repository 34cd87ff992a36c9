//! The output of a step on its way to the user's eyes and to the server: in order, in pieces, and
//! never more than a few of them in memory.

use super::event::{Event, Events};
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
    node: u32,
    seq: u32,
    events: Events,
    sender: mpsc::Sender<Bytes>,
    shipper: JoinHandle<Result<()>>,
    ends_with_newline: bool,
}

impl Output {
    pub(super) fn open(server: Server, job: String, node: u32, seq: u32, events: Events) -> Self {
        let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
        let shipper = tokio::spawn(ship(server, job, seq, receiver));
        Self {
            node,
            seq,
            events,
            sender,
            shipper,
            ends_with_newline: true,
        }
    }

    pub(super) async fn write(&mut self, bytes: Bytes) {
        let Some(last) = bytes.last() else {
            return;
        };
        self.ends_with_newline = *last == b'\n';
        (self.events)(Event::Output {
            node: self.node,
            seq: self.seq,
            bytes: &bytes,
        });
        // If the shipper has given up, `close` says why.
        let _ = self.sender.send(bytes).await;
    }

    /// A line of the agent's own; it begins on a line of its own.
    pub(super) async fn line(&mut self, line: &str) {
        let start = if self.ends_with_newline { "" } else { "\n" };
        self.write(Bytes::from(format!("{start}{line}\n"))).await;
    }

    /// Waits until the server has everything.
    pub(super) async fn close(self) -> Result<()> {
        drop(self.sender);
        self.shipper
            .await
            .map_err(|error| Error::Usage(format!("output broke off: {error}")))?
    }
}

async fn ship(
    server: Server,
    job: String,
    seq: u32,
    mut receiver: mpsc::Receiver<Bytes>,
) -> Result<()> {
    let mut offset: u64 = 0;
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
                    tracing::warn!(seq, message, "the step's further output is not kept");
                    while receiver.recv().await.is_some() {}
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
