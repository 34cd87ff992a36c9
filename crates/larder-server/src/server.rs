//! A server: opens the store, listens, serves until it is told to stop, and drains.

use crate::admin::AdminSocket;
use crate::background;
use crate::config::Config;
use crate::http::hosts::Hosts;
use crate::http::invalid_tokens::{InvalidTokens, Limiter};
use crate::http::state::{App, AppSettings};
use crate::listener::{Listener, Options, Tls};
use crate::lock::StoreLock;
use crate::metrics::Metrics;
use crate::store::open_store;
use anyhow::{Context as _, Result};
use axum::Router;
use larder_core::Larder;
use larder_core::model::Principal;
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
    app: App,
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
        let larder = open_store(&config).await?;
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
        let (app, router) = router(&config, &larder, &listener, &address)?;
        let public_url = app.public_url().to_owned();
        lock.name_url(&public_url)?;
        Ok(Self {
            config,
            larder,
            listener,
            metrics_listener,
            app,
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
        let (_, router) = router(&self.config, &self.larder, &listener, &address)?;
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
        tokio::spawn(background::count_stored(self.larder.clone(), stop.clone()));
        let (app, stopped) = (self.app, stop.clone());
        tokio::spawn(async move {
            stopped.cancelled().await;
            app.begin_to_drain();
        });
        let drained_all = CancellationToken::new();
        let noter = background::note_downloads(self.larder.clone(), drained_all.clone());
        let noter = tokio::spawn(noter);
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
        drained_all.cancel();
        let _ = noter.await;
        let _ = sweeper.await;
        drop(self.admin);
        drop(self.lock);
    }
}

fn router(
    config: &Config,
    larder: &Larder,
    listener: &Listener,
    address: &str,
) -> Result<(App, Router)> {
    let public_url = match &config.public_url {
        Some(url) => url.clone(),
        None => address.parse().map_err(anyhow::Error::msg)?,
    };
    let settings = AppSettings {
        public_url,
        content_url: config.content_url.clone(),
        serve_html: config.serve_html,
        sign_in: Arc::new(config.sign_in.clone()),
    };
    let limiter = Limiter {
        counts: Arc::new(InvalidTokens::new(config.limits.invalid_tokens_per_minute)),
        clock: larder.clock().clone(),
    };
    let hosts = Hosts::new(config, listener.local_addr()?);
    let app = App::new(larder.clone(), settings);
    Ok((app.clone(), crate::app::service(app, hosts, limiter)))
}
