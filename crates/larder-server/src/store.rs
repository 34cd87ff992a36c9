//! The store that settings name: where its rows and bytes are, and who may open it.

use crate::config::{BlobsConfig, BlobsUrl, Config, DatabaseUrl, Redirect};
use anyhow::{Context as _, Result};
use larder_core::clock::Clock;
use larder_core::{
    BackedUp, BlobsAddress, DatabaseAddress, Error, Larder, PostgresAddress, S3Address, Settings,
    Signing,
};
use std::path::Path;
use std::time::Duration;

/// Whether any number of servers, and commands beside them, may have the store open. Otherwise it has one owner at a
/// time.
pub fn is_shared(config: &Config) -> bool {
    matches!(config.database.url, Some(DatabaseUrl::Postgres(_)))
        && matches!(config.blobs.url, Some(BlobsUrl::S3 { .. }))
}

/// Whether there is a store where these settings say. Of a database behind a network only opening it tells.
pub fn store_exists(config: &Config) -> Result<bool> {
    Ok(match store_settings(config)?.database {
        DatabaseAddress::Sqlite(path) => path.exists(),
        DatabaseAddress::Postgres(_) => true,
    })
}

/// Opens the store of these settings; where it is not shared, the caller holds its lock.
pub async fn open_store(config: &Config) -> Result<Larder> {
    let settings = store_settings(config)?;
    let place = match &settings.database {
        DatabaseAddress::Sqlite(_) => config.data.display().to_string(),
        DatabaseAddress::Postgres(address) => address.shown(),
    };
    Larder::open(settings, Clock::system())
        .await
        .with_context(|| format!("open the store in {place}"))
}

/// Makes the store of these settings from a backup; the caller holds its lock.
pub async fn restore_store(config: &Config, folder: &Path) -> Result<BackedUp, Error> {
    let settings = store_settings(config).map_err(|error| Error::Invalid {
        field: "settings",
        reason: format!("{error:#}"),
    })?;
    larder_core::restore(&settings, folder).await
}

fn store_settings(config: &Config) -> Result<Settings> {
    let mut settings = Settings::in_folder(&config.data);
    match &config.database.url {
        None => {}
        Some(DatabaseUrl::Sqlite(path)) => {
            settings.database = DatabaseAddress::Sqlite(path.clone());
        }
        Some(DatabaseUrl::Postgres(url)) => {
            let mut address = PostgresAddress::parse(url.reveal()).map_err(anyhow::Error::msg)?;
            address.connections = usize::try_from(config.database.connections)?;
            settings.database = DatabaseAddress::Postgres(Box::new(address));
        }
    }
    match &config.blobs.url {
        None => {}
        Some(BlobsUrl::File(folder)) => settings.blobs = BlobsAddress::Folder(folder.clone()),
        Some(BlobsUrl::S3 { bucket, prefix }) => {
            settings.blobs = BlobsAddress::S3(s3_address(&config.blobs, bucket, prefix));
        }
    }
    if let Some(seal) = &config.keys.seal {
        settings.signing = Signing::Sealed(seal.bytes());
    }
    settings.max_file_bytes = config.limits.max_file_bytes;
    settings.max_project_bytes = config.limits.max_project_bytes;
    settings.auto_create_projects = config.auto_create_projects;
    settings.job_lease_ms = millis(Duration::from_secs(config.retention.job_lease_s));
    settings.upload_lease_ms = millis(Duration::from_secs(config.retention.upload_lease_s));
    settings.retention_days = config.retention.days;
    Ok(settings)
}

fn s3_address(config: &BlobsConfig, bucket: &str, prefix: &str) -> S3Address {
    let revealed = |secret: &Option<crate::config::Secret>| {
        secret.as_ref().map(|secret| secret.reveal().to_owned())
    };
    S3Address {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        endpoint: config.endpoint.as_ref().map(ToString::to_string),
        region: config.region.clone(),
        access_key: revealed(&config.access_key),
        secret_key: revealed(&config.secret_key),
        redirect: config.redirect == Redirect::Auto,
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
