//! What every handler is given.

use crate::config::{BaseUrl, ContentUrl, HostPattern, JobHost, ServeHtml, SignInConfig};
use crate::http::password_tries::PasswordTries;
use axum::http::uri::Authority;
use larder_core::Larder;
use larder_core::model::Project;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

/// Cheap to clone; every handler is given one.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    larder: Larder,
    settings: AppSettings,
    password_tries: PasswordTries,
    is_draining: AtomicBool,
    probes: Probes,
}

/// Whose turn it is to ask whether a store is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    pub(crate) database: Arc<Mutex<()>>,
    pub(crate) blobs: Arc<Mutex<()>>,
}

/// Under which addresses the larder is reached, and how it shows what it keeps.
#[derive(Clone, Debug)]
pub struct AppSettings {
    /// Scheme, host and path before every route.
    pub public_url: BaseUrl,
    /// The host that serves user content, if that is another one.
    pub content_url: Option<ContentUrl>,
    /// How HTML of users is shown.
    pub serve_html: ServeHtml,
    /// Whom a trusted proxy signs in.
    pub sign_in: Arc<SignInConfig>,
}

impl App {
    /// An app over an open larder.
    pub fn new(larder: Larder, settings: AppSettings) -> Self {
        Self(Arc::new(Inner {
            larder,
            settings,
            password_tries: PasswordTries::default(),
            is_draining: AtomicBool::new(false),
            probes: Probes::default(),
        }))
    }

    /// From now on the server wants no more work.
    pub fn begin_to_drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the server was told to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.is_draining.load(Ordering::Relaxed)
    }

    pub(crate) fn probes(&self) -> &Probes {
        &self.0.probes
    }

    /// Who may still try passwords.
    pub fn password_tries(&self) -> &PasswordTries {
        &self.0.password_tries
    }

    /// The path of the public address, before every route: empty, or with a `/` at its beginning.
    pub fn base_path(&self) -> &str {
        self.0.settings.public_url.path()
    }

    /// Scheme, host and port of the public address, as browsers write an origin.
    pub fn origin(&self) -> &str {
        let (url, path) = (self.public_url(), self.base_path());
        url.strip_suffix(path).unwrap_or(url)
    }

    /// Whether browsers reach the public address through TLS.
    pub fn is_https(&self) -> bool {
        self.0.settings.public_url.is_https()
    }

    /// The larder.
    pub fn larder(&self) -> &Larder {
        &self.0.larder
    }

    /// Scheme, host and path before every route, without a `/` at the end.
    pub fn public_url(&self) -> &str {
        self.0.settings.public_url.as_str()
    }

    /// Whom a trusted proxy signs in.
    pub fn sign_in(&self) -> &Arc<SignInConfig> {
        &self.0.settings.sign_in
    }

    /// How HTML of users is shown.
    pub fn serve_html(&self) -> ServeHtml {
        self.0.settings.serve_html
    }

    /// The address of a job's own content host, without a `/` at the end, if jobs have one:
    /// `https://24-88881093-gh.artifacts.example`.
    pub fn job_content_url(&self, project: &Project, number: i64) -> Option<String> {
        let Some(ContentUrl::PerJob(pattern)) = &self.0.settings.content_url else {
            return None;
        };
        let job = JobHost {
            n: u64::try_from(number).ok()?,
            project: u64::try_from(project.number).ok()?,
            vcs: project.organization.vcs.short().to_owned(),
        };
        Some(HostPattern::url_for(pattern, &job))
    }

    /// The job whose own content host this is; `authority` is a host with its port, if it has one.
    pub fn job_of_host(&self, authority: &str) -> Option<JobHost> {
        let Some(ContentUrl::PerJob(pattern)) = &self.0.settings.content_url else {
            return None;
        };
        let authority: Authority = authority.parse().ok()?;
        let default = if pattern.sample().is_https() { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(default);
        if port != pattern.sample().port() {
            return None;
        }
        pattern.job_of(&authority.host().to_ascii_lowercase())
    }

    /// Where a link made by [`larder_core::Artifacts::link`] leads; the trailing name is for people and ignored.
    pub fn link_url(&self, link: &larder_core::Link) -> String {
        let host = match &self.0.settings.content_url {
            Some(ContentUrl::Host(url)) => url.as_str(),
            _ => self.public_url(),
        };
        let name = crate::http::encode_segment(link.artifact.path.file_name());
        format!("{host}/d/{}/{name}", link.token)
    }
}
