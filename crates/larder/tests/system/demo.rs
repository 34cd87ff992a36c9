//! `larder demo`, and that the samples' own bytes are what comes back.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{Client, PROJECT, Serve, Store, larder, output_within};

const SAMPLE: &str = include_str!("../../../../samples/artifacts.yml");
const MAIN_C: &str = include_str!("../../../../samples/core-dump/main.c");
/// Two compilations and a dozen uploads on a busy machine.
const DEMO_WITHIN: Duration = Duration::from_secs(100);

#[test]
fn the_demo_works_in_an_empty_folder_and_again_over_what_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let once = demo(folder.path(), &[]);
    assert!(
        once.starts_with("larder demo: listening on http://127.0.0.1:"),
        "{once}"
    );
    for kept in ["artifact-file  http", "tmp/artifacts/artifact-2  http"] {
        assert!(once.contains(kept), "no {kept:?} in: {once}");
    }
    check_all_equal(&once);
    check_all_equal(&demo(folder.path(), &[]));
    let store: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(store, ["larder-demo"], "the demo keeps to its own folder");
}

#[test]
fn the_demo_works_with_two_nodes() {
    let folder = tempfile::tempdir().unwrap();
    check_all_equal(&demo(folder.path(), &["--parallelism", "2"]));
    let data = folder.path().join("larder-demo");
    let server = Serve::over(&data).start();
    let mut nodes: Vec<_> = artifacts_of(&server.client(), 1, &server.token())
        .into_iter()
        .map(|(path, node, _)| (path, node))
        .collect();
    nodes.sort();
    let of = |path: &str, node| (path.to_owned(), node);
    let (file, nested) = ("artifact-file", "tmp/artifacts/artifact-2");
    assert_eq!(
        nodes,
        [of(file, 0), of(file, 1), of(nested, 0), of(nested, 1)]
    );
}

#[test]
#[ignore = "needs gdb, make, gcc"]
fn the_core_of_the_sample_that_crashes_opens_at_abort() {
    let folder = tempfile::tempdir().unwrap();
    let printed = demo(folder.path(), &[]);
    assert!(printed.contains("Aborted (core dumped)"), "{printed}");
    let data = folder.path().join("larder-demo");
    let server = Serve::over(&data).start();
    let (client, token) = (server.client(), server.token());
    check_failed_with_134(&client, &token);

    let kept = artifacts_of(&client, 2, &token);
    let [(path, 0, url)] = kept.as_slice() else {
        panic!("{kept:?}")
    };
    assert!(path.starts_with("tmp/core_dumps/core."), "{path}");
    assert!(path.ends_with("!dump"), "{path}");
    let (_, target) = url.split_once(&server.url).unwrap();
    let core = folder.path().join("core");
    std::fs::write(&core, client.get(target, &token).unwrap().is(200).body).unwrap();
    let mut gdb = Command::new("gdb");
    gdb.args([
        "-nx",
        "-batch",
        "-iex",
        "set debuginfod enabled off",
        "-ex",
        "bt",
    ]);
    let stack = output_within(DEMO_WITHIN, gdb.arg(compile(folder.path())).arg(&core)).is(0);
    let stack = stack.stdout;
    assert!(stack.contains("terminated with signal SIGABRT"), "{stack}");
    // With glibc's debug symbols at hand it is called `__GI_abort`.
    for name in ["abort ()", " main ()"] {
        let is_there = stack
            .lines()
            .any(|line| line.starts_with('#') && line.contains(name));
        assert!(is_there, "no {name} in: {stack}");
    }
}

#[test]
fn a_changed_byte_in_a_sample_comes_back_changed() {
    let changed = SAMPLE.replace("\"my artifact file\"", "\"my artifact fila\"");
    assert_eq!(changed.len(), SAMPLE.len());
    let store = Store::new();
    let server = store.serve().start();
    let token = server.token();
    for (number, config, bytes) in [
        (1, SAMPLE, "my artifact file\n"),
        (2, &changed, "my artifact fila\n"),
    ] {
        let file = store.beside("config.yml");
        std::fs::write(&file, config).unwrap();
        let mut run = larder(&["run", file.to_str().unwrap(), "--project", PROJECT]);
        run.current_dir(file.parent().unwrap())
            .env("LARDER_URL", &server.url)
            .env("LARDER_TOKEN", &token);
        output_within(DEMO_WITHIN, &mut run).is(0);
        let kept = artifacts_of(&server.client(), number, &token);
        let (_, _, url) = kept
            .iter()
            .find(|(path, _, _)| path == "artifact-file")
            .unwrap();
        let (_, target) = url.split_once(&server.url).unwrap();
        assert_eq!(
            server.client().get(target, &token).unwrap().is(200).text(),
            bytes
        );
    }
}

/// Runs `larder demo --once` in a folder; gives what it printed.
#[track_caller]
fn demo(folder: &Path, arguments: &[&str]) -> String {
    let mut demo = larder(&["demo", "--once"]);
    output_within(DEMO_WITHIN, demo.args(arguments).current_dir(folder))
        .is(0)
        .stdout
}

/// The last line counts the files that were read back, and all were as they were written.
#[track_caller]
fn check_all_equal(printed: &str) {
    let line = printed.lines().last().unwrap();
    let numbers: Vec<u32> = line
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let [files, equal] = numbers[..] else {
        panic!("{line}")
    };
    assert!(files >= 4 && files == equal, "{line}");
}

/// Path, node and address of each artifact in CircleCI's list.
fn artifacts_of(client: &Client, job: u64, token: &str) -> Vec<(String, u64, String)> {
    let path = format!("/api/v1.1/project/{PROJECT}/{job}/artifacts");
    let list = client.get(&path, token).unwrap().is(200).json();
    let artifacts = list.as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    artifacts
        .map(|it| {
            (
                text(&it["path"]),
                it["node_index"].as_u64().unwrap(),
                text(&it["url"]),
            )
        })
        .collect()
}

/// The second job is the one that crashes.
fn check_failed_with_134(client: &Client, token: &str) {
    let build = client
        .get(&format!("/api/v1.1/project/{PROJECT}/2"), token)
        .unwrap()
        .is(200)
        .json();
    assert_eq!(
        (&build["status"], &build["outcome"]),
        (&"failed".into(), &"failed".into()),
        "{build}"
    );
    let steps = build["steps"].as_array().unwrap().iter();
    let codes: Vec<_> = steps
        .flat_map(|step| step["actions"].as_array().unwrap())
        .filter_map(|action| action["exit_code"].as_i64())
        .filter(|code| *code != 0)
        .collect();
    assert_eq!(codes, [134], "{build}");
}

/// The sample's program, as its Makefile makes it.
fn compile(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("main.c"), folder.join("dump"));
    std::fs::write(&source, MAIN_C).unwrap();
    let mut gcc = Command::new("gcc");
    output_within(DEMO_WITHIN, gcc.arg("-o").arg(&program).arg(&source)).is(0);
    program
}
