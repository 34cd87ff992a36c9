//! A server: opens the store, listens, serves until it is told to stop, and drains.

use crate::admin::AdminSocket;
use crate::background;
use crate::config::{BlobsUrl, Config, DatabaseUrl};
use crate::http::content_encoding::refuse_encoded_uploads;
use crate::http::hosts::{Hosts, accept_host};
use crate::http::invalid_tokens::{InvalidTokens, Limiter, limit_unknown_tokens};
use crate::http::request_log::log_request;
use crate::http::state::{App, AppSettings};
use crate::listener::{Listener, Options, Tls};
use crate::lock::StoreLock;
use crate::metrics::Metrics;
use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use larder_core::clock::Clock;
use larder_core::model::Principal;
use larder_core::{Larder, Settings};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The user that the first start of a store makes.
const FIRST_USER: &str = "admin";

/// An open store and a bound socket. Dropped, it gives back the lock.
#[derive(Debug)]
pub struct Server {
    config: Config,
    larder: Larder,
    listener: Listener,
    metrics_listener: Option<Listener>,
    router: Router,
    more: Vec<(Listener, Router)>,
    address: String,
    public_url: String,
    admin: AdminSocket,
    lock: StoreLock,
}

impl Server {
    /// Takes the lock, opens the store and binds the sockets; `tls` replaces the certificate of the settings.
    pub async fn open(config: Config, tls: Option<Tls>) -> Result<Self> {
        // Before anything is made: wrong settings leave nothing behind.
        let mut options = config.listener_options()?;
        let lock = StoreLock::require(&config.data)?;
        let larder = open_store(&config)?;
        let admin = AdminSocket::listen(lock.name_socket()?, larder.clone())?;
        options.tls = tls.or(options.tls);
        let listener = Listener::bind(config.listen, options)
            .await
            .with_context(|| format!("listen = {}: cannot listen there", config.listen))?;
        let metrics_listener = match config.metrics.listen {
            Some(address) => Some(
                Listener::bind(address, Options::default())
                    .await
                    .with_context(|| format!("metrics.listen = {address}: cannot listen there"))?,
            ),
            None => None,
        };
        let address = format!("{}://{}", listener.scheme(), listener.local_addr()?);
        let (router, public_url) = router(&config, &larder, &listener, &address)?;
        lock.name_url(&public_url)?;
        Ok(Self {
            config,
            larder,
            listener,
            metrics_listener,
            router,
            more: Vec::new(),
            address,
            public_url,
            admin,
            lock,
        })
    }

    /// `http://ADDR` or `https://ADDR`: where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where users reach it, without a `/` at the end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// The open store.
    pub fn larder(&self) -> &Larder {
        &self.larder
    }

    /// Listens on another free port of the loopback device too, with TLS and under that address; gives the address.
    pub async fn also_listen_with_tls(&mut self, tls: Tls) -> Result<String> {
        let options = Options {
            tls: Some(tls),
            ..self.config.listener_options()?
        };
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), options)
            .await
            .context("listen with TLS")?;
        let address = format!("https://{}", listener.local_addr()?);
        let (router, _) = router(&self.config, &self.larder, &listener, &address)?;
        self.more.push((listener, router));
        Ok(address)
    }

    /// On the first start of a store: makes the user `admin`, and gives a link that signs in once.
    pub async fn first_sign_in_link(&self) -> Result<Option<String>> {
        let operator = &Principal::Operator;
        if !self.larder.access.users(operator).await?.is_empty() {
            return Ok(None);
        }
        self.larder
            .access
            .create_user(operator, FIRST_USER, true)
            .await?;
        let secret = self
            .larder
            .access
            .sign_in_link(operator, FIRST_USER, "/")
            .await?;
        Ok(Some(format!("{}/sign-in/{secret}", self.public_url)))
    }

    /// Serves until `stop`, then lets answers on their way end.
    pub async fn serve(self, stop: CancellationToken) {
        let metrics = Metrics::install();
        tokio::spawn(metrics.clone().upkeep(stop.clone()));
        if let Some(listener) = self.metrics_listener {
            tokio::spawn(listener.serve(metrics.routes(), stop.clone()));
        }
        let more: Vec<_> = self
            .more
            .into_iter()
            .map(|(listener, router)| tokio::spawn(listener.serve(router, stop.clone())))
            .collect();
        let interval = Duration::from_secs(self.config.retention.sweep_interval_s);
        let sweeper = tokio::spawn(background::sweep(
            self.larder.clone(),
            interval,
            stop.clone(),
        ));
        let drained = self.listener.serve(self.router, stop).await;
        if drained.cut_off > 0 {
            tracing::warn!(
                connections = drained.cut_off,
                "cut off at the end of the drain"
            );
        }
        for listener in more {
            let _ = listener.await;
        }
        let _ = sweeper.await;
        drop(self.admin);
        drop(self.lock);
    }
}

/// Whether there is a store where these settings say.
pub fn store_exists(config: &Config) -> Result<bool> {
    Ok(store_settings(config)?.database.exists())
}

/// Opens the store of these settings; the caller holds its lock.
pub fn open_store(config: &Config) -> Result<Larder> {
    Larder::open(store_settings(config)?, Clock::system())
        .with_context(|| format!("open the store in {}", config.data.display()))
}

fn store_settings(config: &Config) -> Result<Settings> {
    let mut settings = Settings::in_folder(&config.data);
    match &config.database.url {
        None => {}
        Some(DatabaseUrl::Sqlite(path)) => settings.database.clone_from(path),
        Some(DatabaseUrl::Postgres(_)) => {
            bail!("database.url: postgres is not built yet; use sqlite:PATH")
        }
    }
    match &config.blobs.url {
        None => {}
        Some(BlobsUrl::File(folder)) => settings.blobs.clone_from(folder),
        Some(BlobsUrl::S3 { .. }) => bail!("blobs.url: s3 is not built yet; use file:DIR"),
    }
    settings.max_file_bytes = config.limits.max_file_bytes;
    settings.auto_create_projects = config.auto_create_projects;
    settings.job_lease_ms = millis(config.retention.job_lease_s);
    settings.upload_lease_ms = millis(config.retention.upload_lease_s);
    settings.retention_days = config.retention.days;
    Ok(settings)
}

fn router(
    config: &Config,
    larder: &Larder,
    listener: &Listener,
    address: &str,
) -> Result<(Router, String)> {
    let public_url = match &config.public_url {
        Some(url) => url.clone(),
        None => address.parse().map_err(anyhow::Error::msg)?,
    };
    let text = public_url.as_str().to_owned();
    let settings = AppSettings {
        public_url,
        content_url: config.content_url.clone(),
        serve_html: config.serve_html,
    };
    let limiter = Limiter {
        counts: Arc::new(InvalidTokens::new(config.limits.invalid_tokens_per_minute)),
        clock: larder.clock().clone(),
    };
    let hosts = Arc::new(Hosts::new(config, listener.local_addr()?));
    let router = crate::app::router(App::new(larder.clone(), settings))
        .layer(from_fn(refuse_encoded_uploads))
        .layer(from_fn_with_state(limiter, limit_unknown_tokens))
        .layer(from_fn_with_state(hosts, accept_host))
        .layer(from_fn(log_request));
    Ok((router, text))
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX / 1000)
        .saturating_mul(1000)
}
