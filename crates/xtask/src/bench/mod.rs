//! `cargo xtask bench`: what the release build does in how much time, beside plain file servers.
//!
//! Runs are interleaved (each workload once on each server, then all again), so that what else the machine does
//! meanwhile falls on all of them. One client makes every request, so its cost is the same for all. A workload is
//! one variant of [`Workload`].

mod http;
mod machine;
mod servers;
mod table;
mod upload;
mod workload;

use crate::folder::EmptyFolder;
use crate::process::{self, cargo, command, root};
use anyhow::{Context, Result, bail};
use machine::Machine;
use servers::Server;
use std::fs;
use std::path::PathBuf;
use table::Row;
use workload::{Sizes, Workload};

/// How the measurements are taken.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each workload is repeated
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Bytes of the large file, in MiB
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    large: u64,
    /// Reads of the small file over many connections; over one a tenth of it
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(64..=10_000_000))]
    reads: u64,
    /// Small files written in one workload
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(64..=1_000_000))]
    writes: u64,
    /// Artifacts of the job that is listed
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    listed: u64,
    /// Connections of the workloads that use many
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(2..=1024))]
    connections: u64,
    /// A small form that ends within a minute: 2 runs of 64 MiB, 2,000 reads, 200 writes and a list of 1,000
    #[arg(long, conflicts_with_all = ["runs", "large", "reads", "writes", "listed"])]
    quick: bool,
    /// Measure the larder alone
    #[arg(long)]
    alone: bool,
    /// Measure uploads from the command line instead, beside curl, `buildkite-agent` and cp
    #[arg(long, conflicts_with_all = ["alone", "only", "reads", "writes", "listed"])]
    upload: bool,
    /// Small files of an upload
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    files: u64,
    /// Only workloads whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// A file for the report, beside the one that is printed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Builds, starts the servers, measures and prints the report.
pub(crate) fn run(options: &Options) -> Result<()> {
    process::run(command(cargo()).args(["build", "--release", "--package", "larder"]))?;
    let report = if options.upload {
        upload::report(
            options.runs(),
            options.files(),
            2 * options.sizes().large_mib,
        )?
    } else {
        serving(options)?
    };
    println!("\n{report}");
    if let Some(file) = &options.out {
        fs::write(file, report).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// What the server does beside plain file servers.
fn serving(options: &Options) -> Result<String> {
    let sizes = options.sizes();
    let workloads = options.workloads(&sizes)?;
    // In the target folder: a temporary one may be kept in memory, where a sync costs nothing.
    let folder = EmptyFolder::make_in(&root().join("target"), "bench")?;
    let mut servers = vec![servers::larder(folder.path())?];
    if !options.alone {
        servers.extend(servers::peers(folder.path()));
    }
    for server in &servers {
        println!("filling {}", server.name);
        workload::fill(server, &sizes).with_context(|| format!("fill {}", server.name))?;
    }
    machine::sync(folder.path())?;
    let rows = measure(&mut servers, &workloads, &sizes, options.runs())?;
    let machine = Machine::of(folder.path());
    Ok(table::report(&servers, &rows, options.runs(), &machine))
}

impl Options {
    fn runs(&self) -> u32 {
        if self.quick { 2 } else { self.runs }
    }

    fn files(&self) -> u64 {
        if self.quick { 500 } else { self.files }
    }

    fn sizes(&self) -> Sizes {
        let given = Sizes {
            large_mib: self.large,
            reads: self.reads,
            writes: self.writes,
            listed: self.listed,
            connections: self.connections,
        };
        if self.quick {
            Sizes {
                large_mib: 64,
                reads: 2_000,
                writes: 200,
                listed: 1_000,
                ..given
            }
        } else {
            given
        }
    }

    fn workloads(&self, sizes: &Sizes) -> Result<Vec<Workload>> {
        let part = self.only.as_deref().unwrap_or_default();
        let workloads: Vec<_> = Workload::ALL
            .into_iter()
            .filter(|workload| workload.name(sizes).contains(part))
            .collect();
        if workloads.is_empty() {
            let names = Workload::ALL.map(|workload| workload.name(sizes));
            bail!(
                "no workload's name contains `{part}`; there are: {}",
                names.join("; ")
            );
        }
        Ok(workloads)
    }
}

fn measure(
    servers: &mut [Server],
    workloads: &[Workload],
    sizes: &Sizes,
    runs: u32,
) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = workloads
        .iter()
        .map(|workload| Row::new(workload.name(sizes), workload.amount(sizes), servers.len()))
        .collect();
    for serial in 1..=u64::from(runs) {
        println!("run {serial} of {runs}");
        for (row, workload) in rows.iter_mut().zip(workloads) {
            for (server, samples) in servers.iter_mut().zip(&mut row.samples) {
                let sample = workload.run(server, sizes, serial);
                samples.extend(sample.with_context(|| format!("{} on {}", row.name, server.name))?);
            }
        }
    }
    Ok(rows)
}
