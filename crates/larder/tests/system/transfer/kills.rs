//! An upload that is killed anywhere, on either side, goes on where it was.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::counting::Counting;
use crate::support::{Finished, Job, Made, ServeProcess, Store, larder, wait_for};

const MIB: u64 = 1024 * 1024;
/// What a kill may cost: of the file, the four parts that were on their way, each a 128th of it.
const PERCENT_PER_KILL: u64 = 5;
/// On a machine that others use too.
const UPLOAD_PATIENCE: Duration = Duration::from_mins(3);

#[test]
fn an_upload_that_is_killed_six_times_sends_little_twice() {
    kill_again_and_again(6, 256 * MIB);
}

mod at_length {
    #[test]
    #[ignore = "takes minutes: `cargo xtask test --long`"]
    fn an_upload_of_1_gib_that_is_killed_twenty_times_sends_little_twice() {
        super::kill_again_and_again(20, 1024 * super::MIB);
    }
}

fn kill_again_and_again(kills: u64, size: u64) {
    let seed = Made::seed();
    println!("LARDER_TEST_SEED={seed}");
    let mut made = Made::new(seed);
    let store = Store::new();
    let counting = Counting::new();
    let start = || {
        let serve = store.serve().argument("--public-url");
        let server = serve.argument(&counting.url).start();
        counting.lead_to(server.address());
        server
    };
    let mut server = start();
    let token = server.token();
    let job = server.client().announce(&token);
    let path = store.beside("large");
    write_large(&path, &mut made, size);
    let mut digests = Vec::new();
    for kill in 0..kills {
        // Other content each time: what the project holds already would not be sent at all.
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(&made.bytes(64), made.below(size - 64))
            .unwrap();
        digests.push((format!("large-{kill}"), digest_of(&path)));
        let before = counting.sent();
        let at = before + made.below(size);
        let mut agent = upload(&path, &job, &counting, kill);
        wait_until(&counting, at, &mut agent);
        let ended = if kill % 2 == 0 {
            agent.kill().unwrap();
            agent.wait().unwrap();
            wait_for_end(upload(&path, &job, &counting, kill))
        } else {
            server.kill();
            server = start();
            wait_for_end(agent)
        };
        ended.is(0);
        let again = (counting.sent() - before).saturating_sub(size);
        println!(
            "kill {kill} after {} MiB: {} MiB again",
            (at - before) / MIB,
            again / MIB
        );
        assert!(
            again <= size * PERCENT_PER_KILL / 100,
            "{again} bytes were sent twice"
        );
    }
    check(&store, &server, &job, &digests);
}

/// The agent's own end is early only if it failed or there was nothing left to do.
fn wait_until(counting: &Counting, sent: u64, agent: &mut Child) {
    wait_for("bytes on their way", UPLOAD_PATIENCE, || {
        (counting.sent() >= sent || agent.try_wait().unwrap().is_some()).then_some(())
    });
}

fn upload(path: &Path, job: &Job, counting: &Counting, kill: u64) -> Child {
    let name = format!("large-{kill}");
    let mut command: Command =
        larder(&["upload", "large", "--destination", &name, "--job", &job.id]);
    command
        .current_dir(path.parent().unwrap())
        .env("LARDER_URL", &counting.url)
        .env("LARDER_TOKEN", &job.token)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn wait_for_end(mut agent: Child) -> Finished {
    wait_for("the end of the upload", UPLOAD_PATIENCE, || {
        agent.try_wait().unwrap()
    });
    agent.wait_with_output().unwrap().into()
}

fn check(store: &Store, server: &ServeProcess, job: &Job, digests: &[(String, String)]) {
    let answer = server.client().get(
        &format!("/larder/v1/jobs/{}/artifacts?state=finished", job.id),
        &job.token,
    );
    let listed = answer.unwrap().is(200).json();
    for (name, digest) in digests {
        let artifacts = listed["artifacts"].as_array().unwrap();
        let found = artifacts
            .iter()
            .find(|artifact| artifact["path"] == name.as_str());
        let found = found.unwrap_or_else(|| panic!("no {name} in {listed}"));
        assert_eq!(found["sha256"], digest.as_str(), "{name}");
    }
    store.admin(&["check"]).is(0);
}

fn write_large(path: &Path, made: &mut Made, size: u64) {
    let mut file = File::create(path).unwrap();
    // One random MiB, changed a little from one to the next: no two parts are equal.
    let mut piece = made.bytes(usize::try_from(MIB).unwrap());
    for number in 0..size / MIB {
        piece[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&piece).unwrap();
    }
}

fn digest_of(path: &Path) -> String {
    let mut digest = Sha256::new();
    let mut file = File::open(path).unwrap();
    let mut piece = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut piece).unwrap() {
            0 => break,
            size => digest.update(&piece[..size]),
        }
    }
    digest
        .finalize()
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
