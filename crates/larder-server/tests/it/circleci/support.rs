//! A larder in a folder of its own, with a clock that stands still, and requests to its router.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use larder_core::clock::{Clock, Timestamp};
use larder_core::model::{
    Artifact, ArtifactPath, EndState, Job, NewArtifact, NewBuild, NewJob, Principal, Project,
    ProjectSlug, Role, Scopes,
};
use larder_core::{AnnouncedNode, Incoming, Larder, NewTokenRequest, Settings};
use larder_server::app;
use larder_server::config::ServeHtml;
use larder_server::http::state::{App, AppSettings};
use tower::ServiceExt as _;

/// The project that most tests work on.
pub(crate) const DEMO: &str = "github/acme/demo";

pub(crate) struct TestLarder {
    pub(crate) larder: Larder,
    pub(crate) clock: Clock,
    router: Router,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and text, for comparing both at once.
    pub(crate) fn pair(&self) -> (u16, &str) {
        (self.status.as_u16(), self.text())
    }
}

impl TestLarder {
    pub(crate) fn start() -> Self {
        Self::with_content_url(None)
    }

    pub(crate) fn with_content_url(content_url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp(1_795_227_300_000));
        let larder = Larder::open(Settings::in_folder(folder.path()), clock.clone()).unwrap();
        let addresses = AppSettings {
            public_url: "https://larder.test".parse().unwrap(),
            content_url: content_url.map(|url| url.to_owned().try_into().unwrap()),
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

    pub(crate) async fn project(&self, slug: &str, public: bool) -> Project {
        let slug = ProjectSlug::parse(slug).unwrap();
        self.larder
            .projects
            .create(&Principal::Operator, &slug, public)
            .await
            .unwrap()
    }

    /// A user with a role on the demo project, and a personal token.
    pub(crate) async fn token(&self, user: &str, role: Option<Role>, scopes: &str) -> String {
        let access = &self.larder.access;
        access
            .create_user(&Principal::Operator, user, false)
            .await
            .unwrap();
        if let Some(role) = role {
            let slug = ProjectSlug::parse(DEMO).unwrap();
            access
                .grant(&Principal::Operator, user, &slug, role)
                .await
                .unwrap();
        }
        self.token_of(user, scopes, None).await
    }

    /// Another token of a user.
    pub(crate) async fn token_of(&self, user: &str, scopes: &str, project: Option<&str>) -> String {
        let request = NewTokenRequest {
            user: user.into(),
            description: "test".into(),
            scopes: Scopes::parse(scopes).unwrap(),
            project: project.map(|slug| ProjectSlug::parse(slug).unwrap()),
            expires_at: None,
        };
        self.larder
            .access
            .issue_token(&Principal::Operator, request)
            .await
            .unwrap()
            .secret
    }

    /// A build of the demo project with one job, by node.
    pub(crate) async fn build(&self, new: NewBuild, parallelism: u32) -> Vec<AnnouncedNode> {
        let jobs = vec![NewJob {
            name: "build".into(),
            parallelism,
            queued: false,
        }];
        let slug = ProjectSlug::parse(DEMO).unwrap();
        let builds = &self.larder.builds;
        builds
            .announce(&Principal::Operator, &slug, new, jobs)
            .await
            .unwrap()
            .nodes
    }

    /// A build of a branch with one job of one node.
    pub(crate) async fn job(&self, branch: &str) -> Job {
        let new = NewBuild {
            branch: Some(branch.into()),
            ..NewBuild::default()
        };
        self.build(new, 1).await.remove(0).job
    }

    pub(crate) async fn finish(&self, job: &Job, end: EndState) {
        self.larder
            .jobs
            .finish(&Principal::Operator, job.id, end, None)
            .await
            .unwrap();
    }

    pub(crate) async fn keep(&self, job: &Job, path: &str, bytes: &str) -> Artifact {
        self.keep_as(job, path, None, bytes).await
    }

    pub(crate) async fn keep_as(
        &self,
        job: &Job,
        path: &str,
        alias: Option<&str>,
        bytes: &str,
    ) -> Artifact {
        let path = ArtifactPath::parse(path).unwrap();
        let new = NewArtifact {
            alias: alias.map(str::to_owned),
            ..NewArtifact::new(path, "text/plain")
        };
        let incoming = Incoming::from_bytes(bytes.to_owned());
        self.larder
            .artifacts
            .keep(&Principal::Operator, job.id, new, incoming)
            .await
            .unwrap()
            .artifact
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// What curl would send: any type is welcome.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[("accept", "*/*")]).await
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.ask(
            Method::GET,
            path,
            &[("accept", "*/*"), ("circle-token", token)],
        )
        .await
    }
}
