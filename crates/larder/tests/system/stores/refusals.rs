//! What is wrong with the settings of a database or a bucket is one line, and nothing is changed anywhere.

use super::Cluster;
use crate::support::{PATIENCE, Settings, Store, larder, output_within};

/// A setting that is wrong, what it is instead, and what the refusal names.
type Wrong = (&'static str, fn(&str) -> String, &'static [&'static str]);

const WRONG: &[Wrong] = &[
    (
        "DATABASE__URL",
        |url| {
            let (before, after) = url.split_once('@').unwrap();
            let (user, _) = before.rsplit_once(':').unwrap();
            format!("{user}:hunter2@{after}")
        },
        &["password"],
    ),
    (
        "DATABASE__URL",
        |url| {
            let (before, after) = url.rsplit_once(':').unwrap();
            let (_, database) = after.split_once('/').unwrap();
            format!("{before}:1/{database}")
        },
        &["no connection to the database", "refused"],
    ),
    (
        "DATABASE__URL",
        |url| {
            let (server, _) = url.rsplit_once('/').unwrap();
            format!("{server}/nowhere")
        },
        &["nowhere", "does not exist"],
    ),
    (
        "BLOBS__URL",
        |_| "s3://nowhere".to_owned(),
        &["nowhere", "blobs.url"],
    ),
    (
        "BLOBS__ENDPOINT",
        |_| "http://127.0.0.1:1".to_owned(),
        &["127.0.0.1:1", "blobs.endpoint"],
    ),
    (
        "BLOBS__SECRET_KEY",
        |_| "hunter2".to_owned(),
        &["blobs.secret_key"],
    ),
    (
        "BLOBS__ACCESS_KEY",
        |_| "GK0123456789".to_owned(),
        &["blobs.access_key"],
    ),
    (
        "BLOBS__REGION",
        |_| "nowhere-1".to_owned(),
        &["nowhere-1", "blobs.region"],
    ),
];

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn what_is_wrong_is_one_line_and_nothing_is_changed() {
    let cluster = Cluster::start();
    for (setting, change, named) in WRONG {
        let mut settings = cluster.settings();
        for (name, value) in &mut settings {
            if name.strip_prefix("LARDER__") == Some(setting) {
                *value = change(value);
            }
        }
        check_refusal(settings, named);
    }
    let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(cluster.ask(tables), "0", "a refused server made tables");
}

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn a_database_of_a_newer_larder_is_left_as_it_is() {
    let cluster = Cluster::start();
    drop(cluster.replica("http://larder.test"));
    cluster.ask("UPDATE schema_version SET version = version + 1");
    let rows = "SELECT (SELECT version FROM schema_version), (SELECT COUNT(*) FROM account),
        (SELECT COUNT(*) FROM audit), (SELECT last FROM counter WHERE name = 'row')";
    let before = cluster.ask(rows);
    check_refusal(cluster.settings(), &["database.url", "newer larder"]);
    assert_eq!(cluster.ask(rows), before);
}

#[track_caller]
fn check_refusal(settings: Settings, named: &[&str]) {
    let store = Store::with(settings.clone());
    let mut serve = larder(&["serve", "--listen", "127.0.0.1:0", "--data"]);
    serve.arg(store.data()).envs(settings);
    let refused = output_within(PATIENCE, &mut serve).is(2).says(named);
    // Beside what the log says of what is well.
    let is_trouble = |line: &&str| !line.contains(" INFO ");
    let trouble: Vec<_> = refused.stderr.lines().filter(is_trouble).collect();
    println!("{}", trouble.concat());
    assert_eq!(trouble.len(), 1, "{trouble:?}");
    assert_eq!(refused.stdout, "");
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    for kept in ["meta.db", "blobs", "signing-keys.json"] {
        assert!(!store.data().join(kept).exists(), "{kept} was made");
    }
}
