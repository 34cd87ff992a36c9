//! Every API in process: one binary, whose modules mirror the addresses.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails by panicking"
)]

mod buildkite;
mod circleci;
mod front;
mod hostile_names;
mod larder;
mod matrix;
mod measured;
mod operators;
mod proxied;
mod ready;
mod retention;
#[path = "../../../larder-core/tests/it/stores.rs"]
mod stores;
mod support;
mod web;
