//! A server with wrong settings does not start, and says which one is wrong, how, and what is allowed.

use std::path::Path;

use crate::support::{PATIENCE, Store, larder, output_within};

/// Settings that cannot be, and what the refusal names: where, the key, the value, what is allowed.
struct Wrong<'a> {
    file: &'a str,
    variables: &'a [(&'a str, &'a str)],
    arguments: &'a [&'a str],
    named: &'a [&'a str],
}

const NOTHING: Wrong<'_> = Wrong {
    file: "",
    variables: &[],
    arguments: &[],
    named: &[],
};

const WRONG: &[Wrong<'_>] = &[
    Wrong {
        file: "[limits]\nmax_file_byte = 5\n",
        named: &[
            "settings.toml:2",
            "limits.max_file_byte",
            "`limits.max_file_bytes`",
        ],
        ..NOTHING
    },
    Wrong {
        file: "listen = \n",
        named: &["settings.toml", "1"],
        ..NOTHING
    },
    Wrong {
        file: "serve_html = 'maybe'\n",
        named: &[
            "settings.toml:1",
            "serve_html",
            "maybe",
            "\"render\" or \"text\"",
        ],
        ..NOTHING
    },
    Wrong {
        file: "[limits]\nmax_connections = 0\n",
        named: &["limits.max_connections", "0", "allowed is"],
        ..NOTHING
    },
    Wrong {
        variables: &[("LARDER__LISTENS", "127.0.0.1:0")],
        named: &["LARDER__LISTENS", "`LARDER__LISTEN`"],
        ..NOTHING
    },
    Wrong {
        variables: &[("LARDER__LIMITS__MAX_FILE_BYTES", "many")],
        named: &["LARDER__LIMITS__MAX_FILE_BYTES", "many", "allowed is"],
        ..NOTHING
    },
    Wrong {
        arguments: &["--listen", "localhost"],
        named: &["--listen", "localhost", "127.0.0.1:7878"],
        ..NOTHING
    },
    Wrong {
        arguments: &["--public-url", "ftp://larder.example"],
        named: &["--public-url", "ftp://larder.example", "https://"],
        ..NOTHING
    },
    Wrong {
        arguments: &["--listen", "192.0.2.1:0"],
        named: &[
            "192.0.2.1:0",
            "trusted_proxies",
            "allow_plaintext",
            "tls.cert",
        ],
        ..NOTHING
    },
    Wrong {
        arguments: &["--tls-cert", "cert.pem"],
        named: &["tls.cert", "cert.pem", "tls.key"],
        ..NOTHING
    },
    Wrong {
        arguments: &[
            "--tls-cert",
            "/nowhere/cert.pem",
            "--tls-key",
            "/nowhere/key.pem",
        ],
        named: &["tls.cert", "/nowhere/cert.pem"],
        ..NOTHING
    },
    Wrong {
        variables: &[(
            "LARDER__DATABASE__URL",
            "postgres://larder:hunter2@db/larder",
        )],
        named: &[
            "LARDER__DATABASE__URL",
            "larder:…@db",
            "keys.seal",
            "openssl rand",
        ],
        ..NOTHING
    },
    Wrong {
        variables: &[("LARDER__DATABASE__URL", "mysql://db/larder")],
        named: &["LARDER__DATABASE__URL", "mysql://db/larder", "sqlite:PATH"],
        ..NOTHING
    },
    Wrong {
        variables: &[("LARDER__BLOBS__URL", "s3:///prefix")],
        named: &[
            "LARDER__BLOBS__URL",
            "s3:///prefix",
            "no bucket",
            "file:DIR",
        ],
        ..NOTHING
    },
    Wrong {
        variables: &[
            ("LARDER__BLOBS__URL", "s3://bucket/prefix"),
            ("LARDER__BLOBS__ENDPOINT", "http://127.0.0.1:1"),
            ("LARDER__BLOBS__ACCESS_KEY", "key"),
            ("LARDER__BLOBS__SECRET_KEY", "hunter2"),
        ],
        named: &["s3://bucket/prefix", "cannot be reached", "blobs.endpoint"],
        ..NOTHING
    },
    Wrong {
        variables: &[("LARDER__CONTENT_URL", "https://files.example")],
        named: &["LARDER__CONTENT_URL", "https://files.example", "public_url"],
        ..NOTHING
    },
    Wrong {
        arguments: &["--config", "/nowhere/larder.toml"],
        named: &["--config", "/nowhere/larder.toml"],
        ..NOTHING
    },
];

#[test]
fn a_server_with_wrong_settings_names_the_key_the_value_and_what_is_allowed() {
    for wrong in WRONG {
        let store = Store::new();
        let refusal = wrong.refusal(&store);
        for name in wrong.named {
            assert!(refusal.contains(name), "no {name:?} in: {refusal}");
        }
        assert!(
            !refusal.contains("hunter2"),
            "a password is printed: {refusal}"
        );
        assert!(
            !Path::new(&store.data()).join("meta.db").exists(),
            "{refusal}: made a store all the same"
        );
    }
}

impl Wrong<'_> {
    /// Starts a server with these settings; gives what it says before it ends.
    fn refusal(&self, store: &Store) -> String {
        let file = store.beside("settings.toml");
        std::fs::write(&file, self.file).unwrap();
        let data = store.data();
        let mut command = larder(&["serve", "--data", data.to_str().unwrap()]);
        if !self.arguments.contains(&"--listen")
            && !self
                .variables
                .iter()
                .any(|(name, _)| *name == "LARDER__LISTEN")
        {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !self.arguments.contains(&"--config") {
            command.arg("--config").arg(&file);
        }
        command
            .args(self.arguments)
            .envs(self.variables.iter().copied());
        let ended = output_within(PATIENCE, &mut command).is(2);
        assert_eq!(ended.stdout, "");
        ended.stderr
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let (store, taken) = (
        Store::new(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let address = taken.local_addr().unwrap().to_string();
    let data = store.data();
    let mut command = larder(&[
        "serve",
        "--listen",
        &address,
        "--data",
        data.to_str().unwrap(),
    ]);
    output_within(PATIENCE, &mut command)
        .is(2)
        .says(&["listen", &address, "in use"]);
}

#[test]
fn the_example_file_is_taken_as_it_is() {
    let store = Store::new();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../larder.example.toml");
    store.serve().argument("--config").argument(example).start();
}
