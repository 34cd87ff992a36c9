//! Settings from four places, and what is said when one is wrong.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use larder_server::config::{
    BlobsUrl, Config, DatabaseUrl, Overrides, ServeHtml, configuration_page, example_file,
};
use larder_server::metrics::metrics_page;

/// A file's text, variables and options, and what came of them.
struct Attempt<'test> {
    file: &'test str,
    variables: &'test [(&'test str, &'test str)],
    overrides: Overrides,
}

impl Attempt<'_> {
    fn config(&self) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("larder.toml");
        std::fs::write(&path, self.file).unwrap();
        let environment = self
            .variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        Config::from_layers(Some(&path), environment, &self.overrides).map_err(|error| {
            error
                .to_string()
                .replace(&path.display().to_string(), "larder.toml")
        })
    }
}

fn of_file(file: &str) -> Result<Config, String> {
    Attempt {
        file,
        variables: &[],
        overrides: Overrides::default(),
    }
    .config()
}

fn of_variables(variables: &[(&str, &str)]) -> Result<Config, String> {
    Attempt {
        file: "",
        variables,
        overrides: Overrides::default(),
    }
    .config()
}

/// The message names all of `parts`.
#[track_caller]
fn assert_names(result: Result<Config, String>, parts: &[&str]) {
    let message = result.unwrap_err();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn each_place_wins_over_the_ones_before() {
    let attempt = Attempt {
        file: "data = '/file'\nlisten = '127.0.0.1:1'\nserve_html = 'text'\n[limits]\nmax_file_bytes = 5\nmax_connections = 6\n",
        variables: &[
            ("LARDER__LISTEN", "127.0.0.1:2"),
            ("LARDER__DATA", "/variable"),
            ("LARDER__LIMITS__MAX_FILE_BYTES", "7"),
        ],
        overrides: Overrides {
            data: Some("/option".to_owned()),
            ..Overrides::default()
        },
    };
    let config = attempt.config().unwrap();
    assert_eq!(config.data, Path::new("/option"));
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 2)));
    assert_eq!(
        (config.limits.max_file_bytes, config.limits.max_connections),
        (7, 6)
    );
    assert_eq!(config.serve_html, ServeHtml::Text);
    assert_eq!(
        config.limits.idle_timeout_s,
        Config::default().limits.idle_timeout_s
    );
}

#[test]
fn variables_hold_every_kind_of_value() {
    let config = of_variables(&[
        ("LARDER__PUBLIC_URL", "https://builds.example"),
        ("LARDER__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ("LARDER__ALLOW_PLAINTEXT", "true"),
        ("LARDER__DATABASE__URL", "sqlite:/var/lib/larder.db"),
        ("LARDER__BLOBS__URL", "file:/var/lib/blobs"),
        ("LARDER__METRICS__LISTEN", "127.0.0.1:0"),
        ("LARDER__LIMITS__MAX_FILE_BYTES", "3_000"),
        ("LARDER_URL", "the client's"),
        ("LARDER_TOKEN", "the client's"),
        ("LARDER_JOB", "the client's"),
        ("PATH", "nobody's"),
    ])
    .unwrap();
    assert_eq!(
        config.public_url.unwrap().as_str(),
        "https://builds.example"
    );
    assert_eq!(config.trusted_proxies.len(), 2);
    assert!(config.allow_plaintext);
    assert_eq!(
        config.database.url,
        Some(DatabaseUrl::Sqlite(PathBuf::from("/var/lib/larder.db")))
    );
    assert_eq!(
        config.blobs.url,
        Some(BlobsUrl::File(PathBuf::from("/var/lib/blobs")))
    );
    assert_eq!(config.limits.max_file_bytes, 3000);
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_what_is_meant() {
    assert_names(
        of_file("\n\n[limits]\n# a comment\nmax_file_byte = 5\n"),
        &[
            "larder.toml:5",
            "limits.max_file_byte",
            "`limits.max_file_bytes`",
        ],
    );
    assert_names(
        of_file("[limit]\nmax_connections = 5\n"),
        &["larder.toml:2", "limit.max_connections"],
    );
    assert_names(
        of_file("limits.max = 5\n"),
        &["larder.toml:1", "limits.max"],
    );
    assert_names(
        of_file("frobnicate = 1\n"),
        &["larder.toml:1", "frobnicate", "docs/configuration.md"],
    );
    assert_names(
        of_variables(&[("LARDER__LISTENS", "x")]),
        &["LARDER__LISTENS", "`LARDER__LISTEN`"],
    );
    assert_names(of_variables(&[("LARDER__", "x")]), &["LARDER__"]);
    assert_names(
        of_variables(&[("LARDER__listen", "x")]),
        &["LARDER__listen"],
    );
}

/// Files, and what the message about each must name.
const WRONG: &[(&str, &[&str])] = &[
    (
        "listen = 'here'",
        &["larder.toml:1", "listen = \"here\"", "127.0.0.1:7878"],
    ),
    (
        "listen = 7878",
        &["listen = 7878", "an IP address and a port"],
    ),
    ("public_url = 'builds.example'", &["public_url", "http://"]),
    ("public_url = ''", &["public_url", "empty"]),
    (
        "content_url = 'https://{n}.example'",
        &["content_url", "{project}"],
    ),
    (
        "trusted_proxies = ['10.0.0.0/99']",
        &["trusted_proxies", "10.0.0.0/99", "allowed"],
    ),
    (
        "trusted_proxies = '10.0.0.0/8'",
        &["trusted_proxies", "a list"],
    ),
    (
        "allow_plaintext = 'yes'",
        &["allow_plaintext = \"yes\"", "true or false"],
    ),
    (
        "serve_html = 'maybe'",
        &["serve_html = \"maybe\"", "\"render\" or \"text\""],
    ),
    ("limits = 5", &["larder.toml:1", "limits"]),
    (
        "[limits]\nmax_file_bytes = 0",
        &["larder.toml:2", "limits.max_file_bytes = 0", "1 or more"],
    ),
    (
        "[limits]\nmax_file_bytes = -1",
        &["limits.max_file_bytes = -1", "1 or more"],
    ),
    (
        "[limits]\nmax_file_bytes = '3GB'",
        &["limits.max_file_bytes = \"3GB\"", "whole number of bytes"],
    ),
    (
        "[limits]\nidle_timeout_s = 1.5",
        &["limits.idle_timeout_s = 1.5", "seconds"],
    ),
    (
        "[limits]\nidle_timeout_s = 9223372036854775807",
        &["limits.idle_timeout_s", "31536000"],
    ),
    (
        "[limits]\nmax_connections = 1000001",
        &["limits.max_connections = 1000001", "1000000"],
    ),
    (
        "[log]\nlevel = 'loud'",
        &["log.level = \"loud\"", "\"debug\""],
    ),
    (
        "[database]\nurl = 'mysql://x'",
        &["database.url = \"mysql://x\"", "sqlite:PATH"],
    ),
    (
        "[database]\nurl = 'sqlite:'",
        &["database.url", "sqlite:PATH"],
    ),
    ("[blobs]\nurl = 's3://'", &["blobs.url", "bucket"]),
    ("listen = ", &["larder.toml:1", "not TOML"]),
    ("data = 'a'\ndata = 'b'", &["larder.toml:2", "not TOML"]),
];

#[test]
fn a_wrong_value_is_named_with_its_key_place_and_what_is_allowed() {
    for (file, parts) in WRONG {
        assert_names(of_file(file), parts);
    }
    assert_names(
        of_variables(&[("LARDER__ALLOW_PLAINTEXT", "1")]),
        &[
            "environment variable LARDER__ALLOW_PLAINTEXT",
            "true or false",
        ],
    );
    assert_names(
        of_variables(&[("LARDER__LIMITS__MAX_FILE_BYTES", "3GB")]),
        &["LARDER__LIMITS__MAX_FILE_BYTES", "\"3GB\""],
    );
    let option = Overrides {
        listen: Some("nowhere".to_owned()),
        ..Overrides::default()
    };
    assert_names(
        Attempt {
            file: "",
            variables: &[],
            overrides: option,
        }
        .config(),
        &["command line --listen", "nowhere"],
    );
}

#[test]
fn a_missing_file_is_named() {
    let result = Config::from_layers(
        Some(Path::new("/nowhere/larder.toml")),
        [],
        &Overrides::default(),
    );
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("--config /nowhere/larder.toml")
    );
}

#[test]
fn plaintext_to_the_network_needs_to_be_meant() {
    let network = ("LARDER__LISTEN", "192.0.2.7:7878");
    assert_names(
        of_variables(&[network]),
        &[
            "listen",
            "192.0.2.7:7878",
            "trusted_proxies",
            "allow_plaintext",
            "tls.cert",
        ],
    );
    assert!(of_variables(&[network, ("LARDER__ALLOW_PLAINTEXT", "true")]).is_ok());
    assert!(of_variables(&[network, ("LARDER__TRUSTED_PROXIES", "192.0.2.1")]).is_ok());
    assert!(
        of_variables(&[
            network,
            ("LARDER__TLS__CERT", "c"),
            ("LARDER__TLS__KEY", "k")
        ])
        .is_ok()
    );
    assert!(of_variables(&[("LARDER__LISTEN", "[::1]:7878")]).is_ok());
    let everywhere = ("LARDER__LISTEN", "0.0.0.0:7878");
    assert_names(
        of_variables(&[everywhere, ("LARDER__ALLOW_PLAINTEXT", "true")]),
        &["listen", "public_url"],
    );
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let public = ("LARDER__PUBLIC_URL", "https://builds.example");
    assert_names(
        of_variables(&[("LARDER__TLS__CERT", "c")]),
        &["tls.cert", "tls.key"],
    );
    assert_names(
        of_variables(&[("LARDER__TLS__KEY", "k")]),
        &["tls.key", "tls.cert"],
    );
    assert_names(
        of_variables(&[public, ("LARDER__CONTENT_URL", "https://builds.example:81")]),
        &["content_url", "cookies"],
    );
    assert_names(
        of_variables(&[("LARDER__CONTENT_URL", "https://files.example")]),
        &["content_url", "public_url"],
    );
    for content in [
        "https://files.example/files",
        "https://{n}-{project}-{vcs}.files.example/files",
    ] {
        assert_names(
            of_variables(&[public, ("LARDER__CONTENT_URL", content)]),
            &["content_url", "path", "public_url"],
        );
    }
    assert_names(
        of_variables(&[("LARDER__METRICS__LISTEN", "127.0.0.1:7878")]),
        &["metrics.listen", "`listen`"],
    );
}

#[test]
fn signing_in_by_a_header_needs_a_proxy_that_is_trusted() {
    let user = ("LARDER__SIGN_IN__USER_HEADER", "X-Forwarded-User");
    let groups = ("LARDER__SIGN_IN__GROUPS_HEADER", "X-Forwarded-Groups");
    let rules = (
        "LARDER__SIGN_IN__GROUPS",
        "dev=gh/acme:writer, a=b:c=*:admin",
    );
    let proxies = ("LARDER__TRUSTED_PROXIES", "10.0.0.0/8");
    assert_names(
        of_variables(&[user]),
        &["sign_in.user_header", "trusted_proxies"],
    );
    assert_names(
        of_variables(&[proxies, groups]),
        &["sign_in.groups_header", "sign_in.user_header"],
    );
    assert_names(
        of_variables(&[proxies, user, rules]),
        &["sign_in.groups", "sign_in.groups_header"],
    );
    let same = ("LARDER__SIGN_IN__GROUPS_HEADER", "x-forwarded-user");
    assert_names(
        of_variables(&[proxies, user, same]),
        &["sign_in.groups_header", "sign_in.user_header"],
    );
    let config = of_variables(&[proxies, user, groups, rules]).unwrap();
    let groups: Vec<_> = config
        .sign_in
        .groups
        .iter()
        .map(|rule| (rule.group.as_str(), rule.grants.on.to_string()))
        .collect();
    let expected = [("dev", "github/acme".to_owned()), ("a=b:c", "*".to_owned())];
    assert_eq!(groups, expected);
}

#[test]
fn a_wrong_rule_or_header_of_the_sign_in_is_named() {
    for rule in [
        "dev",
        "dev:writer",
        "=*:writer",
        "dev=*:owner",
        "dev=acme:writer",
    ] {
        let file = format!("[sign_in]\ngroups = ['{rule}']");
        assert_names(of_file(&file), &["sign_in.groups", "GROUP=PLACE:ROLE"]);
    }
    for header in ["Cookie", "Authorization", "X-Forwarded-For", "a b", ""] {
        let file = format!("[sign_in]\nuser_header = '{header}'");
        assert_names(of_file(&file), &["sign_in.user_header", "allowed"]);
    }
    for url in ["//evil.example", "javascript:x", "bye", "/a b"] {
        let file = format!("[sign_in]\nsign_out_url = '{url}'");
        assert_names(of_file(&file), &["sign_in.sign_out_url", "allowed"]);
    }
}

#[test]
fn what_one_store_needs_and_another_does_not_take_is_named() {
    let postgres = ("LARDER__DATABASE__URL", "postgres://u:p@db/larder");
    assert_names(of_variables(&[postgres]), &["database.url", "keys.seal"]);
    let seal = (
        "LARDER__KEYS__SEAL",
        "c2VhbHNlYWxzZWFsc2VhbHNlYWxzZWFsc2VhbDEyMzQ=",
    );
    of_variables(&[postgres, seal]).unwrap();
    assert_names(
        of_variables(&[("LARDER__KEYS__SEAL", "short")]),
        &["keys.seal", "openssl rand"],
    );
    let nameless = ("LARDER__DATABASE__URL", "postgres://u:p@db");
    assert_names(
        of_variables(&[nameless, seal]),
        &["database.url", "database"],
    );
    let bucket = ("LARDER__BLOBS__URL", "s3://bucket/prefix");
    of_variables(&[bucket]).unwrap();
    assert_names(
        of_variables(&[bucket, ("LARDER__BLOBS__ACCESS_KEY", "x")]),
        &["blobs.access_key", "blobs.secret_key"],
    );
    assert_names(
        of_variables(&[("LARDER__BLOBS__ENDPOINT", "https://s3.example")]),
        &["blobs.endpoint", "s3://"],
    );
    assert_names(
        of_variables(&[bucket, ("LARDER__BLOBS__REDIRECT", "always")]),
        &["blobs.redirect", "never", "auto"],
    );
}

#[test]
fn secrets_are_in_no_message() {
    let attempts = [
        of_variables(&[("LARDER__BLOBS__SECRET_KEY", "hunter2")]),
        of_variables(&[("LARDER__DATABASE__URL", "postgres://u:hunter2@db/x")]),
        of_file("[blobs]\nsecret_key = ['hunter2']"),
        of_file("[blobs]\nsecret_key = 'hunter2"),
        of_file("[database]\nurl = 'postgre://u:hunter2@db/x'"),
    ];
    for attempt in attempts {
        let message = attempt.unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A document's path, and what writes it.
type Document = (&'static str, fn() -> String);

const DOCUMENTS: [Document; 3] = [
    ("larder.example.toml", example_file),
    ("docs/configuration.md", configuration_page),
    ("docs/metrics.md", metrics_page),
];

#[test]
fn the_documents_are_what_the_code_says() {
    for (path, text) in DOCUMENTS {
        let written = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(
            written == text(),
            "{path} is stale; `cargo test -p larder-server --test front -- --ignored write_the_documents` writes it anew",
        );
    }
}

#[test]
#[ignore = "writes larder.example.toml, docs/configuration.md and docs/metrics.md"]
fn write_the_documents() {
    for (path, text) in DOCUMENTS {
        std::fs::write(root().join(path), text()).unwrap();
    }
}

#[test]
fn the_example_file_is_a_file_that_works() {
    assert_eq!(of_file(&example_file()).unwrap(), Config::default());
}

/// Every key that the example shows with a default has this default in the code.
#[test]
fn the_defaults_in_the_example_are_the_defaults() {
    let lines = example_file();
    let is_default = |line: &&str| {
        line.starts_with('[') || line.contains(" = ") && !line.contains("# not set by default")
    };
    let uncommented = lines
        .lines()
        .filter(is_default)
        .map(|line| match line.strip_prefix("# ") {
            Some(setting)
                if setting
                    .split_once(" = ")
                    .is_some_and(|(key, _)| !key.contains([' ', '(', '`'])) =>
            {
                setting
            }
            _ if line.starts_with('[') => line,
            _ => "",
        });
    let file = uncommented.collect::<Vec<_>>().join("\n");
    assert!(
        file.contains("max_file_bytes = 3_000_000_000") && file.contains("data = "),
        "{file}"
    );
    assert_eq!(of_file(&file).unwrap(), Config::default());
}
