//! PostgreSQL goes away in every way: nothing acknowledged is lost, nothing is done twice, and whoever asks hears of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use larder_harness::{Mode, Moment};

use super::replicas::check_nothing_twice;
use super::{Cluster, Traffic};
use crate::support::{Client, Upload, wait_for};

const URL: &str = "http://larder.test";
const CLIENTS: usize = 8;
const CUTS: u64 = 100;
/// What is promised while the database is away, and what is let pass on a busy machine.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// And when it is back.
const HEALTHY_WITHIN: Duration = Duration::from_secs(10);
/// A machine that others use too is slower.
const LENIENCE: u32 = 4;

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn a_connection_that_is_cut_at_commit_loses_nothing_and_repeats_nothing() {
    let cluster = Cluster::start();
    let replica = cluster.replica(URL);
    let traffic = Traffic::to(replica.server.address());
    let proxy = &cluster.to_database;
    let is_over = AtomicBool::new(false);
    let trouble = || {
        for cut in 0..CUTS {
            let before = proxy.cuts();
            let moment = [Moment::Before, Moment::After][usize::from(cut % 2 == 1)];
            let pattern = b"COMMIT".to_vec();
            proxy.set_once(Mode::CutAt { pattern, moment }).unwrap();
            wait_for("a commit to cut", HEALTHY_WITHIN * LENIENCE, || {
                (proxy.cuts() > before).then_some(())
            });
            traffic.wait_for_more(1);
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let is_over = || is_over.load(Ordering::Relaxed);
    traffic.run(&replica.token(), CLIENTS, is_over, trouble);
    check_nothing_twice(&cluster);
    cluster.check_after_sweep(&replica);
}

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn a_database_that_is_killed_again_and_again_loses_nothing() {
    run_while_the_database_is_killed(5);
}

mod at_length {
    #[test]
    #[ignore = "takes minutes: `cargo xtask test --long`"]
    fn a_database_that_is_killed_again_and_again_loses_nothing() {
        super::run_while_the_database_is_killed(20);
    }
}

fn run_while_the_database_is_killed(kills: u32) {
    let mut cluster = Cluster::start();
    let replica = cluster.replica(URL);
    let token = replica.token();
    let traffic = Traffic::to(replica.server.address());
    let is_over = AtomicBool::new(false);
    let trouble = || {
        for kill in 0..kills {
            traffic.wait_for_more(20);
            cluster.postgres.kill().unwrap();
            cluster.postgres.restart().unwrap();
            let back = Instant::now();
            replica.server.client().wait_until_ready();
            println!("kill {kill}: ready {:?} after the database", back.elapsed());
            assert!(back.elapsed() < HEALTHY_WITHIN * LENIENCE);
        }
        traffic.wait_for_more(20);
        is_over.store(true, Ordering::Relaxed);
    };
    let is_over = || is_over.load(Ordering::Relaxed);
    traffic.run(&token, CLIENTS, is_over, trouble);
    check_nothing_twice(&cluster);
    cluster.check_after_sweep(&replica);
}

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn requests_are_refused_in_time_while_the_database_is_away_and_answered_when_it_is_back() {
    let cluster = Cluster::start();
    let replica = cluster.replica(URL);
    let client = replica.server.client();
    let token = replica.token();
    let job = client.announce(&token);
    client.put(&job, "before", b"before").unwrap().is(201);
    for away in [Mode::Refuse, Mode::HangUp, Mode::Stall] {
        println!("{away:?}");
        cluster.to_database.set(away.clone()).unwrap();
        if away != Mode::Stall {
            cluster.to_database.cut_all();
        }
        for (method, path, body) in [
            ("GET", job.artifact("before"), &b""[..]),
            ("PUT", job.artifact("during"), b"during"),
            ("GET", "/readyz".to_owned(), b""),
        ] {
            let asked = Instant::now();
            let retry = refusal(&client, method, &path, &token, body);
            println!("{method} {path}: 503 after {:?}", asked.elapsed());
            assert!(asked.elapsed() < REFUSED_WITHIN * LENIENCE);
            assert!(
                path == "/readyz" || retry.parse::<u64>().is_ok_and(|seconds| seconds > 0),
                "Retry-After: {retry:?}"
            );
        }
        // It is alive all the same: nobody is to restart it for this.
        client.get("/healthz", "").unwrap().is(200);
        let back = Instant::now();
        cluster.to_database.set(Mode::Pass).unwrap();
        client.wait_until_ready();
        println!("ready {:?} after the database", back.elapsed());
        assert!(back.elapsed() < HEALTHY_WITHIN * LENIENCE);
        let kept = client.get(&job.artifact("before"), &token).unwrap();
        assert_eq!(kept.is(200).body, b"before");
    }
}

/// Asks what cannot be answered; what the answer says of when to ask again.
fn refusal(client: &Client, method: &str, path: &str, token: &str, body: &[u8]) -> String {
    let upload = Upload {
        source: &mut &*body,
        declared: Some(body.len() as u64),
        sent: &mut |_| (),
    };
    let opened = client.open(method, path, token, upload).unwrap();
    let retry = opened.header("retry-after").to_owned();
    opened.answer().unwrap().is(503);
    retry
}
