//! Every API in process: one binary, whose modules mirror the addresses.

#![expect(
    clippy::unwrap_used,
    reason = "a test whose stage cannot be set up has failed"
)]

mod hostile_names;
mod larder;
mod support;
