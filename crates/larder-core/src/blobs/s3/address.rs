//! Where a bucket is and how it is spoken to.

use super::fault::meaning;
use crate::error::Result;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use std::time::Duration;

/// How long a request may take of which all is in memory. Retries included, a caller hears of a bucket that is away
/// within half a minute.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(25);
/// After so long no request is sent again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may pause.
const READ_TIMEOUT: Duration = Duration::from_secs(25);

/// Where a bucket is, and with which keys.
#[derive(Clone)]
pub struct S3Address {
    /// The bucket.
    pub bucket: String,
    /// What every object's name begins with; empty for nothing.
    pub prefix: String,
    /// `https://…` of the service; none for Amazon's own of the region.
    pub endpoint: Option<String>,
    /// The region, whose name is part of every signature.
    pub region: String,
    /// The access key; none for that of the machine's role.
    pub access_key: Option<String>,
    /// The secret of the access key.
    pub secret_key: Option<String>,
    /// Whether downloads may be sent to the bucket where the caller's credential cannot leak.
    pub redirect: bool,
}

impl S3Address {
    /// The bucket; `timeout` bounds each request with its answer.
    pub(super) fn bucket(&self, timeout: Option<Duration>) -> Result<AmazonS3> {
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_read_timeout(READ_TIMEOUT)
            .with_allow_http(true);
        let client = match timeout {
            Some(timeout) => client.with_timeout(timeout),
            None => client.with_timeout_disabled(),
        };
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 4,
            retry_timeout: RETRY_TIMEOUT,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_client_options(client)
            .with_disable_tagging(true)
            .with_retry(retry);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let (Some(access), Some(secret)) = (&self.access_key, &self.secret_key) {
            builder = builder
                .with_access_key_id(access)
                .with_secret_access_key(secret);
        }
        builder.build().map_err(meaning)
    }

    /// The bucket and prefix, without what is secret.
    pub fn shown(&self) -> String {
        let at = self
            .endpoint
            .as_deref()
            .unwrap_or("the region's own endpoint");
        format!(
            "s3://{}/{} at {at}, region {}",
            self.bucket, self.prefix, self.region
        )
    }
}

impl std::fmt::Debug for S3Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("S3Address")
            .field("address", &self.shown())
            .field("redirect", &self.redirect)
            .finish_non_exhaustive()
    }
}
