//! `cargo xtask bench`: what the release build does in how much time, beside a plain file server.
//!
//! Runs are interleaved (each measurement once on each server, then all again), so that what else the machine
//! does meanwhile falls on all of them; the table has medians. A measurement is one line of [`MEASUREMENTS`].

mod http;
mod servers;
mod table;

use crate::folder::EmptyFolder;
use crate::process::{self, cargo, command, root};
use anyhow::{Context, Result, ensure};
use http::{Connection, Request};
use servers::Server;
use std::time::{Duration, Instant};
use table::{Amount, Row};

const MIB: u64 = 1024 * 1024;
const LARGE: u64 = 256 * MIB;
const SMALL: usize = 10 * 1024;
const TINY: usize = 8 * 1024;
const SMALL_READS: u64 = 2000;
const TINY_WRITES: u64 = 200;
const LISTED: u64 = 10_000;

/// Writers that fill the long list; enough to share each sync.
const FILLERS: usize = 8;

/// How the measurements are taken.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each measurement is repeated
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Measure the larder alone
    #[arg(long)]
    alone: bool,
}

/// One line of the table.
struct Measurement {
    name: &'static str,
    amount: Amount,
    /// Does it once, `serial` being another number each time; none where the server cannot.
    run: fn(&Server, serial: u64) -> Result<Option<Duration>>,
}

const MEASUREMENTS: &[Measurement] = &[
    Measurement {
        name: "GET 256 MiB",
        amount: Amount::Bytes(LARGE),
        run: get_large,
    },
    Measurement {
        name: "GET 10 KiB × 2000, one connection",
        amount: Amount::Requests(SMALL_READS),
        run: get_small,
    },
    Measurement {
        name: "PUT 256 MiB",
        amount: Amount::Bytes(LARGE),
        run: put_large,
    },
    Measurement {
        name: "PUT 8 KiB × 200, one connection",
        amount: Amount::Requests(TINY_WRITES),
        run: put_tiny,
    },
    Measurement {
        name: "list 10,000 artifacts",
        amount: Amount::Requests(1),
        run: list,
    },
];

/// Builds, starts the servers, measures and prints the table.
pub(crate) fn run(options: &Options) -> Result<()> {
    process::run(command(cargo()).args(["build", "--release"]))?;
    // In the target folder: a temporary one may be kept in memory, where a sync costs nothing.
    let folder = EmptyFolder::make_in(&root().join("target"), "bench")?;
    let mut servers = vec![servers::larder(folder.path())?];
    if !options.alone {
        match servers::nginx(folder.path()) {
            Ok(nginx) => servers.push(nginx),
            Err(error) => println!("without nginx: {error:#}"),
        }
    }
    for server in &servers {
        println!("filling {}", server.name);
        fill(server).with_context(|| format!("fill {}", server.name))?;
    }
    let rows = measure(&servers, options.runs)?;
    let names: Vec<_> = servers.iter().map(|server| server.name).collect();
    println!(
        "\n{} runs, interleaved\n\n{}",
        options.runs,
        table::markdown(&names, &rows)
    );
    Ok(())
}

fn measure(servers: &[Server], runs: u32) -> Result<Vec<Row>> {
    let empty = |measurement: &Measurement| Row {
        name: measurement.name,
        amount: measurement.amount,
        runs: vec![Vec::new(); servers.len()],
        memory: 0,
    };
    let mut rows: Vec<Row> = MEASUREMENTS.iter().map(empty).collect();
    for serial in 1..=u64::from(runs) {
        println!("run {serial} of {runs}");
        for (row, measurement) in rows.iter_mut().zip(MEASUREMENTS) {
            for (server, runs) in servers.iter().zip(&mut row.runs) {
                let took = (measurement.run)(server, serial);
                runs.extend(
                    took.with_context(|| format!("{} on {}", measurement.name, server.name))?,
                );
            }
            row.memory = row.memory.max(servers[0].memory()?);
        }
    }
    Ok(rows)
}

/// Keeps the files that are read later.
fn fill(server: &Server) -> Result<()> {
    let mut connection = Connection::open(server.address)?;
    put(
        server,
        &mut connection,
        &format!("{}large.bin", server.files),
        &large(0),
    )?;
    put(
        server,
        &mut connection,
        &format!("{}small.bin", server.files),
        &[&random(SMALL, 1)],
    )?;
    let Some(listed) = &server.listed else {
        return Ok(());
    };
    std::thread::scope(|scope| {
        let filler = |first: u64| {
            move || -> Result<()> {
                let mut connection = Connection::open(server.address)?;
                for number in (first..LISTED).step_by(FILLERS) {
                    let path = format!("{}reports/{number}.txt", listed.files);
                    put(
                        server,
                        &mut connection,
                        &path,
                        &[number.to_string().as_bytes()],
                    )?;
                }
                Ok(())
            }
        };
        let fillers: Vec<_> = (0..FILLERS as u64)
            .map(|first| scope.spawn(filler(first)))
            .collect();
        for filler in fillers {
            filler
                .join()
                .map_err(|_| anyhow::anyhow!("a writer panicked"))??;
        }
        Ok(())
    })
}

fn get_large(server: &Server, _: u64) -> Result<Option<Duration>> {
    let mut connection = Connection::open(server.address)?;
    timed(|| get(server, &mut connection, "large.bin", LARGE))
}

fn get_small(server: &Server, _: u64) -> Result<Option<Duration>> {
    let mut connection = Connection::open(server.address)?;
    timed(|| {
        (0..SMALL_READS).try_for_each(|_| get(server, &mut connection, "small.bin", SMALL as u64))
    })
}

fn put_large(server: &Server, serial: u64) -> Result<Option<Duration>> {
    let mut connection = Connection::open(server.address)?;
    let pieces = large(serial);
    timed(|| {
        put(
            server,
            &mut connection,
            &format!("{}large-{serial}.bin", server.files),
            &pieces,
        )
    })
}

fn put_tiny(server: &Server, serial: u64) -> Result<Option<Duration>> {
    let mut connection = Connection::open(server.address)?;
    let bodies: Vec<_> = (0..TINY_WRITES)
        .map(|number| random(TINY, serial * TINY_WRITES + number))
        .collect();
    timed(|| {
        bodies.iter().enumerate().try_for_each(|(number, body)| {
            put(
                server,
                &mut connection,
                &format!("{}tiny-{serial}-{number}.bin", server.files),
                &[body],
            )
        })
    })
}

fn list(server: &Server, _: u64) -> Result<Option<Duration>> {
    let Some(listed) = &server.listed else {
        return Ok(None);
    };
    let mut connection = Connection::open(server.address)?;
    let request = Request {
        method: "GET",
        path: &listed.list,
        token: server.token.as_deref(),
        body: &[],
    };
    timed(|| {
        let answer = connection.ask(request)?;
        // No entry is shorter than its keys: a cut-off list is no measurement.
        ensure!(
            answer.length > LISTED * 40,
            "the list has only {} bytes",
            answer.length
        );
        Ok(())
    })
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Option<Duration>> {
    let start = Instant::now();
    work()?;
    Ok(Some(start.elapsed()))
}

fn get(server: &Server, connection: &mut Connection, name: &str, length: u64) -> Result<()> {
    let path = format!("{}{name}", server.files);
    let answer = connection.ask(Request {
        method: "GET",
        path: &path,
        token: server.token.as_deref(),
        body: &[],
    })?;
    ensure!(
        answer.length == length,
        "{path} came with {} of {length} bytes",
        answer.length
    );
    Ok(())
}

fn put<P: AsRef<[u8]>>(
    server: &Server,
    connection: &mut Connection,
    path: &str,
    pieces: &[P],
) -> Result<()> {
    let body: Vec<&[u8]> = pieces.iter().map(AsRef::as_ref).collect();
    connection
        .ask(Request {
            method: "PUT",
            path,
            token: server.token.as_deref(),
            body: &body,
        })
        .map(drop)
}

/// A large body that no other serial number has, so that nothing is spared for being known.
fn large(serial: u64) -> Vec<Vec<u8>> {
    (0..LARGE / MIB)
        .map(|piece| random(1024 * 1024, serial << 32 | piece))
        .collect()
}

/// Bytes that do not compress, the same for the same seed (`xorshift64*`).
fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
