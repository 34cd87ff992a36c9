//! The bytes of one connection on their way to hyper: framing judged, patience limited.
//!
//! hyper reads from here. A head reaches it whole and judged or not at all; in place of a refused head it gets a
//! stand-in of ours ([`STAND_IN_METHOD`]), which the connection's service answers with the refusal, after the
//! answers that earlier requests of the connection are still waiting for. Nothing follows the stand-in.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use super::Patience;
use super::exchange::Exchange;
use super::framing::{Framing, Refusal, Step};
use super::timer::Timer;

/// The method of the stand-in. No client can send it: framing knows the methods that pass, and this is none.
pub(super) const STAND_IN_METHOD: &str = "REFUSED";
const STAND_IN: &[u8] = b"REFUSED / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

/// What is read at once where heads and chunk sizes are looked for. Bodies go straight into hyper's buffer.
const READ_BYTES: usize = 8 * 1024;
/// After an early answer the client may still be sending, and closing then would destroy the answer on its way
/// (RFC 9112, 9.6). So long we go on reading and throwing away.
const LINGER: Duration = Duration::from_secs(2);
/// The least that a client must send, on average, while we wait for its body, in bytes per second. It counts once
/// the waits together are longer than the body's idle time.
const BODY_BYTES_PER_SECOND_MIN: u64 = 1024;

/// A stream that hands on only what [`Framing`] has judged.
pub(super) struct GuardedIo<T> {
    inner: T,
    framing: Framing,
    /// Read and not yet judged.
    input: BytesMut,
    /// Judged and not yet handed on.
    released: BytesMut,
    /// Nothing more is handed on.
    is_ended: bool,
    /// Our half is closed.
    is_shut: bool,
    patience: Patience,
    reading: Timer,
    writing: Timer,
    /// Since when a head is on its way.
    head_since: Option<Instant>,
    body: BodyPace,
    exchange: Arc<Exchange>,
    received: metrics::Counter,
    sent: metrics::Counter,
}

/// How long the body at hand has kept us waiting, and for how many bytes.
#[derive(Debug, Default)]
struct BodyPace {
    bytes: u64,
    waited: Duration,
    waiting_since: Option<Instant>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> GuardedIo<T> {
    pub(super) fn new(inner: T, patience: Patience, exchange: Arc<Exchange>) -> Self {
        Self {
            inner,
            framing: Framing::new(),
            input: BytesMut::new(),
            released: BytesMut::new(),
            is_ended: false,
            is_shut: false,
            patience,
            reading: Timer::default(),
            writing: Timer::default(),
            head_since: None,
            body: BodyPace::default(),
            exchange,
            received: metrics::counter!(crate::metrics::RECEIVED_BYTES),
            sent: metrics::counter!(crate::metrics::SENT_BYTES),
        }
    }

    /// Reads more bytes to judge; 0 at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.reserve(READ_BYTES);
        let length = ready!(poll_read_buf(
            Pin::new(&mut self.inner),
            cx,
            &mut self.input
        ))?;
        self.received.increment(length as u64);
        Poll::Ready(Ok(length))
    }

    /// Reads body bytes straight into hyper's buffer, but never past their end.
    fn poll_plain(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        plain: u64,
    ) -> Poll<io::Result<usize>> {
        let room = buf.remaining();
        let length = match usize::try_from(plain) {
            Ok(plain) if plain < room => {
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(plain));
                ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
                let length = part.filled().len();
                buf.advance(length);
                length
            }
            _ => {
                let before = buf.filled().len();
                ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
                buf.filled().len() - before
            }
        };
        self.received.increment(length as u64);
        self.framing.pass(length as u64);
        Poll::Ready(Ok(length))
    }

    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.released.len().min(buf.remaining());
        buf.put_slice(&self.released[..length]);
        self.released.advance(length);
        if self.released.is_empty() && self.input.is_empty() {
            // An idle connection holds no buffers.
            self.released = BytesMut::new();
            self.input = BytesMut::new();
        }
    }

    fn release(&mut self, length: usize, was_at_head: bool) {
        self.released = self.input.split_to(length);
        self.reading.stop();
        self.head_since = None;
        if was_at_head {
            self.body = BodyPace::default();
        } else {
            self.body.progress(length);
        }
    }

    /// A head is replaced by the stand-in; a body breaks off, which its reader sees as an error with the reason.
    fn refuse(&mut self, refusal: Refusal, was_at_head: bool) -> io::Result<()> {
        self.is_ended = true;
        self.input.clear();
        self.reading.stop();
        if was_at_head {
            self.exchange.refuse(refusal);
            self.released.extend_from_slice(STAND_IN);
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, refusal.reason))
    }

    /// Nothing is here to read: how much longer may that last?
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let now = Instant::now();
        if !self.framing.is_at_head() {
            let since = *self.body.waiting_since.get_or_insert(now);
            let limit = self.body.patience_left(self.patience.body_idle);
            ready!(self.reading.poll(cx, since + limit));
            self.is_ended = true;
            let reason = "the rest of the body did not come in time";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)));
        }
        if self.exchange.is_busy(cx) {
            // hyper only watches for the client going away; it is woken when the answer is out.
            self.reading.stop();
            return Poll::Pending;
        }
        if self.input.is_empty() {
            ready!(self.reading.poll_for(cx, self.patience.idle));
            self.is_ended = true;
            return Poll::Ready(Ok(()));
        }
        let since = *self.head_since.get_or_insert(now);
        ready!(self.reading.poll(cx, since + self.patience.header));
        let refusal = Refusal {
            status: 408,
            reason: "the request's head did not come in time",
        };
        Poll::Ready(self.refuse(refusal, true))
    }

    fn poll_write_patience<R>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if poll.is_ready() {
            self.writing.stop();
            return poll;
        }
        ready!(self.writing.poll_for(cx, self.patience.write));
        let reason = "the client did not take its answer in time";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
    }
}

impl BodyPace {
    fn progress(&mut self, length: usize) {
        self.bytes += length as u64;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// How long the wait that begins now may last. A client that sends a byte now and then earns ever less.
    fn patience_left(&self, body_idle: Duration) -> Duration {
        let earned =
            Duration::from_millis(self.bytes.saturating_mul(1000) / BODY_BYTES_PER_SECOND_MIN);
        let allowed = body_idle.saturating_add(earned);
        body_idle.min(allowed.saturating_sub(self.waited))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for GuardedIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.released.is_empty() {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            if this.exchange.is_refused() {
                // To hyper an end now would mean that the client is gone, and the refusal would not be sent. It
                // closes by itself after it; nothing has to wake it.
                return Poll::Pending;
            }
            if this.is_ended || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            let plain = this.framing.plain_bytes();
            if plain > 0 && this.input.is_empty() {
                let Poll::Ready(length) = this.poll_plain(cx, buf, plain) else {
                    return this.poll_patience(cx);
                };
                let length = length?;
                this.is_ended = length == 0;
                this.reading.stop();
                this.body.progress(length);
                return Poll::Ready(Ok(()));
            }
            let was_at_head = this.framing.is_at_head();
            match this.framing.step(&this.input) {
                Step::Release(length) => this.release(length, was_at_head),
                Step::Refuse(refusal) => this.refuse(refusal, was_at_head)?,
                Step::NeedMore => match this.poll_fill(cx) {
                    Poll::Ready(length) => this.is_ended = length? == 0,
                    Poll::Pending => ready!(this.poll_patience(cx))?,
                },
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GuardedIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_write(cx, bytes);
        let written = ready!(this.poll_write_patience(cx, poll))?;
        this.sent.increment(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_write_vectored(cx, slices);
        let written = ready!(this.poll_write_patience(cx, poll))?;
        this.sent.increment(written as u64);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.inner).poll_flush(cx);
        this.poll_write_patience(cx, poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut {
            let poll = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.poll_write_patience(cx, poll))?;
            this.is_shut = true;
            // hyper flushes again and again, which starts the writing timer anew; nobody reads any more.
            this.reading.stop();
        }
        // Whether the client was cut short: refused, or with a part of its body unread.
        if !this.exchange.is_refused() && this.framing.is_at_head() {
            return Poll::Ready(Ok(()));
        }
        loop {
            this.input.clear();
            match this.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) if !this.reading.is_over(LINGER) => {}
                Poll::Ready(Ok(_)) => return Poll::Ready(Ok(())),
                Poll::Pending => return this.reading.poll_for(cx, LINGER).map(Ok),
            }
        }
    }
}
