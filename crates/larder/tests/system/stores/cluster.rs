//! A PostgreSQL and a Garage of a test's own, with a proxy before each, and servers over them.

use std::net::SocketAddr;

use larder_harness::{ChaosProxy, Garage, Postgres, PostgresOptions};

use crate::support::{Finished, ServeProcess, Settings, Store};

/// The database of the store.
const DATABASE: &str = "larder";
/// What seals the keys that sign links, the same for every server: 32 bytes in base64.
const SEAL: &str = "bGFyZGVyIHRlc3RzIHNlYWwgdGhlaXIga2V5cyB0aHU=";

pub(super) struct Cluster {
    pub(super) postgres: Postgres,
    pub(super) garage: Garage,
    /// Between servers and PostgreSQL.
    pub(super) to_database: ChaosProxy,
    /// Between servers and Garage.
    pub(super) to_bucket: ChaosProxy,
}

/// One of the servers, with a folder of its own.
pub(super) struct Replica {
    store: Store,
    public_url: String,
    pub(super) server: ServeProcess,
}

impl Cluster {
    pub(super) fn start() -> Self {
        let postgres = Postgres::start(PostgresOptions::default()).unwrap();
        postgres.create_database(DATABASE).unwrap();
        let garage = Garage::start().unwrap();
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            to_database: ChaosProxy::start(local(postgres.port())).unwrap(),
            to_bucket: ChaosProxy::start(garage.address()).unwrap(),
            postgres,
            garage,
        }
    }

    /// The settings of a server, which reaches both through the proxies.
    pub(super) fn settings(&self) -> Settings {
        let direct = self.postgres.url_of(DATABASE);
        let (port, through) = (self.postgres.port(), self.to_database.address().port());
        let database = direct.replace(&format!(":{port}/"), &format!(":{through}/"));
        assert_ne!(database, direct);
        [
            ("DATABASE__URL", database),
            ("BLOBS__URL", format!("s3://{}", self.garage.bucket())),
            (
                "BLOBS__ENDPOINT",
                format!("http://{}", self.to_bucket.address()),
            ),
            ("BLOBS__REGION", self.garage.region().to_owned()),
            ("BLOBS__ACCESS_KEY", self.garage.access_key().to_owned()),
            ("BLOBS__SECRET_KEY", self.garage.secret_key().to_owned()),
            ("KEYS__SEAL", SEAL.to_owned()),
            ("LOG__LEVEL", "warn".to_owned()),
        ]
        .map(|(name, value)| (format!("LARDER__{name}"), value))
        .to_vec()
    }

    /// A server, which people reach at `public_url`.
    pub(super) fn replica(&self, public_url: &str) -> Replica {
        let store = Store::with(self.settings());
        Replica {
            server: start(&store, public_url),
            public_url: public_url.to_owned(),
            store,
        }
    }

    /// The answer to a query, beside the larder's back.
    #[track_caller]
    pub(super) fn ask(&self, sql: &str) -> String {
        self.postgres.run(DATABASE, sql).unwrap()
    }

    /// Frees what was sent in vain as if its time were over, and finds nothing left of it, and all bytes that are on
    /// record.
    #[track_caller]
    pub(super) fn check_after_sweep(&self, replica: &Replica) {
        self.ask("UPDATE container SET deadline_at = 0 WHERE state = 'intent'");
        replica.admin(&["gc"]).is(0);
        assert_eq!(
            self.ask("SELECT COUNT(*) FROM container WHERE state <> 'sealed'"),
            "0",
            "a sweep left containers that nothing needs"
        );
        replica.admin(&["check", "--strict"]).is(0);
    }
}

impl Replica {
    /// Kills the server and starts another one, on another port.
    pub(super) fn kill_and_restart(&mut self) {
        self.server.kill();
        self.server = start(&self.store, &self.public_url);
    }

    #[track_caller]
    pub(super) fn admin(&self, arguments: &[&str]) -> Finished {
        self.store.admin(arguments)
    }

    pub(super) fn token(&self) -> String {
        self.store.token()
    }
}

fn start(store: &Store, public_url: &str) -> ServeProcess {
    let serve = store.serve();
    serve.argument("--public-url").argument(public_url).start()
}
