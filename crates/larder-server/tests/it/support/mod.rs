//! A larder of its own for each test, in a folder that goes with it, with a clock that stands still, and requests to its
//! router without a socket.

mod answer;

pub(crate) use answer::Answer;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use larder_core::clock::{Clock, Timestamp};
use larder_core::model::{
    Artifact, ArtifactPath, JobId, NewArtifact, NewBuild, NewJob, Principal, Project, ProjectSlug,
    Role, Scopes,
};
use larder_core::{Announced, Incoming, Larder, NewTokenRequest, Settings};
use larder_server::app;
use larder_server::config::ServeHtml;
use larder_server::http::state::{App, AppSettings};
use tower::ServiceExt as _;

/// When every test begins: 2026-11-21T02:15:00.123Z.
pub(crate) const START: Timestamp = Timestamp(1_795_227_300_123);
/// Where the test's larder says it is.
pub(crate) const URL: &str = "https://larder.test";
/// The project that most tests work on.
pub(crate) const DEMO: &str = "github/acme/demo";

/// An open larder.
pub(crate) struct TestLarder {
    pub(crate) larder: Larder,
    pub(crate) clock: Clock,
    router: Router,
    /// Holds `data`, the store's folder, and nothing else.
    pub(crate) folder: tempfile::TempDir,
}

impl TestLarder {
    pub(crate) fn start() -> Self {
        Self::start_with(None, |_| ())
    }

    /// With a host for user content.
    pub(crate) fn with_content_url(content_url: &str) -> Self {
        Self::start_with(Some(content_url), |_| ())
    }

    /// With other settings.
    pub(crate) fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_with(None, change)
    }

    fn start_with(content_url: Option<&str>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, START, content_url, change)
    }

    /// A larder with rows of its own, which are as they are here now, over the same bytes.
    pub(crate) fn copy(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        for entry in std::fs::read_dir(&self.larder.settings().data).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_file() {
                std::fs::copy(entry.path(), data.join(entry.file_name())).unwrap();
            }
        }
        let blobs = self.larder.settings().blobs.clone();
        let same_bytes = |settings: &mut Settings| settings.blobs = blobs;
        Self::in_folder(folder, self.clock.now(), None, same_bytes)
    }

    fn in_folder(
        folder: tempfile::TempDir,
        now: Timestamp,
        content_url: Option<&str>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let clock = Clock::manual(now);
        let mut settings = Settings::in_folder(folder.path().join("data"));
        change(&mut settings);
        let larder = Larder::open(settings, clock.clone()).unwrap();
        let addresses = AppSettings {
            public_url: URL.parse().unwrap(),
            content_url: content_url.map(|url| url.to_owned().try_into().unwrap()),
            serve_html: ServeHtml::Render,
        };
        let router = app::router(App::new(larder.clone(), addresses));
        Self {
            larder,
            clock,
            router,
            folder,
        }
    }

    pub(crate) async fn project(&self, slug: &str, public: bool) -> Project {
        let slug = ProjectSlug::parse(slug).unwrap();
        let projects = &self.larder.projects;
        let created = projects.create(&Principal::Operator, &slug, public).await;
        created.unwrap()
    }

    /// A user without a role.
    pub(crate) async fn user(&self, name: &str) {
        let access = &self.larder.access;
        let created = access.create_user(&Principal::Operator, name, false).await;
        created.unwrap();
    }

    /// A user who is admin everywhere.
    pub(crate) async fn root(&self, name: &str) {
        let access = &self.larder.access;
        let created = access.create_user(&Principal::Operator, name, true).await;
        created.unwrap();
    }

    pub(crate) async fn grant(&self, user: &str, role: Role, slug: &str) {
        let (access, slug) = (&self.larder.access, ProjectSlug::parse(slug).unwrap());
        let granted = access.grant(&Principal::Operator, user, &slug, role).await;
        granted.unwrap();
    }

    /// A personal token of a user, which does not expire.
    pub(crate) async fn token(&self, user: &str, scopes: &str) -> String {
        self.token_for(user, scopes, None, None).await
    }

    /// A token of a user: for one project only, or for some time only.
    pub(crate) async fn token_for(
        &self,
        user: &str,
        scopes: &str,
        project: Option<&str>,
        expires_at: Option<Timestamp>,
    ) -> String {
        let request = NewTokenRequest {
            user: user.to_owned(),
            description: "a test's".to_owned(),
            scopes: Scopes::parse(scopes).unwrap(),
            project: project.map(|slug| ProjectSlug::parse(slug).unwrap()),
            expires_at,
        };
        let access = &self.larder.access;
        let issued = access.issue_token(&Principal::Operator, request).await;
        issued.unwrap().secret
    }

    /// Announces a build with running jobs of these names and numbers of nodes.
    pub(crate) async fn build(&self, slug: &str, new: NewBuild, jobs: &[(&str, u32)]) -> Announced {
        let slug = ProjectSlug::parse(slug).unwrap();
        let jobs = jobs.iter().map(|(name, parallelism)| NewJob {
            name: (*name).to_owned(),
            parallelism: *parallelism,
            queued: false,
        });
        let (builds, jobs) = (&self.larder.builds, jobs.collect());
        let announced = builds.announce(&Principal::Operator, &slug, new, jobs);
        announced.await.unwrap()
    }

    /// Keeps a file for a job.
    pub(crate) async fn keep(&self, job: JobId, path: &str, bytes: &'static str) -> Artifact {
        let new = NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain");
        self.keep_as(job, new, bytes).await
    }

    pub(crate) async fn keep_as(
        &self,
        job: JobId,
        new: NewArtifact,
        bytes: &'static str,
    ) -> Artifact {
        let (artifacts, incoming) = (&self.larder.artifacts, Incoming::from_bytes(bytes));
        let kept = artifacts.keep(&Principal::Operator, job, new, incoming);
        kept.await.unwrap().artifact
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Asks with headers and a body.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }
}
