//! A larder of its own for each test, with what a test needs in it.

use axum::Router;
use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use larder_core::clock::{Clock, Timestamp};
use larder_core::model::{
    Artifact, ArtifactPath, EndState, JobId, NewArtifact, NewBuild, NewJob, Principal, ProjectSlug,
    Role, Scopes,
};
use larder_core::{Announced, Incoming, Larder, NewTokenRequest, Settings};
use larder_server::app;
use larder_server::config::ServeHtml;
use larder_server::http::state::{App, AppSettings};
use tower::ServiceExt as _;

/// When every test begins.
pub(crate) const START: Timestamp = Timestamp(1_795_227_300_123);
/// Where the test's larder says it is.
pub(crate) const URL: &str = "http://larder.test";

/// An open larder in a folder that goes away with it.
pub(crate) struct TestLarder {
    pub(crate) larder: Larder,
    pub(crate) clock: Clock,
    router: Router,
    _folder: tempfile::TempDir,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl TestLarder {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let larder = Larder::open(Settings::in_folder(folder.path()), clock.clone()).unwrap();
        let addresses = AppSettings {
            public_url: "http://larder.test".parse().unwrap(),
            content_url: None,
            serve_html: ServeHtml::Render,
        };
        let router = app::router(App::new(larder.clone(), addresses));
        Self {
            larder,
            clock,
            router,
            _folder: folder,
        }
    }

    pub(crate) async fn project(&self, slug: &str, public: bool) {
        let slug = ProjectSlug::parse(slug).unwrap();
        let projects = &self.larder.projects;
        projects
            .create(&Principal::Operator, &slug, public)
            .await
            .unwrap();
    }

    /// A user with a role on a project.
    pub(crate) async fn user(&self, name: &str, role: Role, slug: &str) {
        let access = &self.larder.access;
        let created = access.create_user(&Principal::Operator, name, false).await;
        created.unwrap();
        self.grant(name, role, slug).await;
    }

    /// Gives a user one more role.
    pub(crate) async fn grant(&self, user: &str, role: Role, slug: &str) {
        let slug = ProjectSlug::parse(slug).unwrap();
        let access = &self.larder.access;
        let granted = access.grant(&Principal::Operator, user, &slug, role).await;
        granted.unwrap();
    }

    /// Ends a job.
    pub(crate) async fn finish(&self, job: JobId, end: EndState, exit_status: Option<i32>) {
        let jobs = &self.larder.jobs;
        let finished = jobs
            .finish(&Principal::Operator, job, end, exit_status)
            .await;
        finished.unwrap();
    }

    /// A token of a user.
    pub(crate) async fn token(&self, user: &str, scopes: &str) -> String {
        let request = NewTokenRequest {
            user: user.to_owned(),
            description: "a test's".to_owned(),
            scopes: Scopes::parse(scopes).unwrap(),
            project: None,
            expires_at: None,
        };
        let issued = self
            .larder
            .access
            .issue_token(&Principal::Operator, request)
            .await;
        issued.unwrap().secret
    }

    /// Announces a build with running jobs of these names.
    pub(crate) async fn build(&self, slug: &str, new: NewBuild, jobs: &[(&str, u32)]) -> Announced {
        let slug = ProjectSlug::parse(slug).unwrap();
        let jobs = jobs.iter().map(|(name, parallelism)| NewJob {
            name: (*name).to_owned(),
            parallelism: *parallelism,
            queued: false,
        });
        let jobs = jobs.collect();
        self.larder
            .builds
            .announce(&Principal::Operator, &slug, new, jobs)
            .await
            .unwrap()
    }

    /// Keeps a file for a job.
    pub(crate) async fn keep(&self, job: JobId, path: &str, bytes: &'static [u8]) -> Artifact {
        let new = NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain");
        let incoming = Incoming::from_bytes(bytes);
        let kept = self
            .larder
            .artifacts
            .keep(&Principal::Operator, job, new, incoming)
            .await;
        kept.unwrap().artifact
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

    /// Asks with a bearer token, or without if it is empty.
    pub(crate) async fn ask(&self, method: Method, path: &str, token: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::GET, path, token).await
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The status and the `message` of a refusal.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String) {
        let message = self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (self.status.as_u16(), message)
    }
}
