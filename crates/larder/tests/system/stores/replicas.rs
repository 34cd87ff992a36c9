//! Three equal servers behind a proxy that sends each connection to the next one.

use std::sync::Mutex;

use larder_harness::RoundRobin;
use serde_json::json;

use super::{Cluster, Replica, Traffic};
use crate::support::{Client, Made, PATIENCE, PROJECT, sha256_of, wait_for};

const REPLICAS: usize = 3;
const CLIENTS: usize = 16;

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn nothing_is_lost_or_done_twice_while_servers_are_killed() {
    run_while_servers_are_killed(2_000, 6);
}

mod at_length {
    #[test]
    #[ignore = "takes minutes: `cargo xtask test --long`"]
    fn nothing_is_lost_or_done_twice_while_servers_are_killed() {
        super::run_while_servers_are_killed(10_000, 30);
    }
}

/// Several servers, and the proxy before them.
struct Behind {
    cluster: Cluster,
    proxy: RoundRobin,
    replicas: Vec<Replica>,
}

impl Behind {
    fn start() -> Self {
        let (cluster, proxy) = (Cluster::start(), RoundRobin::start(Vec::new()).unwrap());
        let public_url = format!("http://{}", proxy.address());
        let replicas = (0..REPLICAS)
            .map(|_| cluster.replica(&public_url))
            .collect();
        let behind = Self {
            cluster,
            proxy,
            replicas,
        };
        behind.tell_proxy();
        behind
    }

    fn tell_proxy(&self) {
        let servers = self.replicas.iter();
        self.proxy
            .replace(servers.map(|replica| replica.server.address()).collect());
    }

    fn client(&self, replica: usize) -> Client {
        self.replicas[replica].server.client()
    }
}

fn run_while_servers_are_killed(operations: u64, kills: u64) {
    let behind = Behind::start();
    let (token, traffic) = (
        behind.replicas[0].token(),
        Traffic::to(behind.proxy.address()),
    );
    let behind = Mutex::new(behind);
    let trouble = || {
        for kill in 0..kills {
            wait_for("the next kill", PATIENCE * 5, || {
                (traffic.done() > operations * kill / kills).then_some(())
            });
            let mut behind = behind.lock().unwrap();
            let victim = usize::try_from(kill).unwrap() % REPLICAS;
            behind.replicas[victim].kill_and_restart();
            behind.tell_proxy();
        }
    };
    traffic.run(&token, CLIENTS, || traffic.done() >= operations, trouble);
    let behind = behind.into_inner().unwrap();
    check_nothing_twice(&behind.cluster);
    behind.cluster.check_after_sweep(&behind.replicas[0]);
}

/// Each name was sent once, however often the request was repeated.
#[track_caller]
pub(super) fn check_nothing_twice(cluster: &Cluster) {
    let twice =
        "SELECT COUNT(*) FROM (SELECT 1 FROM artifact WHERE state IN ('finished', 'deleted')
        GROUP BY job_pk, path HAVING COUNT(*) > 1) AS twice";
    assert_eq!(cluster.ask(twice), "0", "a repeated request made two rows");
}

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn an_upload_that_began_at_one_server_is_finished_at_another() {
    let behind = Behind::start();
    let job = behind.client(0).announce(&behind.replicas[0].token());
    let bytes = Made::new(7).bytes(3 * 1024 * 1024);
    let body = json!({ "path": "file", "size": bytes.len(), "sha256": sha256_of(&bytes) });
    let uploads = format!("/larder/v1/jobs/{}/uploads", job.id);
    let begun = behind
        .client(0)
        .send("POST", &uploads, &job.token, body.to_string().as_bytes());
    let begun = begun.unwrap().is(201).json();
    let place = format!("{uploads}/{}", begun["id"].as_str().unwrap());
    let size = usize::try_from(begun["part_bytes"].as_u64().unwrap()).unwrap();
    let parts: Vec<_> = bytes.chunks(size).collect();
    assert!(parts.len() > 2, "one part for each server at least");
    // The last one first, so that no server has read all parts in order.
    for (number, part) in parts.iter().enumerate().rev() {
        let path = format!("{place}/parts/{number}");
        let client = behind.client(number % REPLICAS);
        client.send("PUT", &path, &job.token, part).unwrap().is(204);
    }
    let finish = format!("{place}/finish");
    let finished = behind.client(2).send("POST", &finish, &job.token, b"");
    finished.unwrap().is(201);
    let again = behind.client(1).send("POST", &finish, &job.token, b"");
    again.unwrap().is(200);
    for replica in 0..REPLICAS {
        let kept = behind
            .client(replica)
            .get(&job.artifact("file"), &job.token);
        assert!(kept.unwrap().is(200).body == bytes, "at server {replica}");
    }
}

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn what_is_revoked_at_one_server_is_dead_at_all() {
    let behind = Behind::start();
    let admin = behind.replicas[0].token();
    behind.client(0).announce(&admin);
    let operator = |arguments: &[&str]| behind.replicas[1].admin(arguments).is(0).stdout;
    operator(&["user", "create", "eve", "--admin"]);
    let tokens = [(); 2].map(|()| {
        let create = [
            "token",
            "create",
            "--user",
            "eve",
            "--scopes",
            "read_builds",
        ];
        operator(&create).trim().to_owned()
    });
    let statuses = |token: &str| -> Vec<u16> {
        let builds = format!("/larder/v1/projects/{PROJECT}/builds");
        let ask = |replica| behind.client(replica).get(&builds, token).unwrap().status;
        (0..REPLICAS).map(ask).collect()
    };
    assert_eq!(statuses(&tokens[0]), [200; REPLICAS]);
    assert_eq!(statuses(&tokens[1]), [200; REPLICAS]);
    let first = "SELECT token.id FROM token JOIN account ON account.pk = token.account_pk
        WHERE account.name = 'eve' ORDER BY token.pk LIMIT 1";
    operator(&["token", "revoke", &behind.cluster.ask(first)]);
    // At once, not only within the second that is promised.
    assert_eq!(statuses(&tokens[0]), [401; REPLICAS]);
    assert_eq!(statuses(&tokens[1]), [200; REPLICAS]);
    operator(&["user", "disable", "eve"]);
    assert_eq!(statuses(&tokens[1]), [401; REPLICAS]);
    assert_eq!(statuses(&admin), [200; REPLICAS]);
}
