//! What operators control: who may come in, what was done, what goes and how much may stay.

use crate::support::{Finished, Made, PATIENCE, PROJECT, Store, larder, output_within};
use std::io::Write as _;
use std::process::Stdio;

/// The columns of each line.
fn table(finished: &Finished) -> Vec<Vec<&str>> {
    let lines = finished.stdout.lines();
    lines.map(|line| line.split('\t').collect()).collect()
}

/// Runs `larder admin` on a store with something on its standard input.
#[track_caller]
fn admin_with_input(store: &Store, arguments: &[&str], input: &str) -> Finished {
    let path = store.beside("input");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(input.as_bytes()).unwrap();
    let data = store.data();
    let all = [&["admin", "--data", data.to_str().unwrap()], arguments].concat();
    let mut command = larder(&all);
    command.stdin(Stdio::from(std::fs::File::open(&path).unwrap()));
    output_within(PATIENCE, &mut command)
}

#[test]
fn the_operator_reads_who_did_what() {
    let store = Store::new();
    let mut server = store.serve().start();
    let token = server.token();
    let job = server.client().announce(&token);
    let kept = server.client().put(&job, "kept", &Made::new(3).bytes(10));
    let id = kept.unwrap().is(201).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let content = format!("/larder/v1/artifacts/{id}/content");
    server.client().get(&content, &token).unwrap().is(200);

    let log = server.admin(&["audit", "--limit", "1000"]).is(0);
    let rows = table(&log);
    assert!(rows.iter().all(|row| row.len() == 5), "{rows:?}");
    assert!(rows.is_sorted_by(|newer, older| newer[0] >= older[0]));
    let of_admin = server
        .admin(&["audit", "--user", "admin", "--days", "1"])
        .is(0);
    let acts: Vec<_> = table(&of_admin).into_iter().map(|row| row[3]).collect();
    assert!(acts.contains(&"create user"), "{acts:?}");
    let kept = [
        "audit",
        "--act",
        "create artifact",
        "--limit",
        "1",
        "--json",
    ];
    let kept = server.admin(&kept).is(0).stdout;
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let act = &kept["audit"]["acts"][0];
    assert_eq!(act["what"], format!("artifact {id}"));
    assert_eq!(act["project"], "github/acme/demo");
    let none = server.admin(&["audit", "--since", "2999-01-01"]).is(0);
    assert_eq!(none.stdout, "");
    server
        .admin(&["audit", "--since", "yesterday"])
        .is(2)
        .says(&["yesterday", "2026-11-21"]);
    server.admin(&["audit", "--limit", "0"]).is(2);
    server
        .admin(&["audit", "--since", "2026-11-21", "--days", "1"])
        .is(2);

    // What was downloaded is in the log when the server has gone.
    server.terminate();
    assert!(server.wait(PATIENCE).success());
    let downloads = store.admin(&["audit", "--act", "download"]).is(0);
    let downloads = table(&downloads);
    assert_eq!(downloads.len(), 1, "{downloads:?}");
    assert_eq!(downloads[0][4], format!("artifact {id}"));
}

#[test]
fn a_password_is_set_by_the_operator_or_by_a_link() {
    let store = Store::new();
    store.admin(&["user", "create", "ada"]).is(0);
    let set = ["user", "password", "ada", "--stdin"];
    admin_with_input(&store, &set, "short\n")
        .is(2)
        .says(&["at least 10 characters"]);
    admin_with_input(&store, &set, "").is(2);
    let done = admin_with_input(&store, &set, "correct horse\n").is(0);
    assert_eq!(done.stdout, "");
    let unknown = ["user", "password", "bob", "--stdin"];
    admin_with_input(&store, &unknown, "correct horse\n")
        .is(1)
        .says(&["user"]);

    let server = store.serve().start();
    let link = server.admin(&["user", "reset", "ada"]).is(0).stdout;
    assert!(
        link.starts_with("http://") && link.contains("/password/"),
        "{link}"
    );
    assert_eq!(link.lines().count(), 1);
    let log = server.admin(&["audit", "--user", "ada"]).is(0).stdout;
    assert!(log.contains("issue password link") && log.contains("set password"));
    assert!(!log.contains("correct horse"));
}

#[test]
fn the_operator_disables_users_but_for_the_last_admin() {
    let store = Store::new();
    let server = store.serve().start();
    let token = server.token();
    server.admin(&["user", "create", "ada", "--admin"]).is(0);
    server.admin(&["user", "disable", "admin"]).is(0);
    server
        .client()
        .get("/larder/v1/projects", &token)
        .unwrap()
        .is(401);
    let users = server.admin(&["user", "list"]).is(0);
    let states: Vec<_> = table(&users)
        .into_iter()
        .map(|row| (row[0], row.get(3).copied()))
        .collect();
    assert_eq!(states, [("ada", None), ("admin", Some("disabled"))]);
    server
        .admin(&["user", "disable", "ada"])
        .is(1)
        .says(&["ada is the last admin", "larder admin user create"]);
    server.admin(&["user", "enable", "admin"]).is(0);
    server
        .client()
        .get("/larder/v1/projects", &token)
        .unwrap()
        .is(200);
    server.admin(&["user", "disable", "nobody"]).is(1);
}

#[test]
fn a_deletion_says_what_would_go_and_asks_for_a_yes() {
    let store = Store::new();
    let server = store.serve().start();
    let token = server.token();
    let job = server.client().announce(&token);
    let kept = server
        .client()
        .put(&job, "kept", &Made::new(3).bytes(4_000));
    let id = kept.unwrap().is(201).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let content = format!("/larder/v1/artifacts/{id}/content");
    let would = "1 builds, 1 artifacts, 4000 bytes";
    for command in [
        &["project", "delete", PROJECT][..],
        &["build", "delete", PROJECT, "1"],
    ] {
        server.admin(command).is(2).says(&[PROJECT, would, "--yes"]);
    }
    server.client().get(&content, &token).unwrap().is(200);
    let done = server
        .admin(&["build", "delete", PROJECT, "1", "--yes"])
        .is(0);
    assert!(done.stdout.contains(would), "{}", done.stdout);
    server.client().get(&content, &token).unwrap().is(404);
    server
        .admin(&["build", "delete", PROJECT, "1", "--yes"])
        .is(1)
        .says(&["no build"]);
    server.admin(&["gc"]).is(0);
    server.admin(&["check", "--strict"]).is(0);

    let other = "github/acme/pantry";
    server.admin(&["project", "rename", PROJECT, other]).is(0);
    server
        .admin(&["project", "delete", PROJECT])
        .is(1)
        .says(&["no project"]);
    server.admin(&["project", "create", PROJECT]).is(0);
    server
        .admin(&["project", "rename", PROJECT, other])
        .is(1)
        .says(&[other]);
    server.admin(&["project", "delete", other, "--yes"]).is(0);
    let list = server.admin(&["project", "list"]).is(0);
    assert_eq!(table(&list).len(), 1);
}

#[test]
fn a_full_project_refuses_uploads_and_says_why() {
    let store = Store::new();
    let server = store.serve().start();
    let token = server.token();
    let job = server.client().announce(&token);
    let limit = |bytes| server.admin(&["project", "limit", PROJECT, "--max-bytes", bytes]);
    limit("5kB").is(0);
    limit("much")
        .is(2)
        .says(&["`much`", "10GB", "none", "default"]);
    let put = |name: &str| {
        server
            .client()
            .put(&job, name, &Made::new(3).bytes(4_000))
            .unwrap()
    };
    put("fits").is(201);
    let refused = put("does-not").is(507).json();
    assert_eq!(refused["code"], "project_full");
    let list = server.admin(&["project", "list"]).is(0);
    assert_eq!(table(&list)[0][3], "4000 of 5000 bytes");
    limit("none").is(0);
    put("does-not").is(201);
    let list = server.admin(&["project", "list", "--json"]).is(0).stdout;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(list["projects"][0]["max_bytes"], "none");
    assert_eq!(list["projects"][0]["total_bytes"], 8_000);
}
