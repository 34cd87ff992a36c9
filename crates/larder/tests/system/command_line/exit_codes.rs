//! 0 it worked, 1 the job or the request failed, 2 wrong usage or configuration, 3 the server cannot be reached.

use std::net::TcpListener;
use std::process::Command;

use crate::support::{PATIENCE, PROJECT, Store, larder, output_within};

/// A well-formed id that nothing has.
const NOBODY: &str = "01990c6e-7b1c-7000-8000-000000000001";

#[test]
fn every_end_has_its_exit_code() {
    let store = Store::new();
    let server = store.serve().start();
    let token = server.token();
    let at = |arguments: &[&str]| {
        let mut command = larder(arguments);
        command
            .env("LARDER_URL", &server.url)
            .env("LARDER_TOKEN", &token);
        command
    };
    let job = server.client().announce(&token);
    check(0, &mut at(&["list", "--job", &job.id]), &[]);

    check(1, &mut at(&["list", "--job", NOBODY]), &["404"]);
    check(1, &mut at(&["delete", NOBODY]), &["404"]);
    check(
        1,
        at(&["list", "--job", &job.id]).env("LARDER_TOKEN", "nonsense"),
        &["401"],
    );
    check(1, &mut failing_run(&store, &server.url, &token), &[]);

    check(2, &mut at(&["list"]), &["--job", "--build"]);
    check(2, &mut at(&["frobnicate"]), &["frobnicate"]);
    check(2, &mut at(&["upload"]), &["PATTERN"]);
    check(
        2,
        at(&["list", "--job", &job.id]).env_remove("LARDER_TOKEN"),
        &["LARDER_TOKEN"],
    );
    check(
        2,
        &mut at(&["list", "--job", &job.id, "--ca", "/nowhere.pem"]),
        &["/nowhere.pem"],
    );
    check(2, &mut at(&["run", "/nowhere.yml"]), &["/nowhere.yml"]);
    check(
        2,
        &mut at(&["build", "start", "--project", PROJECT, "--node", "3"]),
        &["--node", "--parallelism"],
    );
}

#[test]
fn a_server_that_cannot_be_reached_is_3() {
    // A port that was free a moment ago and that nobody listens on now.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (url, folder) = (format!("http://{address}"), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("file"), "bytes").unwrap();
    let commands = [
        &["list", "--job", NOBODY] as &[_],
        &["delete", NOBODY],
        &["download", "--job", NOBODY, "*", "out"],
        &["upload", "--job", NOBODY, "file"],
        &["build", "start", "--project", PROJECT],
        &["build", "finish", "--job", NOBODY],
    ];
    // Side by side: each waits for a server that may only be starting again.
    std::thread::scope(|scope| {
        for arguments in commands {
            let (url, folder) = (&url, folder.path());
            scope.spawn(move || {
                let mut command = larder(arguments);
                command
                    .env("LARDER_URL", url)
                    .env("LARDER_TOKEN", "lrd_personal_x");
                check(3, command.current_dir(folder), &[url, "LARDER_URL"]);
            });
        }
    });
}

#[track_caller]
fn check(code: i32, command: &mut Command, says: &[&str]) {
    let ended = output_within(PATIENCE, command);
    assert_eq!(
        ended.status.code(),
        Some(code),
        "{command:?}\n{}\n{}",
        ended.stdout,
        ended.stderr
    );
    ended.says(says);
}

/// A job whose only step fails.
fn failing_run(store: &Store, url: &str, token: &str) -> Command {
    let config = store.beside("failing.yml");
    std::fs::write(
        &config,
        "version: 2\njobs:\n  build:\n    machine: true\n    steps:\n      - run: exit 7\n",
    )
    .unwrap();
    let mut command = larder(&["run", config.to_str().unwrap(), "--project", PROJECT]);
    command
        .current_dir(config.parent().unwrap())
        .env("LARDER_URL", url)
        .env("LARDER_TOKEN", token);
    command
}
