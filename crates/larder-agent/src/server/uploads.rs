//! Files on their way to the server: whole, in parts, and empty folders.

use super::{CALL_TIMEOUT, SEGMENT, Server, accept, read_json, unreachable};
use crate::error::Result;
use larder_protocol::{ArtifactBody, BeginUpload, FolderBody, UploadBody};
use percent_encoding::utf8_percent_encode;
use reqwest::{Body, Method, RequestBuilder, Response, Url, header};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Slowest connection for which a file is given time: below it, the attempt is given up.
const UPLOAD_BYTES_PER_SECOND_MIN: u64 = 50_000;
/// Slowest disk on which the server is given time to put the parts of a file together.
const FINISH_BYTES_PER_SECOND_MIN: u64 = 5_000_000;

/// A file that is sent in one request.
#[derive(Debug)]
pub(crate) struct WholeFile<'a> {
    pub(crate) path: &'a str,
    pub(crate) alias: Option<&'a str>,
    /// Permission bits in octal.
    pub(crate) mode: Option<String>,
    pub(crate) size: u64,
    pub(crate) sha256_base64: &'a str,
}

/// One part of a file.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    /// Name of the artifact, for errors.
    pub(crate) path: &'a str,
    pub(crate) upload: &'a str,
    pub(crate) number: u32,
    pub(crate) size: u64,
    pub(crate) sha256_base64: &'a str,
}

impl Server {
    /// Sends one file; the attempt is made once.
    pub(crate) async fn put_artifact(
        &self,
        job: &str,
        file: &WholeFile<'_>,
        content: Body,
    ) -> Result<ArtifactBody> {
        let mut segments = vec!["jobs", job, "artifacts"];
        segments.extend(file.path.split('/'));
        let what = format!("upload {}", file.path);
        let mut request = self
            .put_bytes(self.url(&segments), file.size)
            .header("repr-digest", format!("sha-256=:{}:", file.sha256_base64));
        if let Some(mode) = &file.mode {
            request = request.header("larder-mode", mode);
        }
        if let Some(alias) = file.alias {
            request = request.header(
                "larder-alias",
                utf8_percent_encode(alias, SEGMENT).to_string(),
            );
        }
        read_json(&what, self.once(&what, request.body(content)).await?).await
    }

    /// Begins an upload in parts, or finds the one that was begun before.
    pub(crate) async fn begin_upload(&self, job: &str, file: &BeginUpload) -> Result<UploadBody> {
        let what = format!("upload {}", file.path);
        let url = self.url(&["jobs", job, "uploads"]);
        let request = || self.json(Method::POST, url.clone(), file);
        read_json(&what, self.call(&what, request).await?).await
    }

    /// Sends one part; the attempt is made once.
    pub(crate) async fn put_part(&self, job: &str, part: &Part<'_>, content: Body) -> Result<()> {
        let number = part.number.to_string();
        let url = self.url(&["jobs", job, "uploads", part.upload, "parts", &number]);
        let what = format!("upload part {number} of {}", part.path);
        let request = self
            .put_bytes(url, part.size)
            .header(
                "content-digest",
                format!("sha-256=:{}:", part.sha256_base64),
            )
            .body(content);
        self.once(&what, request).await.map(drop)
    }

    /// Makes the artifact of the parts.
    pub(crate) async fn finish_upload(
        &self,
        job: &str,
        upload: &str,
        file: &BeginUpload,
    ) -> Result<ArtifactBody> {
        let what = format!("upload {}", file.path);
        let url = self.url(&["jobs", job, "uploads", upload, "finish"]);
        let limit = CALL_TIMEOUT + Duration::from_secs(file.size / FINISH_BYTES_PER_SECOND_MIN);
        let request = || self.request(Method::POST, url.clone()).timeout(limit);
        read_json(&what, self.call(&what, request).await?).await
    }

    /// Keeps an empty folder.
    pub(crate) async fn put_folder(&self, job: &str, path: &str, mode: &str) -> Result<FolderBody> {
        let mut segments = vec!["jobs", job, "folders"];
        segments.extend(path.split('/'));
        let url = self.url(&segments);
        let what = format!("keep the empty folder {path}");
        let request = || {
            self.request(Method::PUT, url.clone())
                .timeout(CALL_TIMEOUT)
                .header("larder-mode", mode)
        };
        read_json(&what, self.call(&what, request).await?).await
    }

    fn put_bytes(&self, url: Url, size: u64) -> RequestBuilder {
        let limit = CALL_TIMEOUT * 2 + Duration::from_secs(size / UPLOAD_BYTES_PER_SECOND_MIN);
        self.request(Method::PUT, url)
            .timeout(limit)
            .header(header::CONTENT_LENGTH, size)
    }

    async fn once(&self, what: &str, request: RequestBuilder) -> Result<Response> {
        let response = request
            .send()
            .await
            .map_err(|error| unreachable(what, self.base.as_str(), &error))?;
        self.has_answered.store(true, Ordering::Relaxed);
        accept(what, response).await
    }
}
