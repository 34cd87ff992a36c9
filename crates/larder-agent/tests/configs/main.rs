//! Configs after public shapes, right ones and broken ones: each plan against what
//! `fixtures/configs/expected.txt` says a correct reading gives and against its snapshot, each error
//! against `fixtures/errors/expected.txt` and its snapshot. The tables were written before the parser
//! could read the configs; the snapshots show whatever the tables do not say.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect has failed"
)]

mod documents;
mod errors;
mod plans;
mod show;
mod torn;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(folder)
}

/// Names of the configs in a folder of fixtures.
fn configs(folder: &str) -> BTreeSet<String> {
    fs::read_dir(fixtures(folder))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| has_extension(name, "yml"))
        .collect()
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|found| found == extension)
}

/// The lines of a table without its comments.
fn table(folder: &str) -> Vec<String> {
    let text = fs::read_to_string(fixtures(folder).join("expected.txt")).unwrap();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Compares with the snapshot `folder/name`.
fn assert_snapshot(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/snapshots")
            .join(folder),
    );
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Runs one check for each item and reports every failure, not only the first.
fn check_all<T>(items: impl IntoIterator<Item = (String, T)>, check: impl Fn(&str, T)) {
    let mut failed = Vec::new();
    for (name, item) in items {
        let check = std::panic::AssertUnwindSafe(|| check(&name, item));
        if std::panic::catch_unwind(check).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
}
