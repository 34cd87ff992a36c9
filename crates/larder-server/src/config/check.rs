//! What settings must be together.

use super::layers::{Layers, Origin};
use super::{BlobsUrl, Config, ConfigError, ContentUrl, DatabaseUrl};

/// Refuses settings that can be each by itself, but not with one another, or not yet.
pub(super) fn check(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    check_tls(config, layers)?;
    check_listen(config, layers)?;
    check_content_url(config, layers)?;
    check_stores(config, layers)
}

fn check_tls(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    match (&config.tls.cert, &config.tls.key) {
        (Some(_), None) => Err(layers.error("tls.cert", "tls.key is missing; TLS needs both")),
        (None, Some(_)) => Err(layers.error("tls.key", "tls.cert is missing; TLS needs both")),
        _ => Ok(()),
    }
}

fn check_listen(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let address = config.listen.ip().to_canonical();
    let is_plain = config.tls.cert.is_none();
    let is_let_off = config.allow_plaintext || !config.trusted_proxies.is_empty();
    if is_plain && !address.is_loopback() && !is_let_off {
        return Err(layers.error(
            "listen",
            "this is reachable from the network and there is no TLS, so tokens could be read on the way. Set tls.cert \
             and tls.key, or name the proxy that speaks TLS in trusted_proxies, or set allow_plaintext = true",
        ));
    }
    if address.is_unspecified() && config.public_url.is_none() {
        return Err(layers.error(
            "listen",
            "this means every address of the machine, so set public_url to the one that users type: requests for \
             other hosts are not answered",
        ));
    }
    if config
        .metrics
        .listen
        .is_some_and(|metrics| metrics == config.listen && metrics.port() != 0)
    {
        return Err(layers.error(
            "metrics.listen",
            "this is where `listen` is; metrics need a port of their own",
        ));
    }
    Ok(())
}

fn check_content_url(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let Some(content) = &config.content_url else {
        return Ok(());
    };
    let Some(public) = &config.public_url else {
        return Err(layers.error(
            "content_url",
            "public_url is missing; with a host for files, both must be known",
        ));
    };
    if content.sample().host() == public.host() {
        return Err(layers.error(
            "content_url",
            "this is the host of public_url, and browsers share cookies between the ports of a host; name another \
             host or leave it out",
        ));
    }
    let allowed = match content {
        ContentUrl::Host(_) => public.path(),
        ContentUrl::PerJob(_) => "",
    };
    if content.sample().path() != allowed {
        return Err(layers.error(
            "content_url",
            &format!(
                "its path is not where files are; allowed after the host is `{allowed}`, as in public_url for one \
                 host and nothing for a host for each job"
            ),
        ));
    }
    Ok(())
}

fn check_stores(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    if let Some(DatabaseUrl::Postgres(_)) = &config.database.url {
        return Err(layers.error(
            "database.url",
            "PostgreSQL is not built yet; allowed is sqlite:PATH",
        ));
    }
    if let Some(BlobsUrl::S3 { .. }) = &config.blobs.url {
        return Err(layers.error("blobs.url", "S3 is not built yet; allowed is file:DIR"));
    }
    for name in [
        "blobs.endpoint",
        "blobs.region",
        "blobs.access_key",
        "blobs.secret_key",
    ] {
        if layers.origin(name) != Origin::Default {
            return Err(layers.error(name, "it is for S3, which is not built yet; leave it out"));
        }
    }
    Ok(())
}
