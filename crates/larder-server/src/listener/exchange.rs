//! What the byte stream and the service of one connection tell each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::framing::Refusal;

/// Shared by the two halves of a connection.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    is_busy: AtomicBool,
    refusal: OnceLock<Refusal>,
}

/// A request is being answered as long as this lives.
#[derive(Debug)]
pub(super) struct Busy(Arc<Exchange>);

impl Exchange {
    /// A request has reached the service; hyper brings one at a time.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.is_busy.store(true, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.load(Ordering::Relaxed)
    }

    /// Keeps why the connection ends; only the first reason counts.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let _ = self.refusal.set(refusal);
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refusal.get().is_some()
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal.get().copied()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::Relaxed);
    }
}
