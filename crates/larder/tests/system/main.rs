//! The whole larder from outside: the real program as real processes, over loopback sockets.
//!
//! What needs root or somebody else's program says so in its `#[ignore]` and is run by `cargo xtask test`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod backup;
mod ci;
mod command_line;
mod configs;
mod crash;
mod demo;
mod disk_full;
mod documents;
mod drain;
mod interrupted;
mod large;
mod nginx;
mod offline;
mod power_cut;
mod recipe;
mod resume;
mod stores;
mod support;
mod transfer;
mod workflow;
mod write_order;
