//! Files on their way from the server, and finding the build that they are of.

use super::{Server, is_loopback, unreachable};
use crate::error::{Error, Result};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use larder_protocol::{ArtifactBody, BuildList, FolderList};
use reqwest::{Response, StatusCode, Url, header};

/// Which builds of a project are listed.
#[derive(Debug)]
pub(crate) struct BuildFilter<'a> {
    pub(crate) branch: Option<&'a str>,
    pub(crate) tag: Option<&'a str>,
    /// Words of states, separated by commas; none means all.
    pub(crate) states: &'a str,
    /// `next` of the page before.
    pub(crate) before: Option<&'a str>,
}

/// Bytes of an artifact from some place on.
pub(crate) struct Content<S> {
    /// The first byte that comes: what was asked for, or 0.
    pub(crate) start: u64,
    pub(crate) pieces: S,
}

impl Server {
    /// A page of a project's builds, newest first.
    pub(crate) async fn builds(
        &self,
        project: &str,
        filter: &BuildFilter<'_>,
    ) -> Result<BuildList> {
        let mut segments = vec!["projects"];
        segments.extend(project.split('/'));
        segments.push("builds");
        let mut url = self.url(&segments);
        let parameters = [
            ("branch", filter.branch.unwrap_or_default()),
            ("tag", filter.tag.unwrap_or_default()),
            ("state", filter.states),
            ("before", filter.before.unwrap_or_default()),
            ("limit", "100"),
        ];
        url.query_pairs_mut()
            .extend_pairs(parameters.iter().filter(|(_, value)| !value.is_empty()));
        self.fetch(&format!("list the builds of {project}"), url)
            .await
    }

    /// Empty folders of a job (`jobs`) or a build (`builds`).
    pub(crate) async fn folders(&self, kind: &str, id: &str) -> Result<FolderList> {
        self.fetch("list empty folders", self.url(&[kind, id, "folders"]))
            .await
    }

    /// Opens an artifact's bytes from `from` on; what changed meanwhile comes from its beginning.
    pub(crate) async fn open_artifact(
        &self,
        artifact: &ArtifactBody,
        from: u64,
    ) -> Result<Content<impl Stream<Item = Result<Bytes>> + Send + use<>>> {
        let what = format!("download {}", artifact.path);
        let response = self.ask_for(&what, artifact, from).await?;
        let start = if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = response.headers().get(header::CONTENT_RANGE);
            let range = range.and_then(|range| range.to_str().ok());
            if !range.is_some_and(|range| range.starts_with(&format!("bytes {from}-"))) {
                return Err(Error::Damaged {
                    what,
                    reason: format!("asked for the bytes from {from} on, others came: {range:?}"),
                });
            }
            from
        } else {
            0
        };
        let address = self.base.to_string();
        let pieces = response
            .bytes_stream()
            .map_err(move |error| unreachable(&what, &address, &error));
        Ok(Content { start, pieces })
    }

    async fn ask_for(&self, what: &str, artifact: &ArtifactBody, from: u64) -> Result<Response> {
        let url = Url::parse(&artifact.url).map_err(|error| Error::Damaged {
            what: what.to_owned(),
            reason: format!("its url: {error}"),
        })?;
        let url = self.own(url);
        // A token goes to the server that it belongs to and to nobody else.
        let is_own = (url.scheme(), url.host(), url.port_or_known_default())
            == (
                self.base.scheme(),
                self.base.host(),
                self.base.port_or_known_default(),
            );
        self.call(what, || {
            let mut request = self.downloads.get(url.clone());
            if is_own {
                request = request.bearer_auth(&self.token);
            }
            if from > 0 {
                // The digest is the entity tag.
                let tag = artifact.sha256.as_deref().unwrap_or_default();
                request = request
                    .header(header::RANGE, format!("bytes={from}-"))
                    .header(header::IF_RANGE, format!("\"{tag}\""));
            }
            request
        })
        .await
    }

    /// On one machine a server may be known by another loopback name than the one it gives itself.
    fn own(&self, mut url: Url) -> Url {
        let same_port = url.port_or_known_default() == self.base.port_or_known_default();
        if same_port
            && url.scheme() == self.base.scheme()
            && is_loopback(&url)
            && is_loopback(&self.base)
        {
            // Cannot fail: both URLs have hosts.
            let _ = url.set_host(self.base.host_str());
        }
        url
    }
}
