//! A server's first start and its end, and a build in a shell.

use std::path::Path;
use std::process::Command;

use crate::support::{PATIENCE, Store, larder, output_within, run, wait_for};

/// What a CI system's script does, between two comparisons that end it when they fail.
const BUILD: &str = r#"
set -eu
owner=$LARDER_TOKEN
eval "$(larder build start --project github/acme/mine --branch main --job unit 2>/dev/null)"
test "$LARDER_TOKEN" != "$owner"
larder upload 'dist/**' report.txt
larder list | cut -f 3,4 | sort -k 2 > listed
printf '%s\t%s\n' 6 dist/a 8 'dist/sub/b c' 7 report.txt | cmp - listed
larder download 'dist/**' report.txt out
cmp dist/a out/dist/a
cmp 'dist/sub/b c' 'out/dist/sub/b c'
cmp report.txt out/report.txt
id=$(larder list | grep report.txt | cut -f 1)
if larder delete "$id" 2>/dev/null; then echo 'a job deleted an artifact' >&2; exit 9; fi
LARDER_TOKEN=$owner larder delete "$id"
larder list --json | grep -c '"path"' | grep -qx 2
larder build finish
if larder upload report.txt 2>refused; then echo 'a job that has ended took a file' >&2; exit 9; fi
grep -q ended refused
"#;

#[test]
fn a_build_goes_from_its_start_to_its_end_in_a_shell() {
    let store = Store::new();
    let server = store.serve().start();
    let token = server.token();
    let folder = store.beside("work");
    std::fs::create_dir_all(folder.join("dist/sub")).unwrap();
    for (name, bytes) in [
        ("dist/a", "alpha\n"),
        ("dist/sub/b c", "beta\0\r\n\n"),
        ("report.txt", "report\n"),
    ] {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let program = Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", BUILD]).current_dir(&folder);
    shell
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()));
    shell
        .env("LARDER_URL", &server.url)
        .env("LARDER_TOKEN", &token);
    output_within(PATIENCE, &mut shell).is(0);

    let builds = server
        .client()
        .get("/larder/v1/projects/github/acme/mine/builds", &token);
    let build = &builds.unwrap().is(200).json()["builds"][0];
    assert_eq!(
        (&build["state"], &build["branch"]),
        (&"passed".into(), &"main".into()),
        "{build}"
    );
}

#[test]
fn the_first_start_says_one_line_and_gives_a_link_that_is_answered() {
    let store = Store::new();
    let mut server = store.serve().start();
    let (client, url) = (server.client(), server.url.clone());
    let link = wait_for("the link", PATIENCE, || {
        let said = server.stderr();
        let line = said.lines().find(|line| line.contains("/sign-in/"))?;
        Some(line.trim().to_owned())
    });
    let path = link.strip_prefix(&url).unwrap().to_owned();
    let first = client.get(&path, "").unwrap();
    assert!(
        matches!(first.status, 200 | 302 | 303),
        "{}: {}",
        first.status,
        first.text()
    );
    server.terminate();
    assert!(server.wait(PATIENCE).success());
    assert_eq!(server.more_lines(), Vec::<String>::new());

    let server = store.serve().start();
    server.client().get("/readyz", "").unwrap().is(200);
    assert!(
        !server.stderr().contains("/sign-in/"),
        "a store that has users gives no link"
    );
}

#[test]
fn sigterm_ends_an_idle_server_with_0_and_the_lock_is_free() {
    let store = Store::new();
    let mut server = store.serve().start();
    // Connections that wait for nothing do not hold it up.
    let (_silent, client) = (server.client().connect(), server.client());
    client.get("/healthz", "").unwrap().is(200);
    server.terminate();
    assert_eq!(server.wait(PATIENCE).code(), Some(0));
    assert!(!store.data().join("admin.sock").exists());
    store.admin(&["check"]).is(0);
    let mut second = larder(&[
        "admin",
        "--data",
        store.data().to_str().unwrap(),
        "user",
        "list",
    ]);
    assert!(
        output_within(PATIENCE, &mut second)
            .is(0)
            .stdout
            .starts_with("admin\tadmin\t")
    );
}

#[test]
fn ready_tells_a_server_that_takes_work_from_one_that_cannot_and_from_none() {
    let store = Store::new();
    let mut server = store.serve().start();
    let url = server.url.clone();
    assert_eq!(run(&["ready", &url]).is(0).stdout, "ready\n");
    let blobs = store.data().join("blobs");
    std::fs::rename(&blobs, store.beside("aside")).unwrap();
    run(&["ready", &url]).is(1).says(&["503", "\"blobs\""]);
    std::fs::rename(store.beside("aside"), &blobs).unwrap();
    run(&["ready", &format!("{url}/")]).is(0);
    server.terminate();
    assert!(server.wait(PATIENCE).success());
    run(&["ready", &url]).is(3).says(&["readyz"]);
    run(&["ready", "nonsense"]).is(2).says(&["nonsense"]);
}
