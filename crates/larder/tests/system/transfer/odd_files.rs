//! Files that are none, that change, that cannot be read: each is named, nothing waits, and nothing comes from outside.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Job, PATIENCE, ServeProcess, Store, larder, output_within};

fn upload(server: &ServeProcess, job: &Job, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = larder(&[&["upload"], arguments].concat());
    command
        .current_dir(folder)
        .env("LARDER_URL", &server.url)
        .env("LARDER_JOB", &job.id)
        .env("LARDER_TOKEN", &job.token);
    command
}

fn paths(server: &ServeProcess, job: &Job) -> Vec<String> {
    let path = format!("/larder/v1/jobs/{}/artifacts?limit=1000", job.id);
    let listed = server
        .client()
        .get(&path, &job.token)
        .unwrap()
        .is(200)
        .json();
    let artifacts = listed["artifacts"].as_array().unwrap();
    let mut paths: Vec<String> = artifacts
        .iter()
        .map(|artifact| artifact["path"].as_str().unwrap().to_owned())
        .collect();
    paths.sort();
    paths
}

#[test]
fn what_is_no_file_or_leads_outside_is_named_and_the_rest_is_kept() {
    let store = Store::new();
    let server = store.serve().start();
    let job = server.client().announce(&server.token());
    let folder = store.beside("work");
    fs::create_dir_all(folder.join("in/deep/.larder")).unwrap();
    fs::write(folder.join("secret"), "outside").unwrap();
    for name in ["in/a", "in/deep/.hidden", "in/deep/.larder/x", "in/.netrc"] {
        fs::write(folder.join(name), name).unwrap();
    }
    symlink("../secret", folder.join("in/outer")).unwrap();
    symlink("/etc", folder.join("in/etc")).unwrap();
    symlink("nowhere", folder.join("in/dangling")).unwrap();
    symlink("..", folder.join("in/deep/up")).unwrap();
    fs::write(folder.join("in").join(OsStr::from_bytes(b"\xff")), "x").unwrap();
    let made = Command::new("mkfifo").arg(folder.join("in/fifo")).status();
    assert!(made.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("in/socket")).unwrap();

    // In the folder `in`, so that what lies beside it is outside of the working directory too.
    let mut command = upload(&server, &job, &folder.join("in"), &["."]);
    output_within(PATIENCE, &mut command).is(0).says(&[
        ".netrc: holds credentials",
        "outer: the link leads outside",
        "etc: the link leads outside",
        "dangling: the link leads nowhere",
        "deep/up: a loop",
        ".larder: a folder of Larder itself",
        "not UTF-8",
        "fifo: neither a file nor a folder",
        "socket: neither a file nor a folder",
    ]);
    assert_eq!(paths(&server, &job), ["a", "deep/.hidden"]);
    // Named outright, they fail.
    for name in ["fifo", "socket"] {
        let mut command = upload(&server, &job, &folder.join("in"), &[name]);
        output_within(PATIENCE, &mut command)
            .is(1)
            .says(&["problem: ", name]);
    }
    let mut command = upload(&server, &job, &folder, &["/proc/kallsyms", "/proc/version"]);
    output_within(PATIENCE, &mut command)
        .is(1)
        .says(&["/proc/kallsyms: it says that it is empty"]);
    assert_eq!(paths(&server, &job), ["a", "deep/.hidden", "proc/version"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_fails_the_upload() {
    let store = Store::new();
    let server = store.serve().start();
    let job = server.client().announce(&server.token());
    let folder = store.beside("work");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("open"), "x").unwrap();
    fs::write(folder.join("shut"), "x").unwrap();
    fs::set_permissions(folder.join("shut"), fs::Permissions::from_mode(0o0)).unwrap();
    if File::open(folder.join("shut")).is_ok() {
        eprintln!("root reads everything: nothing to see here");
        return;
    }
    let mut command = upload(&server, &job, &folder, &["*"]);
    output_within(PATIENCE, &mut command)
        .is(1)
        .says(&["shut: Permission denied"]);
    assert_eq!(paths(&server, &job), ["open"]);
}

#[test]
fn a_log_that_grows_is_kept_as_far_as_it_was() {
    let store = Store::new();
    let server = store.serve().start();
    let job = server.client().announce(&server.token());
    let folder = store.beside("work");
    fs::create_dir(&folder).unwrap();
    let log = folder.join("log");
    fs::write(&log, vec![b'x'; 40 << 20]).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = File::options().append(true).open(&log).unwrap();
            while !is_done.load(Ordering::Relaxed) {
                std::io::Write::write_all(&mut file, b"more\n").unwrap();
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let mut command = upload(&server, &job, &folder, &["log"]);
        let ended = output_within(PATIENCE, &mut command);
        is_done.store(true, Ordering::Relaxed);
        ended.is(0).says(&["log: it grew while it was read"]);
    });
    assert_eq!(paths(&server, &job), ["log"]);
}

#[test]
fn a_folder_that_becomes_a_link_in_the_middle_of_a_walk_leads_nowhere() {
    let store = Store::new();
    let server = store.serve().start();
    let folder = store.beside("work");
    fs::create_dir_all(folder.join("in/swapped")).unwrap();
    fs::create_dir_all(store.beside("outside")).unwrap();
    fs::write(folder.join("in/swapped/file"), "inside").unwrap();
    fs::write(store.beside("outside/file"), "outside").unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (here, there) = (folder.join("in/swapped"), folder.join("aside"));
            while !is_done.load(Ordering::Relaxed) {
                fs::rename(&here, &there).unwrap();
                symlink(store.beside("outside"), &here).unwrap();
                fs::remove_file(&here).unwrap();
                fs::rename(&there, &here).unwrap();
            }
        });
        for _ in 0..10 {
            let job = server.client().announce(&server.token());
            let mut command = upload(&server, &job, &folder, &["in", "--if-no-files", "ignore"]);
            let ended = output_within(PATIENCE, &mut command);
            assert!(matches!(ended.status.code(), Some(0 | 1)), "{ended:?}");
            for path in paths(&server, &job) {
                let answer = server
                    .client()
                    .get(&job.artifact(&path), &job.token)
                    .unwrap();
                assert_eq!(answer.text(), "inside", "{path}");
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
}
