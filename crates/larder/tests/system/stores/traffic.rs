//! Clients that upload, read, list and delete, each in a job of its own, so that each knows every right answer.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Answer, Client, Job, Made, wait_for};

/// Sizes go up to this power of two unless a test wants more.
const SIZE_BITS: u32 = 18;
/// Repeated so long, a request succeeds.
const RECOVERED_WITHIN: Duration = Duration::from_mins(3);
/// A client that was refused waits so long before it tries again.
const PAUSE: Duration = Duration::from_millis(20);

/// What all clients have done together.
pub(super) struct Traffic {
    client: Client,
    size_bits: u32,
    /// Operations that have succeeded.
    done: AtomicU64,
    /// Attempts that failed as they may.
    failures: AtomicU64,
    slowest_failure: Mutex<Duration>,
}

/// Lets the clients end, for which the test waits, when the trouble went wrong.
struct EndsIfFailing<'a>(&'a AtomicBool);

impl Drop for EndsIfFailing<'_> {
    fn drop(&mut self) {
        self.0.store(std::thread::panicking(), Ordering::Relaxed);
    }
}

/// One client with its job.
struct Actor<'a> {
    traffic: &'a Traffic,
    /// May do what the token of a job may not.
    token: &'a str,
    job: Job,
    name: usize,
    made: Made,
    kept: BTreeMap<String, Kept>,
}

/// What was acknowledged.
struct Kept {
    id: String,
    seed: u64,
}

impl Traffic {
    /// To the servers, or the proxy before them, at that address.
    pub(super) fn to(address: SocketAddr) -> Self {
        Self {
            client: Client::new(address),
            size_bits: SIZE_BITS,
            done: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            slowest_failure: Mutex::default(),
        }
    }

    /// Sizes go up to this power of two.
    pub(super) fn with_sizes(self, size_bits: u32) -> Self {
        Self { size_bits, ..self }
    }

    /// Operations that have succeeded.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(super) fn slowest_failure(&self) -> Duration {
        *self.slowest_failure.lock().unwrap()
    }

    /// Waits until so many more operations have succeeded.
    #[track_caller]
    pub(super) fn wait_for_more(&self, operations: u64) {
        let enough = self.done() + operations;
        wait_for("requests that succeed", RECOVERED_WITHIN, || {
            (self.done() >= enough).then_some(())
        });
    }

    /// So many clients go on until `is_over`, while `trouble` goes on beside them; then each reads back all that it was
    /// told is kept.
    pub(super) fn run(
        &self,
        token: &str,
        clients: usize,
        is_over: impl Fn() -> bool + Sync,
        trouble: impl FnOnce(),
    ) {
        let seed = Made::seed();
        println!("LARDER_TEST_SEED={seed}");
        let mut made = Made::new(seed);
        let actors: Vec<_> = (0..clients)
            .map(|name| Actor {
                traffic: self,
                token,
                job: self.client.announce(token),
                name,
                made: Made::new(made.number()),
                kept: BTreeMap::new(),
            })
            .collect();
        let (is_over, has_failed) = (&is_over, &AtomicBool::new(false));
        std::thread::scope(|scope| {
            let actors: Vec<_> = actors
                .into_iter()
                .map(|mut actor| {
                    scope.spawn(move || {
                        for number in 0.. {
                            if is_over() || has_failed.load(Ordering::Relaxed) {
                                break;
                            }
                            actor.act(number);
                            self.done.fetch_add(1, Ordering::Relaxed);
                        }
                        actor
                    })
                })
                .collect();
            let failing = EndsIfFailing(has_failed);
            trouble();
            drop(failing);
            for actor in actors {
                actor.join().unwrap().read_back();
            }
        });
        println!(
            "{} operations, {} failed attempts, of which the slowest took {:?}",
            self.done(),
            self.failures.load(Ordering::Relaxed),
            self.slowest_failure()
        );
    }

    /// Repeats a request that fails as it may until it succeeds; with whether it failed before.
    fn insist(&self, right: &[u16], ask: impl Fn() -> io::Result<Answer>) -> (Answer, bool) {
        let (begun, mut has_failed) = (Instant::now(), false);
        loop {
            let asked = Instant::now();
            match ask() {
                Ok(answer) if right.contains(&answer.status) => return (answer, has_failed),
                Ok(answer) => assert!(
                    matches!(answer.status, 502 | 503),
                    "{}: {}",
                    answer.status,
                    answer.text()
                ),
                // The connection was cut.
                Err(_) => {}
            }
            has_failed = true;
            self.failures.fetch_add(1, Ordering::Relaxed);
            let mut slowest = self.slowest_failure.lock().unwrap();
            *slowest = asked.elapsed().max(*slowest);
            drop(slowest);
            assert!(begun.elapsed() < RECOVERED_WITHIN, "it never recovered");
            std::thread::park_timeout(PAUSE);
        }
    }
}

impl Actor<'_> {
    fn act(&mut self, number: usize) {
        match self.made.below(10) {
            0..4 => self.upload(number),
            4..7 => self.download(),
            7 => self.list(),
            _ => self.delete(),
        }
    }

    fn upload(&mut self, number: usize) {
        let (name, seed) = (format!("{}-{number}", self.name), self.made.number());
        let bytes = self.content(seed);
        let put = || self.traffic.client.put(&self.job, &name, &bytes);
        let (answer, has_failed) = self.traffic.insist(&[201, 200], put);
        assert!(answer.status == 201 || has_failed, "{name} was there");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        self.kept.insert(name, Kept { id, seed });
    }

    /// Any that is kept.
    fn any(&mut self) -> Option<String> {
        let index = self
            .made
            .below(u64::try_from(self.kept.len().max(1)).unwrap());
        let name = self.kept.keys().nth(usize::try_from(index).unwrap());
        name.cloned()
    }

    fn download(&mut self) {
        if let Some(name) = self.any() {
            self.check(&name, &self.kept[&name]);
        }
    }

    fn check(&self, name: &str, kept: &Kept) {
        let get = || {
            let path = self.job.artifact(name);
            self.traffic.client.get(&path, self.token)
        };
        let (answer, _) = self.traffic.insist(&[200], get);
        assert!(
            answer.body == self.content(kept.seed),
            "{name} has other bytes than were acknowledged"
        );
    }

    /// The list is exactly what is kept: nothing lost, nothing twice, nothing that was deleted.
    fn list(&self) {
        let path = format!("/larder/v1/jobs/{}/artifacts?limit=1000", self.job.id);
        let get = || self.traffic.client.get(&path, self.token);
        let (answer, _) = self.traffic.insist(&[200], get);
        let answer = answer.json();
        let listed = answer["artifacts"].as_array().unwrap().iter();
        let mut listed: Vec<_> = listed
            .filter(|artifact| artifact["state"] == "finished")
            .map(|artifact| artifact["path"].as_str().unwrap())
            .collect();
        listed.sort_unstable();
        assert!(listed.iter().eq(self.kept.keys()), "{listed:?}");
    }

    fn delete(&mut self) {
        let Some(name) = self.any() else { return };
        let id = self.kept.remove(&name).unwrap().id;
        let path = format!("/larder/v1/artifacts/{id}");
        let delete = || {
            let client = &self.traffic.client;
            client.send("DELETE", &path, self.token, b"")
        };
        let (answer, has_failed) = self.traffic.insist(&[204, 404, 410], delete);
        assert!(answer.status == 204 || has_failed, "{name} was gone");
    }

    /// The bytes of an upload: its size and content come from the seed.
    fn content(&self, seed: u64) -> Vec<u8> {
        let mut made = Made::new(seed);
        let size = made.size(self.traffic.size_bits);
        made.bytes(size)
    }

    fn read_back(&self) {
        self.list();
        for (name, kept) in &self.kept {
            self.check(name, kept);
        }
    }
}
