//! What the server is told when it starts: defaults, a file, the environment and the command line, in this order.
//!
//! Every key is a row of one table, from which `larder.example.toml` and `docs/configuration.md` are written too. A
//! key that does not exist or a value that cannot be is an error that names the key, where it was set, the value,
//! and what would be allowed: nothing is ignored. Only this file reads the environment.

mod check;
mod documents;
mod keys;
mod layers;
mod sign_in;
mod urls;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use documents::{configuration_page, example_file};
pub use sign_in::{GroupRule, ProxyHeader, SignInConfig, SignOutUrl};
pub use urls::{BaseUrl, ContentUrl, HostPattern, JobHost};
pub use values::{BlobsUrl, DatabaseUrl, LogFormat, LogLevel, Redirect, Seal, Secret, ServeHtml};

use crate::listener::{AddressRange, Options, Patience, Tls, TlsError, TrustedProxies};
use layers::Layers;

/// All settings. Each is explained in `docs/configuration.md`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory of the embedded store.
    pub data: PathBuf,
    /// Where requests are answered.
    pub listen: SocketAddr,
    /// Where users reach the server; the listening address when not set.
    pub public_url: Option<BaseUrl>,
    /// Where the files of users are shown; on the main host when not set.
    pub content_url: Option<ContentUrl>,
    /// Whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<AddressRange>,
    /// Allows listening to the network without TLS.
    pub allow_plaintext: bool,
    /// How HTML of users is shown.
    pub serve_html: ServeHtml,
    /// Whether announcing a build makes an unknown project.
    pub auto_create_projects: bool,
    /// Sign-in by a proxy's header.
    pub sign_in: SignInConfig,
    /// Certificate and key.
    pub tls: TlsFiles,
    /// The listener for numbers.
    pub metrics: MetricsConfig,
    /// The log.
    pub log: LogConfig,
    /// Everything that has a limit.
    pub limits: Limits,
    /// Where the rows are.
    pub database: DatabaseConfig,
    /// Where the bytes are.
    pub blobs: BlobsConfig,
    /// The keys that sign links.
    pub keys: KeysConfig,
    /// When things end by themselves.
    pub retention: RetentionConfig,
}

/// `[tls]`: PEM files; both or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// `[metrics]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Where `/metrics` is; nowhere when not set.
    pub listen: Option<SocketAddr>,
}

/// `[log]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How lines look.
    pub format: LogFormat,
    /// How much is logged.
    pub level: LogLevel,
}

/// `[limits]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest file that is kept, in bytes.
    pub max_file_bytes: u64,
    /// All bytes that a project may keep that says nothing else itself; 0 for no limit.
    pub max_project_bytes: u64,
    /// So many connections are open at once.
    pub max_connections: u64,
    /// From a head's first byte to its last, in seconds.
    pub header_timeout_s: u64,
    /// Between two reads of a body, in seconds.
    pub body_idle_timeout_s: u64,
    /// Between two writes of an answer, in seconds.
    pub write_timeout_s: u64,
    /// Between two requests of a connection, in seconds.
    pub idle_timeout_s: u64,
    /// What answers on their way get when the server stops, in seconds.
    pub drain_timeout_s: u64,
    /// Unknown tokens per minute and client address.
    pub invalid_tokens_per_minute: u64,
}

/// `[database]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// A file in [`Config::data`] when not set.
    pub url: Option<DatabaseUrl>,
    /// Connections to PostgreSQL at most.
    pub connections: u64,
}

/// `[blobs]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlobsConfig {
    /// A directory in [`Config::data`] when not set.
    pub url: Option<BlobsUrl>,
    /// The S3 service, when it is not Amazon's.
    pub endpoint: Option<BaseUrl>,
    /// The S3 region.
    pub region: String,
    /// The S3 access key's name.
    pub access_key: Option<Secret>,
    /// The S3 access key.
    pub secret_key: Option<Secret>,
    /// Whether downloads may be sent to the bucket.
    pub redirect: Redirect,
}

/// `[keys]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// Seals the keys in the database; without it they are in a file of [`Config::data`].
    pub seal: Option<Seal>,
}

/// `[retention]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// A finished artifact expires so many days after its completion; 0 for never.
    pub days: u32,
    /// A job unheard of for so many seconds has timed out.
    pub job_lease_s: u64,
    /// An announced upload that has not finished after so many seconds has failed.
    pub upload_lease_s: u64,
    /// A deleted artifact can be brought back for so many seconds.
    pub undo_window_s: u64,
    /// The sweeper looks around once in so many seconds.
    pub sweep_interval_s: u64,
}

/// What the command line says; it wins over everything else.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--data`
    pub data: Option<String>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--public-url`
    pub public_url: Option<String>,
    /// `--tls-cert`
    pub tls_cert: Option<String>,
    /// `--tls-key`
    pub tls_key: Option<String>,
}

/// Why the server does not start: one message for the person who can change it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Config {
    /// The settings of this process: `file` is the one of `--config`.
    pub fn load(file: Option<&Path>, overrides: &Overrides) -> Result<Self, ConfigError> {
        // `vars` would panic at a variable of somebody else's that is not Unicode.
        let environment = std::env::vars_os().map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        });
        Self::from_layers(file, environment, overrides)
    }

    /// The same with an environment of the caller's.
    pub fn from_layers(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|error| {
                ConfigError(format!(
                    "--config {}: cannot be read: {error}",
                    path.display()
                ))
            })?;
            layers.add_file(path, &text)?;
        }
        layers.add_environment(environment)?;
        layers.add_overrides(overrides)?;
        let config = layers.config()?;
        check::check(&config, &layers)?;
        Ok(config)
    }

    /// The variables of the environment that are read, one for each key.
    pub fn variables() -> Vec<String> {
        keys::KEYS.iter().map(keys::Key::variable).collect()
    }

    /// How the main listener treats its connections; reads the certificate and key.
    pub fn listener_options(&self) -> Result<Options, TlsError> {
        let tls = match (&self.tls.cert, &self.tls.key) {
            (Some(cert), Some(key)) => Some(Tls::from_files(cert, key)?),
            _ => None,
        };
        Ok(Options {
            tls,
            patience: self.limits.patience(),
            connections_max: usize::try_from(self.limits.max_connections).unwrap_or(usize::MAX),
            drain: Duration::from_secs(self.limits.drain_timeout_s),
            trusted_proxies: TrustedProxies::new(self.trusted_proxies.clone()),
        })
    }
}

impl Limits {
    /// How long a client may take for each thing.
    pub fn patience(&self) -> Patience {
        Patience {
            header: Duration::from_secs(self.header_timeout_s),
            body_idle: Duration::from_secs(self.body_idle_timeout_s),
            write: Duration::from_secs(self.write_timeout_s),
            idle: Duration::from_secs(self.idle_timeout_s),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./larder-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7878)),
            public_url: None,
            content_url: None,
            trusted_proxies: Vec::new(),
            allow_plaintext: false,
            serve_html: ServeHtml::Render,
            auto_create_projects: false,
            sign_in: SignInConfig::default(),
            tls: TlsFiles::default(),
            metrics: MetricsConfig::default(),
            log: LogConfig::default(),
            limits: Limits::default(),
            database: DatabaseConfig::default(),
            blobs: BlobsConfig::default(),
            keys: KeysConfig::default(),
            retention: RetentionConfig::default(),
        }
    }
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self {
            url: None,
            connections: 16,
        }
    }
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self {
            url: None,
            endpoint: None,
            region: "us-east-1".to_owned(),
            access_key: None,
            secret_key: None,
            redirect: Redirect::Never,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            level: LogLevel::Info,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 3_000_000_000,
            max_project_bytes: 0,
            max_connections: 4096,
            header_timeout_s: 10,
            body_idle_timeout_s: 30,
            write_timeout_s: 60,
            idle_timeout_s: 60,
            drain_timeout_s: 30,
            invalid_tokens_per_minute: 60,
        }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            days: 0,
            job_lease_s: 3600,
            upload_lease_s: 86_400,
            undo_window_s: 600,
            sweep_interval_s: 60,
        }
    }
}
