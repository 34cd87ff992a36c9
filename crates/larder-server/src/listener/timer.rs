//! A deadline that costs nothing until something has to wait for it.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// At most one deadline at a time; stopping and setting again reuses the timer's entry.
#[derive(Debug, Default)]
pub(super) struct Timer {
    deadline: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) fn stop(&mut self) {
        self.deadline = None;
    }

    /// Ready once `deadline` has passed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if self.deadline != Some(deadline) {
            self.deadline = Some(deadline);
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }

    /// Ready when `limit` has passed since the timer was first asked after it was stopped.
    pub(super) fn poll_for(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let deadline = self.deadline_in(limit);
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }

    /// Whether `limit` has passed since the timer was first asked after it was stopped.
    pub(super) fn is_over(&mut self, limit: Duration) -> bool {
        self.deadline_in(limit) <= Instant::now()
    }

    fn deadline_in(&mut self, limit: Duration) -> Instant {
        *self.deadline.get_or_insert_with(|| Instant::now() + limit)
    }
}
