//! What `deploy/` offers fits what the server is: names, paths and numbers there exist here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alerts;
mod compose;
mod container;
mod unit;
mod yaml;

use std::path::PathBuf;

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file of the repository.
#[track_caller]
fn text(path: &str) -> String {
    let text = std::fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}
