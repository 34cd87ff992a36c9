//! The larder's use cases over a real embedded store, with a clock that is set.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod backup;
mod damage;
mod deletion;
mod jobs;
mod keeping;
mod latest;
mod links;
mod proxied;
mod retention;
mod space;
#[expect(dead_code, reason = "the tests of the server look at more")]
mod stores;
mod support;
mod uploads;
mod users;
