//! What is measured, once on one server.

use super::http::{Connection, Request};
use super::machine;
use super::servers::Server;
use super::table::Amount;
use anyhow::{Context, Result, anyhow, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;
const PIECE: usize = 1024 * 1024;
const SMALL_READ: usize = 10 * 1024;
const SMALL_WRITE: usize = 8 * 1024;

/// Lists in one workload: one alone is too short for the clock of processor times.
const LISTS: u32 = 10;

/// How often the memory of a server is looked at while it works.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) large_mib: u64,
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) listed: u64,
    pub(crate) connections: u64,
}

/// One line of the table, or two: of writes also the time until they are on the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Workload {
    GetLarge,
    GetSmall { is_parallel: bool },
    PutLarge,
    PutSmall { is_parallel: bool },
    List,
    Start,
}

/// One run of a workload on one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Until the last answer.
    pub(crate) took: Duration,
    /// Until what was written is on the disk.
    pub(crate) durable: Option<Duration>,
    /// Processor time of the server.
    pub(crate) processor: Duration,
    /// The most anonymous resident memory of the server, in bytes.
    pub(crate) memory: u64,
}

impl Workload {
    pub(crate) const ALL: [Self; 8] = [
        Self::GetLarge,
        Self::GetSmall { is_parallel: false },
        Self::GetSmall { is_parallel: true },
        Self::PutLarge,
        Self::PutSmall { is_parallel: false },
        Self::PutSmall { is_parallel: true },
        Self::List,
        Self::Start,
    ];

    pub(crate) fn name(self, sizes: &Sizes) -> String {
        let large = match sizes.large_mib {
            mib if mib % 1024 == 0 => format!("{} GiB", mib / 1024),
            mib => format!("{mib} MiB"),
        };
        match self {
            Self::GetLarge => format!("GET {large}"),
            Self::PutLarge => format!("PUT {large}"),
            Self::GetSmall { is_parallel } => format!(
                "GET 10 KiB × {}, {}",
                sizes.reads(is_parallel),
                sizes.connections_name(is_parallel)
            ),
            Self::PutSmall { is_parallel } => format!(
                "PUT 8 KiB × {}, {}",
                sizes.writes,
                sizes.connections_name(is_parallel)
            ),
            Self::List => format!("list of {} artifacts", sizes.listed),
            Self::Start => format!("start until ready, with {} artifacts", sizes.listed),
        }
    }

    /// How much one run of it moves.
    pub(crate) fn amount(self, sizes: &Sizes) -> Amount {
        match self {
            Self::GetLarge | Self::PutLarge => Amount::Bytes(sizes.large_mib * MIB),
            Self::GetSmall { is_parallel } => Amount::Requests(sizes.reads(is_parallel)),
            Self::PutSmall { .. } => Amount::Requests(sizes.writes),
            Self::List => Amount::Each(LISTS),
            Self::Start => Amount::Each(1),
        }
    }

    /// Does it once, `serial` being another number each time; none where the server cannot.
    pub(crate) fn run(
        self,
        server: &mut Server,
        sizes: &Sizes,
        serial: u64,
    ) -> Result<Option<Sample>> {
        match self {
            Self::Start => server.restart(),
            Self::List if server.listed.is_none() => Ok(None),
            Self::List => list(server, sizes).map(Some),
            Self::GetLarge => {
                let mut connection = Connection::open(server.address)?;
                let length = sizes.large_mib * MIB;
                let get = || get(server, &mut connection, "large.bin", length);
                observed(server, get).map(Some)
            }
            Self::GetSmall { is_parallel } => {
                let get = |connection: &mut Connection, _: &u64| {
                    get(server, connection, "small.bin", SMALL_READ as u64)
                };
                let reads: Vec<_> = (0..sizes.reads(is_parallel)).collect();
                spread(server, sizes.connections(is_parallel), &reads, get).map(Some)
            }
            Self::PutLarge => put_large(server, sizes, serial).map(Some),
            Self::PutSmall { is_parallel } => {
                put_small(server, sizes, is_parallel, serial).map(Some)
            }
        }
    }
}

impl Sizes {
    /// A peer that leaves Nagle's algorithm on answers one connection 25 times a second: there a tenth has to do.
    fn reads(&self, is_parallel: bool) -> u64 {
        if is_parallel {
            self.reads
        } else {
            self.reads / 10
        }
    }

    fn connections(&self, is_parallel: bool) -> u64 {
        if is_parallel { self.connections } else { 1 }
    }

    fn connections_name(&self, is_parallel: bool) -> String {
        match self.connections(is_parallel) {
            1 => "1 connection".to_owned(),
            many => format!("{many} connections"),
        }
    }
}

/// Keeps the files that are read later.
pub(crate) fn fill(server: &Server, sizes: &Sizes) -> Result<()> {
    let mut connection = Connection::open(server.address)?;
    put_pieces(server, &mut connection, "large.bin", sizes.large_mib, 0)?;
    let small = random(SMALL_READ, 1);
    put(server, &mut connection, "small.bin", &small)?;
    let Some(listed) = &server.listed else {
        return Ok(());
    };
    let keep = |connection: &mut Connection, number: &u64| {
        let path = format!("{}reports/unit-{number:05}.xml", listed.files);
        put_at(server, connection, &path, number.to_string().as_bytes(), 1)
    };
    let numbers: Vec<_> = (0..sizes.listed).collect();
    spread(server, sizes.connections, &numbers, keep).map(drop)
}

fn list(server: &Server, sizes: &Sizes) -> Result<Sample> {
    let listed = server.listed.as_ref().context("nothing is listed")?;
    let mut connection = Connection::open(server.address)?;
    let mut list = || {
        let answer = connection.ask(Request::get(&listed.list, server.token.as_deref()))?;
        // No entry is shorter than its keys: a cut-off list is no measurement.
        ensure!(
            answer.length > sizes.listed * 40,
            "the list has only {} bytes",
            answer.length
        );
        Ok(())
    };
    observed(server, || (0..LISTS).try_for_each(|_| list()))
}

fn put_large(server: &Server, sizes: &Sizes, serial: u64) -> Result<Sample> {
    let mut connection = Connection::open(server.address)?;
    let name = format!("large-{serial}.bin");
    let put = || put_pieces(server, &mut connection, &name, sizes.large_mib, serial);
    let sample = settled(server, observed(server, put)?)?;
    // Otherwise the runs together fill a small disk.
    delete(server, &mut connection, &name)?;
    machine::sync(&server.folder)?;
    Ok(sample)
}

fn put_small(server: &Server, sizes: &Sizes, is_parallel: bool, serial: u64) -> Result<Sample> {
    let width = if is_parallel { "many" } else { "one" };
    let salt = serial << 33 | u64::from(is_parallel) << 32;
    let files: Vec<_> = (0..sizes.writes)
        .map(|number| {
            let name = format!("{width}-{serial}-{number}.bin");
            (name, random(SMALL_WRITE, salt | number))
        })
        .collect();
    let connections = sizes.connections(is_parallel);
    let put = |connection: &mut Connection, (name, body): &(String, Vec<u8>)| {
        put(server, connection, name, body)
    };
    settled(server, spread(server, connections, &files, put)?)
}

/// What a server that syncs nothing by itself owes the disk is synced, and counts.
fn settled(server: &Server, sample: Sample) -> Result<Sample> {
    let start = Instant::now();
    machine::sync(&server.folder)?;
    let owed = if server.is_durable {
        Duration::ZERO
    } else {
        start.elapsed()
    };
    Ok(Sample {
        durable: Some(sample.took + owed),
        ..sample
    })
}

/// Spreads items over connections, a thread for each. The clock starts when all of them are open.
fn spread<T: Sync>(
    server: &Server,
    connections: u64,
    items: &[T],
    request: impl Fn(&mut Connection, &T) -> Result<()> + Sync,
) -> Result<Sample> {
    let mut open = (0..connections)
        .map(|_| Connection::open(server.address))
        .collect::<Result<Vec<_>>>()?;
    let (width, request) = (open.len(), &request);
    observed(server, || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = open
                .iter_mut()
                .enumerate()
                .map(|(first, connection)| {
                    let mut own = items.iter().skip(first).step_by(width);
                    scope.spawn(move || own.try_for_each(|item| request(connection, item)))
                })
                .collect();
            threads.into_iter().try_for_each(|thread| {
                let ended = thread.join();
                ended.map_err(|_| anyhow!("a connection's thread panicked"))?
            })
        })
    })
}

/// Does work while looking at the server's memory.
fn observed(server: &Server, work: impl FnOnce() -> Result<()>) -> Result<Sample> {
    let process = server.process();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let observer = scope.spawn(|| -> Result<u64> {
            let mut most = machine::memory(process)?;
            while !is_over.load(Ordering::Relaxed) {
                std::thread::park_timeout(LOOK_EVERY);
                most = most.max(machine::memory(process)?);
            }
            Ok(most)
        });
        let used = machine::processor_time(process)?;
        let start = Instant::now();
        let worked = work();
        let took = start.elapsed();
        is_over.store(true, Ordering::Relaxed);
        observer.thread().unpark();
        let memory = observer
            .join()
            .map_err(|_| anyhow!("the observer panicked"))?;
        worked?;
        Ok(Sample {
            took,
            durable: None,
            processor: machine::processor_time(process)?.saturating_sub(used),
            memory: memory?,
        })
    })
}

fn get(server: &Server, connection: &mut Connection, name: &str, length: u64) -> Result<()> {
    let path = format!("{}{name}", server.files);
    let answer = connection.ask(Request::get(&path, server.token.as_deref()))?;
    ensure!(
        answer.length == length,
        "{path} came with {} of {length} bytes",
        answer.length
    );
    Ok(())
}

fn delete(server: &Server, connection: &mut Connection, name: &str) -> Result<()> {
    let path = format!("{}{name}", server.files);
    let delete = Request {
        method: "DELETE",
        ..Request::get(&path, server.token.as_deref())
    };
    connection.ask(delete).map(drop)
}

fn put(server: &Server, connection: &mut Connection, name: &str, body: &[u8]) -> Result<()> {
    let path = format!("{}{name}", server.files);
    put_at(server, connection, &path, body, 1)
}

/// A large body that no other serial number has, so that nothing is spared for being known.
fn put_pieces(
    server: &Server,
    connection: &mut Connection,
    name: &str,
    mib: u64,
    serial: u64,
) -> Result<()> {
    let path = format!("{}{name}", server.files);
    let piece = random(PIECE, serial << 32);
    put_at(server, connection, &path, &piece, mib)
}

fn put_at(
    server: &Server,
    connection: &mut Connection,
    path: &str,
    piece: &[u8],
    repeated: u64,
) -> Result<()> {
    let put = Request {
        method: "PUT",
        path,
        token: server.token.as_deref(),
        piece,
        repeated,
    };
    connection.ask(put).map(drop)
}

/// Bytes that do not compress, the same for the same seed (`xorshift64*`).
pub(crate) fn random(length: usize, seed: u64) -> Vec<u8> {
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
