//! What every handler is given, and all routes.

use crate::http::routes::Routes;
use axum::Router;
use larder_core::Larder;
use std::sync::Arc;

/// Cheap to clone; every handler is given one.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    larder: Larder,
    addresses: Addresses,
}

/// Under which addresses the larder is reached, for the absolute URLs that it emits.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Scheme, host and path before every route, without a `/` at the end.
    pub public_url: String,
    /// The host that serves user content, if that is another one; may hold `{n}`, `{project}` and `{vcs}`.
    pub content_url: Option<String>,
}

impl App {
    /// An app over an open larder.
    pub fn new(larder: Larder, addresses: Addresses) -> Self {
        Self(Arc::new(Inner { larder, addresses }))
    }

    /// The larder.
    pub fn larder(&self) -> &Larder {
        &self.0.larder
    }

    /// Scheme, host and path before every route, without a `/` at the end.
    pub fn public_url(&self) -> &str {
        &self.0.addresses.public_url
    }

    /// The wildcard form of the content host, if it has one: `https://{n}-{project}-{vcs}.artifacts.example`.
    pub fn wildcard_content_url(&self) -> Option<&str> {
        self.0
            .addresses
            .content_url
            .as_deref()
            .filter(|url| url.contains("{n}"))
    }

    /// Where a link made by [`larder_core::Artifacts::link`] leads; the trailing name is for people and ignored.
    pub fn link_url(&self, link: &larder_core::Link) -> String {
        let host = match self.0.addresses.content_url.as_deref() {
            Some(url) if !url.contains('{') => url.trim_end_matches('/'),
            _ => self.public_url(),
        };
        let name = crate::http::encode_segment(link.artifact.path.file_name());
        format!("{host}/d/{}/{name}", link.token)
    }

    /// Every route of every API, with its table.
    pub fn routes() -> Routes {
        crate::api::routes()
    }

    /// The service of all routes.
    pub fn router(self) -> Router {
        // The host decides before the path does: on the host of a job, every path is one of its files.
        let by_host = axum::middleware::from_fn_with_state(self.clone(), crate::api::content_host);
        Self::routes().into_router().layer(by_host).with_state(self)
    }
}
