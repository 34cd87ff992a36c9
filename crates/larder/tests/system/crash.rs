//! 20 times kill -9 under uploads: what was acknowledged is there and the same, and the server is ready again at once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    let seed = Made::seed();
    println!("LARDER_TEST_SEED={seed}");
    let mut made = Made::new(seed);
    let store = Store::new();
    let (mut server, mut slowest) = (start(&store).0, Duration::ZERO);
    let token = store.token();
    let job = server.client().announce(&token);
    let mut ledger = Ledger::new();
    for round in 0..KILLS {
        let before = ledger.len();
        upload_until_killed(&mut server, &job, round, &mut made, &mut ledger);
        let ready;
        (server, ready) = start(&store);
        slowest = slowest.max(ready);
        println!(
            "kill {round}: {} acknowledged, ready after {ready:?}",
            ledger.len() - before
        );
        assert!(ready < READY_WITHIN, "ready after {ready:?}");
        check_half_written(&store);
        check_second_owner(&server);
        check_ledger(&server.client(), &job, &ledger);
        server.admin(&["check"]).is(0);
    }
    println!(
        "{} files acknowledged; ready after {slowest:?} at most",
        ledger.len()
    );
    assert!(ledger.len() > 100, "too few uploads to mean anything");
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
    let (sent, client) = (AtomicU64::new(0), server.client());
    let acknowledged = Mutex::new(ledger);
    let kill_at = made.below(BYTES_UNTIL_KILL);
    let seeds: Vec<_> = (0..UPLOADERS).map(|_| made.number()).collect();
    std::thread::scope(|scope| {
        for (uploader, seed) in seeds.into_iter().enumerate() {
            let (sent, client, acknowledged) = (&sent, &client, &acknowledged);
            let name = format!("{round}-{uploader}");
            scope.spawn(move || upload_on(client, job, &name, seed, sent, acknowledged));
        }
        let deadline = Instant::now() + PATIENCE;
        while sent.load(Ordering::Relaxed) < kill_at && Instant::now() < deadline {
            std::thread::yield_now();
        }
        server.kill();
    });
}

/// One file after the other until the server is gone.
fn upload_on(
    client: &Client,
    job: &Job,
    name: &str,
    seed: u64,
    sent: &AtomicU64,
    acknowledged: &Mutex<&mut Ledger>,
) {
    let mut seeds = Made::new(seed);
    for number in 0.. {
        let (name, seed) = (format!("{name}-{number}"), seeds.number());
        let bytes = content(seed);
        // Every other one in chunks.
        let declared = (number % 2 == 0).then_some(bytes.len() as u64);
        let upload = Upload {
            source: &mut &*bytes,
            declared,
            sent: &mut |size| {
                sent.fetch_add(size as u64, Ordering::Relaxed);
            },
        };
        let opened = client.open("PUT", &job.artifact(&name), &job.token, upload);
        match opened.and_then(crate::support::Opened::answer) {
            Ok(answer) => {
                answer.is(201);
                acknowledged.lock().unwrap().insert(name, seed);
            }
            Err(_) => return,
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
