//! A store that this process opens and serves on a free loopback port for as long as a command needs it.

use anyhow::{Context as _, Result};
use larder_core::model::{Principal, Scopes};
use larder_core::{Larder, NewTokenRequest};
use larder_server::config::{Config, LogLevel, Overrides};
use larder_server::listener::Tls;
use larder_server::{Server, log};
use std::path::Path;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Who looks at it, and for whom its tokens speak: the user that a store's first start makes.
pub(crate) const USER: &str = "admin";
/// How long its tokens live: a command is over by then.
const TOKEN_MS: i64 = 24 * 60 * 60 * 1000;

/// A server in this process.
#[derive(Debug)]
pub(crate) struct Embedded {
    /// Where people and agents reach it.
    pub(crate) url: String,
    /// Where it is reached over TLS, if it is.
    pub(crate) tls_url: Option<String>,
    larder: Larder,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Embedded {
    /// Opens the store in `data`, which is made when it is not there, and serves it; with what `make_tls` gives once the
    /// store is ours, on another port besides. Waits some seconds for somebody else's command on it to end.
    pub(crate) async fn open(
        data: &Path,
        make_tls: impl FnOnce() -> Result<Option<Tls>>,
    ) -> Result<Self> {
        let overrides = Overrides {
            data: Some(data.display().to_string()),
            listen: Some("127.0.0.1:0".to_owned()),
            ..Overrides::default()
        };
        let mut config = Config::from_layers(None, [], &overrides)?;
        config.log.level = LogLevel::Warn;
        log::begin(config.log);
        let mut server = Server::open(config, None).await?;
        let tls_url = match make_tls()? {
            Some(tls) => Some(server.also_listen_with_tls(tls).await?),
            None => None,
        };
        // Makes the user in a new store; whoever serves it later makes links of their own.
        server.first_sign_in_link().await?;
        let (url, larder) = (server.public_url().to_owned(), server.larder().clone());
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.serve(stop.clone()));
        Ok(Self {
            url,
            tls_url,
            larder,
            stop,
            task,
        })
    }

    /// A token of a day.
    pub(crate) async fn issue_token(&self, description: &str, scopes: &str) -> Result<String> {
        let request = NewTokenRequest {
            user: USER.to_owned(),
            description: description.to_owned(),
            scopes: Scopes::parse(scopes).map_err(anyhow::Error::msg)?,
            project: None,
            expires_at: Some(self.larder.clock().now().plus_ms(TOKEN_MS)),
        };
        let access = &self.larder.access;
        let issued = access.issue_token(&Principal::Operator, request).await?;
        Ok(issued.secret)
    }

    /// A link that signs in once and leads to a page.
    pub(crate) async fn sign_in_link(&self, page: &str) -> Result<String> {
        let access = &self.larder.access;
        let secret = access
            .sign_in_link(&Principal::Operator, USER, page)
            .await?;
        Ok(format!("{}/sign-in/{secret}", self.url))
    }

    /// Lets answers on their way end, and gives the store back.
    pub(crate) async fn end(self) -> Result<()> {
        self.stop.cancel();
        self.task.await.context("end the server")
    }
}
