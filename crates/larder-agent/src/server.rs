//! The client of the native API (`docs/api/larder.md`): only this file and those below it speak HTTP.

mod downloads;
mod uploads;

pub(crate) use downloads::BuildFilter;
pub(crate) use uploads::{Part, WholeFile};

use crate::error::{Error, Result};
use bytes::Bytes;
use larder_protocol::{
    AnnounceBuild, AnnouncedBuild, ArtifactList, BuildBody, ErrorBody, FinishJob, JobBody,
    JobState, StepList, StepReport, TestReport,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A call that carries no file is answered within this time or tried again.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);
/// A download on which nothing comes for so long is taken for dead.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Waits before the second, third … attempt: a restart of the server is outlasted.
const PATIENCE_MS: [u64; 7] = [100, 300, 1_000, 2_000, 4_000, 8_000, 15_000];
/// Waits while nothing has answered yet: most likely there is no server.
const FIRST_PATIENCE_MS: [u64; 2] = [100, 300];
/// Artifacts asked for at a time: the most that a server gives.
const PAGE_ARTIFACTS: u32 = 1_000;
/// Longest error body that is read.
const ERROR_BYTES_MAX: usize = 64 * 1024;

/// A segment of a path: RFC 3986's unreserved characters stay.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Where a larder is and who asks.
#[derive(Clone)]
pub struct ServerAddress {
    /// `http://HOST:PORT` or `https://HOST[/PREFIX]`.
    pub url: String,
    /// A token, sent as `Authorization: Bearer`.
    pub token: String,
    /// Certificates in PEM to trust besides the system's, for a server with its own.
    pub ca_pem: Option<Vec<u8>>,
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerAddress")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A larder, spoken to with one token. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Server {
    client: Client,
    /// Follows redirects, as stores of bytes may send them; it drops the token at another host.
    downloads: Client,
    base: Arc<Url>,
    token: Arc<str>,
    /// Whether it has ever answered: one that never has is more likely misnamed than away.
    has_answered: Arc<AtomicBool>,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Server")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Prepares the client; nothing is sent yet. A URL or certificate that cannot be used is a
    /// usage error.
    pub fn new(address: &ServerAddress) -> Result<Self> {
        let refused = |reason: String| Error::Usage(format!("server {}: {reason}", address.url));
        let expected = || refused("expected http://HOST:PORT or https://HOST".to_owned());
        let mut base = Url::parse(&address.url).map_err(|_| expected())?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(expected());
        }
        if address.token.is_empty() || !address.token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused(
                "the token is empty or has a character that no token has".to_owned(),
            ));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let certificates = match &address.ca_pem {
            None => Vec::new(),
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| refused(format!("its certificate file: {error}")))?,
        };
        let is_local = is_loopback(&base);
        let client = |redirects, silence_max: Option<Duration>| {
            let mut builder = Client::builder()
                .connect_timeout(Duration::from_secs(10))
                .redirect(redirects)
                .tls_certs_merge(certificates.clone())
                .tcp_nodelay(true);
            if let Some(silence_max) = silence_max {
                builder = builder.read_timeout(silence_max);
            }
            if is_local {
                builder = builder.no_proxy();
            }
            builder.build().map_err(|error| refused(error.to_string()))
        };
        Ok(Self {
            client: client(Policy::none(), None)?,
            downloads: client(Policy::limited(5), Some(SILENCE_MAX))?,
            base: Arc::new(base),
            token: address.token.as_str().into(),
            has_answered: Arc::default(),
        })
    }

    /// The same server for somebody else, such as a job with the token it was given.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.into(),
            ..self.clone()
        }
    }

    /// Announces a build of the project `vcs/org/name` and its jobs.
    pub async fn announce_build(
        &self,
        project: &str,
        build: &AnnounceBuild,
    ) -> Result<AnnouncedBuild> {
        let mut segments = vec!["projects"];
        segments.extend(project.split('/'));
        segments.push("builds");
        let url = self.url(&segments);
        let what = format!("announce a build of {project}");
        // Sent again only where it cannot have arrived: a second one would be a second build.
        let request = || self.json(Method::POST, url.clone(), build);
        read_json(
            &what,
            self.send(
                &what,
                &FIRST_PATIENCE_MS,
                request,
                reqwest::Error::is_connect,
            )
            .await?,
        )
        .await
    }

    /// One build with its jobs.
    pub async fn build(&self, id: &str) -> Result<BuildBody> {
        self.fetch("read the build", self.url(&["builds", id]))
            .await
    }

    /// One job.
    pub async fn job(&self, id: &str) -> Result<JobBody> {
        self.fetch("read the job", self.url(&["jobs", id])).await
    }

    /// Starts a queued job, which gives it its number. One that runs stays as it is.
    pub async fn start_job(&self, id: &str) -> Result<JobBody> {
        let url = self.url(&["jobs", id]);
        let start = FinishJob {
            state: JobState::Running,
            exit_status: None,
        };
        let response = self
            .call("start the job", || {
                self.json(Method::PATCH, url.clone(), &start)
            })
            .await?;
        read_json("start the job", response).await
    }

    /// Ends a job. The same state again is not an error.
    pub async fn finish_job(&self, id: &str, end: &FinishJob) -> Result<()> {
        let url = self.url(&["jobs", id]);
        self.call("finish the job", || {
            self.json(Method::PATCH, url.clone(), end)
        })
        .await?;
        Ok(())
    }

    /// Deletes an artifact.
    pub async fn delete_artifact(&self, id: &str) -> Result<()> {
        let url = self.url(&["artifacts", id]);
        self.call("delete the artifact", || {
            self.request(Method::DELETE, url.clone())
        })
        .await
        .map(drop)
    }

    /// Says where a step is; it also tells the server that the job lives.
    pub async fn report_step(&self, job: &str, seq: u32, step: &StepReport) -> Result<()> {
        let url = self.url(&["jobs", job, "steps", &seq.to_string()]);
        self.call("report a step", || {
            self.json(Method::PUT, url.clone(), step)
        })
        .await?;
        Ok(())
    }

    /// The steps of a job that the server has heard of.
    pub(crate) async fn steps(&self, job: &str) -> Result<StepList> {
        self.fetch("list the steps", self.url(&["jobs", job, "steps"]))
            .await
    }

    /// Keeps a piece of a step's output, at most [`larder_protocol::OUTPUT_CHUNK_BYTES_MAX`] bytes.
    pub async fn append_output(
        &self,
        job: &str,
        seq: u32,
        offset: u64,
        chunk: Bytes,
    ) -> Result<()> {
        let mut url = self.url(&["jobs", job, "steps", &seq.to_string(), "output"]);
        url.query_pairs_mut()
            .append_pair("offset", &offset.to_string());
        self.call("keep output", || {
            self.request(Method::POST, url.clone())
                .timeout(CALL_TIMEOUT)
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(chunk.clone())
        })
        .await?;
        Ok(())
    }

    /// Keeps the results of one report of tests; the same number again replaces it.
    pub async fn put_tests(&self, job: &str, report: u32, tests: &TestReport) -> Result<()> {
        let url = self.url(&["jobs", job, "tests", &report.to_string()]);
        self.call("keep test results", || {
            self.json(Method::PUT, url.clone(), tests)
        })
        .await?;
        Ok(())
    }

    /// How long to wait before the second, third … attempt, in milliseconds.
    pub(crate) fn patience(&self) -> &'static [u64] {
        if self.has_answered.load(Ordering::Relaxed) {
            &PATIENCE_MS
        } else {
            &FIRST_PATIENCE_MS
        }
    }

    /// A page of a job's artifacts, oldest first; `after` is the `next` of the page before.
    pub async fn job_artifacts(&self, job: &str, after: Option<&str>) -> Result<ArtifactList> {
        self.fetch(
            "list artifacts",
            self.page(&["jobs", job, "artifacts"], after),
        )
        .await
    }

    /// A page of the artifacts of all of a build's jobs, oldest first.
    pub async fn build_artifacts(&self, build: &str, after: Option<&str>) -> Result<ArtifactList> {
        self.fetch(
            "list artifacts",
            self.page(&["builds", build, "artifacts"], after),
        )
        .await
    }

    fn url(&self, segments: &[&str]) -> Url {
        let encoded: Vec<String> = segments
            .iter()
            .map(|segment| utf8_percent_encode(segment, SEGMENT).to_string())
            .collect();
        let mut url = Url::clone(&self.base);
        url.set_path(&format!(
            "{}larder/v1/{}",
            self.base.path(),
            encoded.join("/")
        ));
        url
    }

    fn page(&self, segments: &[&str], after: Option<&str>) -> Url {
        let mut url = self.url(segments);
        url.query_pairs_mut()
            .append_pair("limit", &PAGE_ARTIFACTS.to_string());
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", after);
        }
        url
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).bearer_auth(&self.token)
    }

    fn json(&self, method: Method, url: Url, body: &impl Serialize) -> RequestBuilder {
        self.request(method, url).timeout(CALL_TIMEOUT).json(body)
    }

    async fn fetch<T: DeserializeOwned>(&self, what: &str, url: Url) -> Result<T> {
        let request = || self.request(Method::GET, url.clone()).timeout(CALL_TIMEOUT);
        read_json(what, self.call(what, request).await?).await
    }

    /// Sends an idempotent request, again and again while a server that is known to be there is away.
    async fn call(&self, what: &str, request: impl Fn() -> RequestBuilder) -> Result<Response> {
        self.send(what, self.patience(), request, |_| true).await
    }

    async fn send(
        &self,
        what: &str,
        patience_ms: &[u64],
        request: impl Fn() -> RequestBuilder,
        may_repeat: impl Fn(&reqwest::Error) -> bool,
    ) -> Result<Response> {
        let mut waits = patience_ms.iter();
        loop {
            let answer = request().send().await;
            let is_final = match &answer {
                Ok(response) => {
                    self.has_answered.store(true, Ordering::Relaxed);
                    !is_passing(response.status())
                }
                Err(error) => !may_repeat(error),
            };
            let Some(&wait) = waits.next().filter(|_| !is_final) else {
                let response =
                    answer.map_err(|error| unreachable(what, self.base.as_str(), &error))?;
                return accept(what, response).await;
            };
            tokio::time::sleep(Duration::from_millis(wait)).await;
        }
    }
}

/// Answers that a moment's patience turns into others.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse()
            .is_ok_and(|address: std::net::Ipv4Addr| address.is_loopback()),
        None => false,
    }
}

fn unreachable(what: &str, url: &str, error: &reqwest::Error) -> Error {
    // The innermost cause is the one that says something: "connection refused".
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    Error::Unreachable {
        what: what.to_owned(),
        url: url.to_owned(),
        reason: reason.to_string(),
    }
}

async fn accept(what: &str, response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let mut body = Vec::new();
    let mut response = response;
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ERROR_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ERROR_BYTES_MAX {
            break;
        }
    }
    let said = serde_json::from_slice::<ErrorBody>(&body).unwrap_or_else(|_| ErrorBody {
        code: String::new(),
        message: status
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned(),
    });
    Err(Error::Refused {
        what: what.to_owned(),
        status: status.as_u16(),
        code: said.code,
        message: said.message,
    })
}

async fn read_json<T: DeserializeOwned>(what: &str, response: Response) -> Result<T> {
    let damaged = |reason: String| Error::Damaged {
        what: what.to_owned(),
        reason,
    };
    let body = response
        .bytes()
        .await
        .map_err(|error| damaged(error.to_string()))?;
    serde_json::from_slice(&body).map_err(|error| damaged(format!("the server's answer: {error}")))
}
