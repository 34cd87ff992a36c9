//! What settings must be together.

use super::layers::{Layers, Origin};
use super::{BlobsUrl, Config, ConfigError, ContentUrl, DatabaseUrl};
use larder_core::PostgresAddress;

/// Refuses settings that can be each by itself, but not with one another, or not yet.
pub(super) fn check(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    check_tls(config, layers)?;
    check_listen(config, layers)?;
    check_content_url(config, layers)?;
    check_sign_in(config, layers)?;
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

fn check_sign_in(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    let sign_in = &config.sign_in;
    let Some(user_header) = &sign_in.user_header else {
        let lonely = [
            ("sign_in.groups_header", sign_in.groups_header.is_some()),
            ("sign_in.admin_group", sign_in.admin_group.is_some()),
            ("sign_in.groups", !sign_in.groups.is_empty()),
            ("sign_in.sign_out_url", sign_in.sign_out_url.is_some()),
        ];
        return match lonely.iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => Err(layers.error(
                name,
                "sign_in.user_header is missing, without which no proxy signs in",
            )),
            None => Ok(()),
        };
    };
    if config.trusted_proxies.is_empty() {
        return Err(layers.error(
            "sign_in.user_header",
            "trusted_proxies is empty, and from anybody else the header is not believed: name there the proxy that sets \
             sign_in.user_header",
        ));
    }
    let Some(groups_header) = &sign_in.groups_header else {
        let lonely = [
            ("sign_in.admin_group", sign_in.admin_group.is_some()),
            ("sign_in.groups", !sign_in.groups.is_empty()),
        ];
        return match lonely.iter().find(|(_, is_set)| *is_set) {
            Some((name, _)) => Err(layers.error(
                name,
                "sign_in.groups_header is missing, in which the proxy names groups",
            )),
            None => Ok(()),
        };
    };
    if user_header == groups_header {
        return Err(layers.error(
            "sign_in.groups_header",
            "this is sign_in.user_header; users and groups need a header each",
        ));
    }
    Ok(())
}

fn check_stores(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    if let Some(DatabaseUrl::Postgres(url)) = &config.database.url {
        PostgresAddress::parse(url.reveal())
            .map_err(|reason| layers.error("database.url", &reason))?;
        if config.keys.seal.is_none() {
            return Err(layers.error(
                "database.url",
                "with PostgreSQL the keys that sign links are in the database: set keys.seal to what seals them, the \
                 same for every server (`openssl rand -base64 32` makes one)",
            ));
        }
    }
    if let Some(BlobsUrl::S3 { .. }) = &config.blobs.url {
        return check_keys(config, layers);
    }
    for name in ["blobs.endpoint", "blobs.access_key", "blobs.secret_key"] {
        if layers.origin(name) != Origin::Default {
            let reason = "it is for S3, and blobs.url does not begin with `s3://`: set that, or leave this out";
            return Err(layers.error(name, reason));
        }
    }
    Ok(())
}

fn check_keys(config: &Config, layers: &Layers) -> Result<(), ConfigError> {
    match (&config.blobs.access_key, &config.blobs.secret_key) {
        (Some(_), None) => Err(layers.error("blobs.access_key", "blobs.secret_key is missing")),
        (None, Some(_)) => Err(layers.error("blobs.secret_key", "blobs.access_key is missing")),
        _ => Ok(()),
    }
}
