//! What all system tests use: the program, a server of it, a client that knows no library, and made-up bytes.

mod bytes;
mod http;
mod program;
mod server;
mod store;

pub(crate) use bytes::{Made, sha256_of};
pub(crate) use http::{Answer, Client, Opened, Upload};
pub(crate) use program::{Finished, interrupt, larder, output_within, run, wait_until_empty};
pub(crate) use server::{Serve, ServeProcess};
pub(crate) use store::{Job, PROJECT, Settings, Store};

use std::time::{Duration, Instant};

/// Nothing here takes that long on a machine that others use too.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Asks again and again until there is an answer; panics with `what` when there is none in time.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        std::thread::yield_now();
    }
}
