//! Every API in process: one binary, whose modules mirror the addresses.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails by panicking"
)]

mod buildkite;
mod circleci;
mod hostile_names;
mod larder;
mod matrix;
mod retention;
mod support;
mod web;
