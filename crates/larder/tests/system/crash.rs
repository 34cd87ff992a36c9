//! 20 times kill -9 under uploads: what was acknowledged is there and the same, and the server is ready again at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    Client, Job, Made, PATIENCE, ServeProcess, Store, Upload, larder, output_within,
};

const KILLS: u64 = 20;
const UPLOADERS: u64 = 4;
/// Sizes go up to 2 MiB.
const SIZE_BITS: u32 = 21;
/// A server is killed when so many bytes at most have been sent to it.
const BYTES_UNTIL_KILL: u64 = 6 * 1024 * 1024;
/// Ten times what is promised.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Name and seed of what was answered with 201.
type Ledger = BTreeMap<String, u64>;

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    kill_under_uploads(&Store::new(), KILLS);
}

/// Kills the servers over a store in the middle of uploads, so many of them.
pub(crate) fn kill_under_uploads(store: &Store, kills: u64) {
    let seed = Made::seed();
    println!("LARDER_TEST_SEED={seed}");
    let mut made = Made::new(seed);
    let (mut server, mut slowest) = (start(store).0, Duration::ZERO);
    let token = store.token();
    let job = server.client().announce(&token);
    let mut ledger = Ledger::new();
    for round in 0..kills {
        let before = ledger.len();
        upload_until_killed(&mut server, &job, round, &mut made, &mut ledger);
        let ready;
        (server, ready) = start(store);
        slowest = slowest.max(ready);
        println!(
            "kill {round}: {} acknowledged, ready after {ready:?}",
            ledger.len() - before
        );
        assert!(ready < READY_WITHIN, "ready after {ready:?}");
        if store.is_embedded() {
            check_half_written(store);
            check_second_owner(&server);
        }
        check_ledger(&server.client(), &job, &ledger);
        server.admin(&["check"]).is(0);
    }
    println!(
        "{} files acknowledged; ready after {slowest:?} at most",
        ledger.len()
    );
    assert!(
        ledger.len() as u64 > 5 * kills,
        "too few uploads to mean anything"
    );
    server.admin(&["gc"]).is(0);
    server.admin(&["check", "--strict"]).is(0);
}

/// A server over the store, and how long it took until it was ready.
fn start(store: &Store) -> (ServeProcess, Duration) {
    let begun = Instant::now();
    let server = store.serve().start();
    server.client().get("/readyz", "").unwrap().is(200);
    (server, begun.elapsed())
}

/// Uploads from all sides, and in the middle of it kill -9.
fn upload_until_killed(
    server: &mut ServeProcess,
    job: &Job,
    round: u64,
    made: &mut Made,
    ledger: &mut Ledger,
) {
    let round = Round {
        job,
        number: round,
        client: server.client(),
        victim: server.id(),
        sent: AtomicU64::new(0),
        // Every other server dies of an acknowledgement: not a moment is left to make it true.
        fatal: (round % 2 == 1).then(|| 1 + made.below(30)),
        acknowledged: Mutex::new(ledger),
        new: AtomicU64::new(0),
    };
    let kill_at = made.below(BYTES_UNTIL_KILL);
    let seeds: Vec<_> = (0..UPLOADERS).map(|_| made.number()).collect();
    std::thread::scope(|scope| {
        let uploaders: Vec<_> = seeds
            .into_iter()
            .enumerate()
            .map(|(uploader, seed)| {
                let round = &round;
                scope.spawn(move || round.upload(uploader, seed))
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        let is_time = || match round.fatal {
            None => round.sent.load(Ordering::Relaxed) >= kill_at,
            Some(_) => uploaders.iter().all(ScopedJoinHandle::is_finished),
        };
        while !is_time() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        server.kill();
    });
}

/// The uploads to one server, from its start to its death.
struct Round<'a> {
    number: u64,
    job: &'a Job,
    client: Client,
    victim: u32,
    /// Bytes of bodies so far.
    sent: AtomicU64,
    /// The acknowledgement at which it dies; otherwise it dies in the middle of sending.
    fatal: Option<u64>,
    /// Acknowledgements so far.
    new: AtomicU64,
    acknowledged: Mutex<&'a mut Ledger>,
}

impl Round<'_> {
    /// One file after the other until the server is gone.
    fn upload(&self, uploader: usize, seed: u64) {
        let mut seeds = Made::new(seed);
        for number in 0.. {
            let (name, seed) = (
                format!("{}-{uploader}-{number}", self.number),
                seeds.number(),
            );
            let bytes = content(seed);
            let upload = Upload {
                source: &mut &*bytes,
                // Every other one in chunks.
                declared: (number % 2 == 0).then_some(bytes.len() as u64),
                sent: &mut |size| {
                    self.sent.fetch_add(size as u64, Ordering::Relaxed);
                },
            };
            let path = self.job.artifact(&name);
            let Ok(answer) = self.client.open("PUT", &path, &self.job.token, upload) else {
                return;
            };
            if answer.status == 201 {
                if Some(self.new.fetch_add(1, Ordering::Relaxed) + 1) == self.fatal {
                    let victim = Pid::from_raw(self.victim.try_into().unwrap()).unwrap();
                    kill_process(victim, Signal::KILL).unwrap();
                }
                self.acknowledged.lock().unwrap().insert(name, seed);
            } else {
                answer.answer().unwrap().is(201);
            }
        }
    }
}

/// The bytes of an upload: its size and content come from the seed.
fn content(seed: u64) -> Vec<u8> {
    let mut made = Made::new(seed);
    let size = made.size(SIZE_BITS);
    made.bytes(size)
}

fn check_ledger(client: &Client, job: &Job, ledger: &Ledger) {
    for (name, seed) in ledger {
        let answer = client.get(&job.artifact(name), &job.token).unwrap().is(200);
        assert!(
            answer.body == content(*seed),
            "{name} has other bytes than were acknowledged"
        );
    }
}

fn check_half_written(store: &Store) {
    let left = std::fs::read_dir(store.data().join("blobs/tmp"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "half-written files stay after a crash");
}

/// A second server over the same folder says whose it is.
fn check_second_owner(server: &ServeProcess) {
    let mut second = larder(&["serve", "--listen", "127.0.0.1:0", "--data"]);
    let refused = output_within(PATIENCE, second.arg(server.data())).is(2);
    assert_eq!(refused.stdout, "");
    refused.says(&[&format!("in use by process {}", server.id())]);
}
