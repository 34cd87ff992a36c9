//! A full disk is answered with 507, costs nothing that was acknowledged, and is over when there is space again.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{
    Client, Job, Made, Opened, Serve, ServeProcess, Store, Upload, wait_for, wait_until_empty,
};

const MEBIBYTE: usize = 1024 * 1024;
/// Within this time after there is space again, uploads work.
const RECOVERY: Duration = Duration::from_secs(5);

/// A small file system in memory; gone at the end.
struct SmallDisk {
    folder: tempfile::TempDir,
}

#[test]
#[ignore = "needs root"]
fn bytes_have_no_space_and_deleting_makes_some() {
    let disk = SmallDisk::mount("16m");
    let store = Store::new();
    let url = format!("file:{}", disk.path().join("blobs").display());
    let server = store.serve().variable("LARDER__BLOBS__URL", &url).start();
    let (client, token) = (server.client(), server.token());
    let job = client.announce(&token);
    let kept = fill(&client, &job);
    check_refusals(&server, &job, &kept, &disk.path().join("blobs/tmp"));

    for (name, _) in &kept[..2] {
        client
            .send("DELETE", &job.artifact(name), &token, b"")
            .unwrap()
            .is(204);
    }
    server.admin(&["gc"]).is(0);
    check_recovery(&server, &job, &kept[2..]);
}

#[test]
#[ignore = "needs root"]
fn rows_and_bytes_have_no_space_and_somebody_makes_some() {
    let disk = SmallDisk::mount("24m");
    let data = disk.path().join("data");
    let ballast = disk.path().join("ballast");
    let server = Serve::over(&data).start();
    let (client, token) = (server.client(), server.token());
    let job = client.announce(&token);
    std::fs::write(&ballast, vec![1; 4 * MEBIBYTE]).unwrap();
    let mut kept = fill(&client, &job);
    fill_with_rows(&client, &job, &mut kept);
    check_refusals(&server, &job, &kept, &data.join("blobs/tmp"));

    std::fs::remove_file(&ballast).unwrap();
    check_recovery(&server, &job, &kept);
}

/// Keeps files until no more fit; gives what was acknowledged.
fn fill(client: &Client, job: &Job) -> Vec<(String, Vec<u8>)> {
    let mut kept = Vec::new();
    for number in 0..64 {
        let (name, bytes) = (format!("file-{number}"), Made::new(number).bytes(MEBIBYTE));
        let answer = client.put(job, &name, &bytes).unwrap();
        if answer.status != 201 {
            check_refusal(&answer);
            assert!(kept.len() > 4, "full after {} files", kept.len());
            return kept;
        }
        kept.push((name, bytes));
    }
    panic!("64 MiB fit on a smaller disk");
}

/// Small files take what is left until the rows have no space either.
fn fill_with_rows(client: &Client, job: &Job, kept: &mut Vec<(String, Vec<u8>)>) {
    for number in 0..4_000 {
        let name = format!("small-{number}");
        let answer = client.put(job, &name, name.as_bytes()).unwrap();
        if answer.status != 201 {
            return check_refusal(&answer);
        }
        kept.push((name.clone(), name.into_bytes()));
    }
    panic!("4000 files fit on what was left");
}

fn check_refusals(
    server: &ServeProcess,
    job: &Job,
    kept: &[(String, Vec<u8>)],
    half_written: &Path,
) {
    let client = server.client();
    for (size, declared) in [(2 * MEBIBYTE, true), (2 * MEBIBYTE, false), (5_000, true)] {
        let bytes = Made::new(99).bytes(size);
        let declared = declared.then_some(size as u64);
        let upload = Upload {
            source: &mut &*bytes,
            declared,
            sent: &mut |_| (),
        };
        let opened = client.open("PUT", &job.artifact("more"), &job.token, upload);
        check_refusal(&opened.and_then(Opened::answer).unwrap());
    }
    check_kept(&client, job, kept);
    client
        .get(&job.artifact("more"), &job.token)
        .unwrap()
        .is(404);
    wait_until_empty(half_written);
    client.get("/healthz", "").unwrap().is(200);
}

fn check_refusal(answer: &crate::support::Answer) {
    assert_eq!(answer.status, 507, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["code"], "storage_full", "{body}");
    assert!(
        body["message"].as_str().unwrap().contains("space"),
        "{body}"
    );
}

fn check_kept(client: &Client, job: &Job, kept: &[(String, Vec<u8>)]) {
    for (name, bytes) in kept {
        let answer = client.get(&job.artifact(name), &job.token).unwrap().is(200);
        assert!(answer.body == *bytes, "{name} has other bytes");
    }
}

/// Without a restart.
fn check_recovery(server: &ServeProcess, job: &Job, kept: &[(String, Vec<u8>)]) {
    let (client, bytes) = (server.client(), Made::new(7).bytes(MEBIBYTE));
    wait_for("an upload after there is space", RECOVERY, || {
        let answer = client.put(job, "again", &bytes).unwrap();
        (answer.status == 201).then_some(())
    });
    check_kept(&client, job, kept);
    check_kept(&client, job, &[("again".to_owned(), bytes)]);
    client.get("/readyz", "").unwrap().is(200);
    server.admin(&["check", "--strict"]).is(0);
}

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "larder-test"])
            .arg(folder.path());
        assert!(mount.status().unwrap().success(), "{mount:?}");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            let _ = Command::new("umount")
                .arg("-l")
                .arg(self.folder.path())
                .status();
        }
    }
}
