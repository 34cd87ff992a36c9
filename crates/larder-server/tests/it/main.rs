//! Every API, asked in process; the modules mirror the addresses.

mod buildkite;
mod support;
