//! The larder's use cases over a real embedded store, with a clock that is set.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod damage;
mod jobs;
mod keeping;
mod latest;
mod links;
mod retention;
mod support;
