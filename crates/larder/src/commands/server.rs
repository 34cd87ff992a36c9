//! Which server a command talks to.

use crate::cli::{HolderArguments, ServerArguments};
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use larder_agent::artifacts::DownloadSource;
use larder_agent::server::{Server, ServerAddress};

impl ServerArguments {
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
                "no token: set LARDER_TOKEN, or give --token"
            )));
        }
        Ok(ServerAddress {
            url: self.url.clone(),
            token: self.token.clone(),
            ca_pem,
        })
    }

    /// A client.
    pub(crate) fn connect(&self) -> Result<Server, Failure> {
        Ok(Server::new(&self.address()?)?)
    }
}

impl HolderArguments {
    /// The job or the build that was named; a build goes before the job of the environment.
    pub(crate) fn source(self) -> Result<DownloadSource, Failure> {
        match (self.build, self.job) {
            (Some(build), _) => Ok(DownloadSource::Build(build)),
            (None, Some(job)) => Ok(DownloadSource::Job(job)),
            (None, None) => Err(Failure::usage(anyhow!(
                "name a job with --job (or LARDER_JOB) or a build with --build"
            ))),
        }
    }
}
