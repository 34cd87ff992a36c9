//! What the byte stream and the service of one connection tell each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Context;

use futures_util::task::AtomicWaker;

use super::framing::Refusal;

/// Shared by the two halves of a connection.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    is_busy: AtomicBool,
    idle: AtomicWaker,
    refusal: OnceLock<Refusal>,
}

/// A request is being answered as long as this lives.
#[derive(Debug)]
pub(super) struct Busy(Arc<Exchange>);

impl Exchange {
    /// A request has reached the service; hyper brings one at a time.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.is_busy.store(true, Ordering::Release);
        Busy(Arc::clone(self))
    }

    /// Whether a request is being answered; if so, `cx` is woken when it is no more.
    ///
    /// hyper does not ask for bytes again by itself when it was told once that there are none.
    pub(super) fn is_busy(&self, cx: &Context<'_>) -> bool {
        self.idle.register(cx.waker());
        self.is_busy.load(Ordering::Acquire)
    }

    /// Keeps why the connection ends; only the first reason counts.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let _ = self.refusal.set(refusal);
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refusal.get().is_some()
    }
}

impl Busy {
    /// Why the request was refused, if it was.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.0.refusal.get().copied()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Release);
        self.0.idle.wake();
    }
}
