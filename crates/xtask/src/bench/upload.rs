//! How fast a folder and a large file are kept from the command line, beside what people use for it today.
//!
//! The peers have it easier: `buildkite-agent` talks to a server that stores nothing, and `cp` has none.

mod contender;
mod files;
mod instant;

use super::machine::{self, Machine};
use super::servers;
use super::table::{self, Row};
use crate::folder::EmptyFolder;
use crate::process::root;
use anyhow::{Context, Result};
use contender::Contender;
use files::{Files, Kind};

/// Runs every contender on every kind of files, again and again, and says what came of it.
pub(crate) fn report(runs: u32, files: u64, large_mib: u64) -> Result<String> {
    let folder = EmptyFolder::make_in(&root().join("target"), "bench-upload")?;
    let server = servers::larder(folder.path())?;
    let contenders = contender::all(&server, folder.path())?;
    let kinds = [Kind::Many(files), Kind::Large(large_mib)];
    let mut rows: Vec<Row> = kinds
        .iter()
        .map(|kind| Row::new(kind.name(), kind.amount(), contenders.len()))
        .collect();
    for serial in 1..=u64::from(runs) {
        println!("run {serial} of {runs}");
        for (row, kind) in rows.iter_mut().zip(kinds) {
            // Other content each time: nobody is spared anything for knowing it.
            let files = Files::write(&folder.path().join("source"), kind, serial)?;
            machine::sync(folder.path())?;
            for (contender, samples) in contenders.iter().zip(&mut row.samples) {
                let sample = contender.keep(&files, serial);
                samples
                    .push(sample.with_context(|| format!("{} by {}", row.name, contender.name()))?);
            }
        }
    }
    let names: Vec<&str> = contenders.iter().map(Contender::name).collect();
    let versions: Vec<&str> = contenders.iter().map(Contender::version).collect();
    let machine = Machine::of(folder.path());
    Ok(format!(
        "{machine}; {}.\n{runs} runs, interleaved; memory is the uploader's.\n\n{}",
        versions.join(", "),
        table::markdown(&names, &rows)
    ))
}
