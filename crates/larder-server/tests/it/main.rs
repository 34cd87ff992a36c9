//! Every API, asked in process; the modules mirror the addresses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod buildkite;
mod support;
