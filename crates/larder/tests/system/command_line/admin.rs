//! `larder admin` on a stopped store and through the socket of a running server.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Made, PATIENCE, PROJECT, Serve, ServeProcess, Store, larder, output_within};

#[test]
fn the_operator_works_on_a_stopped_store_and_on_a_running_one() {
    let store = Store::new();
    store.admin(&["user", "create", "ada", "--admin"]).is(0);
    store.admin(&["project", "create", PROJECT]).is(0);
    store.admin(&["user", "create", "ada"]).is(1).says(&["ada"]);
    store
        .admin(&["project", "create", "nonsense"])
        .is(2)
        .says(&["nonsense", "github/acme/demo"]);
    let before = token(&store);

    let server = store.serve().start();
    let socket = std::fs::metadata(store.data().join("admin.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let during = token(&store);
    for token in [&before, &during] {
        server
            .client()
            .get("/larder/v1/projects", token)
            .unwrap()
            .is(200);
    }
    server.admin(&["user", "create", "grace"]).is(0);
    server
        .admin(&[
            "user",
            "grant",
            "grace",
            "--project",
            PROJECT,
            "--role",
            "king",
        ])
        .is(2)
        .says(&["king", "reader, writer, admin"]);
    server
        .admin(&["token", "create", "--user", "ada", "--scopes", "everything"])
        .is(2)
        .says(&["everything"]);
    let users = server.admin(&["user", "list"]).is(0).stdout;
    let names: Vec<_> = users
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(names, ["ada", "grace"]);
    revoke(&server, &before);
}

#[test]
fn the_operator_sets_how_long_a_project_keeps_its_files() {
    let store = Store::new();
    store.admin(&["project", "create", PROJECT]).is(0);
    let retain = |retention| store.admin(&["project", "retention", PROJECT, retention]);
    for (retention, shown) in [
        ("30", "30 days"),
        ("none", "no end"),
        ("default", "retention as set for all"),
    ] {
        retain(retention).is(0);
        let list = store.admin(&["project", "list"]).is(0).stdout;
        let columns: Vec<_> = list.trim().split('\t').collect();
        assert_eq!(columns[..3], [PROJECT, "private", shown]);
    }
    retain("0").is(2).says(&["`0`", "1 to 36500 days", "none"]);
    let unknown = ["project", "retention", "github/acme/unknown", "30"];
    store.admin(&unknown).is(1).says(&["project"]);
    let resumed = store.admin(&["retention", "resume"]).is(0);
    assert_eq!(resumed.stdout.trim(), "0 artifacts expired");
}

#[test]
fn the_operator_reaches_a_server_whose_path_is_too_long_for_a_socket() {
    let store = Store::new();
    let temporary = store.beside("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let data = store.beside(&"long".repeat(30)).join("data");
    assert!(data.as_os_str().len() > 108);
    let mut server = Serve::over(&data)
        .variable("TMPDIR", temporary.to_str().unwrap())
        .start();
    server.client().announce(&server.token());
    server.admin(&["check"]).is(0);
    server.terminate();
    assert!(server.wait(PATIENCE).success());
    assert_eq!(
        std::fs::read_dir(&temporary).unwrap().count(),
        0,
        "its socket's folder stays"
    );
}

#[test]
fn a_check_names_what_is_damaged_and_what_is_waste() {
    let store = Store::new();
    let server = store.serve().start();
    let job = server.client().announce(&server.token());
    let kept = server
        .client()
        .put(&job, "kept", &Made::new(3).bytes(4_000))
        .unwrap()
        .is(201)
        .json();
    let clean = server.admin(&["check", "--strict"]).is(0).stdout;
    assert!(clean.contains("0 damaged, 0 files"), "{clean}");

    let key = "0123456789abcdef0123456789abcdef";
    std::fs::write(store.data().join("blobs/ef").join(key), "nobody's").unwrap();
    assert!(
        server
            .admin(&["check"])
            .is(0)
            .stdout
            .contains(&format!("waste\t{key}"))
    );
    server.admin(&["check", "--strict"]).is(1);
    server.admin(&["gc"]).is(0);
    server.admin(&["check", "--strict"]).is(0);

    let blob = the_blob(&store);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[2_000] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    let damaged = server.admin(&["check"]).is(1).stdout;
    let id = kept["id"].as_str().unwrap();
    assert!(
        damaged.contains(&format!("damaged\t{id}\tkept\t")),
        "{damaged}"
    );
    std::fs::remove_file(&blob).unwrap();
    assert!(server.admin(&["check"]).is(1).stdout.contains(id));
}

/// The only file of the store's blobs.
fn the_blob(store: &Store) -> std::path::PathBuf {
    let folders = std::fs::read_dir(store.data().join("blobs")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let [blob] = &files.map(|file| file.unwrap().path()).collect::<Vec<_>>()[..] else {
        panic!("one blob")
    };
    blob.clone()
}

/// The secret alone is on the standard output.
fn token(store: &Store) -> String {
    let data = store.data();
    let mut command = larder(&[
        "admin",
        "token",
        "create",
        "--user",
        "ada",
        "--scopes",
        "read_pipelines,read_artifacts",
        "--data",
    ]);
    let printed = output_within(PATIENCE, command.arg(data)).is(0).stdout;
    let secret = printed.trim_end().to_owned();
    assert!(
        secret.starts_with("lrd_personal_") && printed.lines().count() == 1,
        "{printed:?}"
    );
    secret
}

/// Takes a token back by its id, and sees that it is dead.
fn revoke(server: &ServeProcess, secret: &str) {
    let tokens = server
        .admin(&["token", "list", "--user", "ada"])
        .is(0)
        .stdout;
    assert_eq!(tokens.lines().count(), 2, "{tokens}");
    assert!(!tokens.contains(secret), "a list of tokens shows one");
    // Newest first.
    let id = tokens.lines().last().unwrap().split('\t').next().unwrap();
    server.admin(&["token", "revoke", id]).is(0);
    server
        .client()
        .get("/larder/v1/projects", secret)
        .unwrap()
        .is(401);
    server
        .admin(&["token", "revoke", "nonsense"])
        .is(2)
        .says(&["nonsense", "UUID"]);
}

#[test]
fn commands_that_race_with_a_starting_server_and_each_other_all_succeed() {
    let store = Store::new();
    let server = std::thread::scope(|scope| {
        let server = scope.spawn(|| store.serve().start());
        for number in 0..4 {
            let slug = format!("github/acme/project-{number}");
            let store = &store;
            scope.spawn(move || store.admin(&["project", "create", &slug]).is(0));
        }
        server.join().unwrap()
    });
    let projects = server.admin(&["project", "list"]).is(0).stdout;
    assert_eq!(projects.lines().count(), 4, "{projects}");
}

#[test]
fn a_store_that_is_not_there_is_not_called_clean() {
    let store = Store::new();
    for command in [&["check"][..], &["gc"], &["user", "list"]] {
        store.admin(command).is(2).says(&["there is no store"]);
    }
    assert!(!store.data().exists());
}
