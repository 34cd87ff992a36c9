//! Which server a command talks to.

use crate::cli::ServerArguments;
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use larder_agent::server::{Server, ServerAddress};

/// Where a server listens when it is told nothing.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:7878";

impl ServerArguments {
    /// Whether neither a server nor a token is named: then what is made here can be kept in a store of its own.
    pub(crate) fn is_absent(&self) -> bool {
        self.url.is_none() && self.token.is_empty()
    }

    /// The server that is named, or the one that a server's defaults make.
    pub(crate) fn url(&self) -> &str {
        self.named_url().unwrap_or(DEFAULT_URL)
    }

    /// An empty variable names nothing: so CIs say that one is not set.
    fn named_url(&self) -> Option<&str> {
        self.url.as_deref().filter(|url| !url.is_empty())
    }

    /// The address and the token.
    pub(crate) fn address(&self) -> Result<ServerAddress, Failure> {
        let ca_pem = match &self.ca {
            Some(path) => Some(
                std::fs::read(path)
                    .with_context(|| format!("read the certificate {}", path.display()))
                    .map_err(Failure::usage)?,
            ),
            None => None,
        };
        if self.token.is_empty() {
            return Err(Failure::usage(anyhow!(
                "no token: set LARDER_TOKEN, or give --token (and LARDER_URL or --url for a server other than {DEFAULT_URL})"
            )));
        }
        Ok(ServerAddress {
            url: self.url().to_owned(),
            token: self.token.clone(),
            ca_pem,
        })
    }

    /// A client.
    pub(crate) fn connect(&self) -> Result<Server, Failure> {
        Ok(Server::new(&self.address()?)?)
    }
}
