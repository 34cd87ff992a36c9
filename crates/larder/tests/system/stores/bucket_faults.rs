//! The bucket goes away in every way: nothing acknowledged is lost, and nothing of what was sent in vain stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder_harness::{Mode, Side};

use super::replicas::check_nothing_twice;
use super::{Cluster, Traffic};
use crate::support::{Made, wait_for};

const URL: &str = "http://larder.test";
const CLIENTS: usize = 6;
/// Some files are sent in several parts.
const SIZE_BITS: u32 = 24;
/// What is promised of an error is 35 s; a machine that others use too is slower.
const FAILED_WITHIN: Duration = Duration::from_mins(1);

/// Some connection of the traffic has soon carried what is let pass.
const CUT_WITHIN: Duration = Duration::from_mins(1);

/// What happens to the bucket.
struct Faults {
    resets: u64,
    kills: u32,
    stopped_for: Duration,
}

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn a_bucket_that_fails_loses_nothing_and_keeps_nothing_in_vain() {
    run_while_the_bucket_fails(&Faults {
        resets: 20,
        kills: 3,
        stopped_for: Duration::from_secs(8),
    });
}

mod at_length {
    #[test]
    #[ignore = "takes minutes: `cargo xtask test --long`"]
    fn a_bucket_that_fails_loses_nothing_and_keeps_nothing_in_vain() {
        super::run_while_the_bucket_fails(&super::Faults {
            resets: 200,
            kills: 10,
            stopped_for: std::time::Duration::from_mins(1),
        });
    }
}

fn run_while_the_bucket_fails(faults: &Faults) {
    let mut cluster = Cluster::start();
    let replica = cluster.replica(URL);
    let token = replica.token();
    let traffic = Traffic::to(replica.server.address()).with_sizes(SIZE_BITS);
    let is_over = AtomicBool::new(false);
    let trouble = || {
        cluster.reset(faults.resets, &traffic);
        for _ in 0..faults.kills {
            cluster.garage.kill().unwrap();
            cluster.garage.restart().unwrap();
            traffic.wait_for_more(10);
        }
        cluster.stop_bucket(faults.stopped_for);
        traffic.wait_for_more(10);
        is_over.store(true, Ordering::Relaxed);
    };
    let is_over = || is_over.load(Ordering::Relaxed);
    traffic.run(&token, CLIENTS, is_over, trouble);
    assert!(traffic.slowest_failure() < FAILED_WITHIN);
    check_nothing_twice(&cluster);
    cluster.check_after_sweep(&replica);
}

impl Cluster {
    /// Cuts connections somewhere in what is sent or answered.
    fn reset(&self, times: u64, traffic: &Traffic) {
        let mut made = Made::new(times);
        for reset in 0..times {
            let towards = [Side::Server, Side::Client][usize::from(reset % 2 == 1)];
            let bytes = made.below(2 * 1024 * 1024);
            let cut = Mode::CutAfter { towards, bytes };
            self.to_bucket.set_once(cut).unwrap();
            wait_for("a connection that is cut", CUT_WITHIN, || {
                (self.to_bucket.cuts() > reset).then_some(())
            });
            traffic.wait_for_more(2);
        }
        self.to_bucket.set(Mode::Pass).unwrap();
    }

    fn stop_bucket(&mut self, time: Duration) {
        // Asked to end amid uploads, Garage may abort, which is no fault of ours.
        self.garage.kill().unwrap();
        let stopped = Instant::now();
        while let Some(left) = time.checked_sub(stopped.elapsed()) {
            std::thread::park_timeout(left);
        }
        self.garage.restart().unwrap();
    }
}
