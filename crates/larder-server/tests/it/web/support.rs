//! A larder in a folder of its own, and browsers that look at its pages.

use crate::stores::Beside;
use crate::support::service_over;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use larder_core::clock::{Clock, Timestamp};
use larder_core::model::{
    ArtifactPath, EndState, Job, NewArtifact, NewBuild, NewJob, NewStep, Principal, ProjectSlug,
    Role, Scopes, StepState,
};
use larder_core::{Incoming, Larder, NewTokenRequest, Settings};
use std::cell::RefCell;
use tower::ServiceExt as _;

pub(super) const DEMO: &str = "github/acme/demo";
pub(super) const OPERATOR: &Principal = &Principal::Operator;

pub(super) struct TestLarder {
    pub(super) larder: Larder,
    pub(super) clock: Clock,
    pub(super) router: Router,
    /// Whom requests name that name nobody else.
    host: String,
    /// The store beside the larder's back.
    pub(super) beside: Beside,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

/// A browser: it keeps its cookie, says that it navigates, and says where its forms come from.
pub(super) struct Browser<'a> {
    larder: &'a TestLarder,
    pub(super) cookie: RefCell<Option<String>>,
}

impl TestLarder {
    pub(super) async fn start() -> Self {
        Self::at("https://larder.test", None).await
    }

    pub(super) async fn at(public_url: &str, content_url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp(1_795_227_300_000));
        let mut settings = Settings::in_folder(folder.path());
        let beside = Beside::place(&mut settings).await;
        let larder = Larder::open(settings, clock.clone()).await.unwrap();
        let router = service_over(&larder, public_url, content_url);
        let host = public_url.split('/').nth(2).unwrap().to_owned();
        Self {
            larder,
            clock,
            router,
            host,
            beside,
            _folder: folder,
        }
    }

    pub(super) async fn project(&self, public: bool) {
        let slug = ProjectSlug::parse(DEMO).unwrap();
        self.larder
            .projects
            .create(OPERATOR, &slug, public)
            .await
            .unwrap();
    }

    pub(super) async fn user(&self, name: &str, role: Option<Role>) {
        let access = &self.larder.access;
        access.create_user(OPERATOR, name, false).await.unwrap();
        if let Some(role) = role {
            let slug = ProjectSlug::parse(DEMO).unwrap();
            access.grant(OPERATOR, name, &slug, role).await.unwrap();
        }
    }

    pub(super) async fn token(&self, user: &str, scopes: &str, project: Option<&str>) -> String {
        let request = NewTokenRequest {
            user: user.into(),
            description: "test".into(),
            scopes: Scopes::parse(scopes).unwrap(),
            project: project.map(|slug| ProjectSlug::parse(slug).unwrap()),
            expires_at: None,
        };
        let issued = self.larder.access.issue_token(OPERATOR, request).await;
        issued.unwrap().secret
    }

    /// A finished build of two nodes, with a file of each, and a step of the first.
    pub(super) async fn build(&self) -> Vec<Job> {
        let new = NewBuild {
            branch: Some("main".into()),
            revision: Some("0123456789abcdef".into()),
            message: Some("Bake <b>bread</b>".into()),
            ..NewBuild::default()
        };
        let jobs = vec![NewJob {
            name: "test".into(),
            parallelism: 2,
            queued: false,
        }];
        let slug = ProjectSlug::parse(DEMO).unwrap();
        let builds = &self.larder.builds;
        let announced = builds.announce(OPERATOR, &slug, new, jobs).await.unwrap();
        let nodes: Vec<_> = announced.nodes.into_iter().map(|node| node.job).collect();
        self.step(&nodes[0]).await;
        self.keep(&nodes[0], "out/a b.txt", "first").await;
        self.keep(&nodes[1], "report.html", "<p>second</p>").await;
        for node in &nodes {
            let jobs = &self.larder.jobs;
            jobs.finish(OPERATOR, node.id, EndState::Failed, Some(3))
                .await
                .unwrap();
        }
        nodes
    }

    async fn step(&self, node: &Job) {
        let step = NewStep {
            name: "Knead".into(),
            command: Some("make dough && false".into()),
            state: StepState::Failed,
            exit_status: Some(3),
        };
        let steps = &self.larder.steps;
        steps.report(OPERATOR, node.id, 0, step).await.unwrap();
        let output = "\u{1b}[31msticky\u{1b}[0m <script>\n".into();
        steps.append(OPERATOR, node.id, 0, 0, output).await.unwrap();
    }

    pub(super) async fn keep(&self, job: &Job, path: &str, bytes: &str) {
        let new = NewArtifact::new(ArtifactPath::parse(path).unwrap(), "text/plain");
        let incoming = Incoming::from_bytes(bytes.to_owned());
        let artifacts = &self.larder.artifacts;
        artifacts
            .keep(OPERATOR, job.id, new, incoming)
            .await
            .unwrap();
    }

    pub(super) fn browser(&self) -> Browser<'_> {
        Browser {
            larder: self,
            cookie: RefCell::default(),
        }
    }

    /// A browser in which that user is signed in.
    pub(super) async fn browser_of(&self, user: &str) -> Browser<'_> {
        let browser = self.browser();
        let link = self.link(user, "/").await;
        assert_eq!(browser.post(&link, "").await.status, StatusCode::SEE_OTHER);
        browser
    }

    /// The path of a fresh sign-in link.
    pub(super) async fn link(&self, user: &str, to: &str) -> String {
        let access = &self.larder.access;
        let secret = access.sign_in_link(OPERATOR, user, to).await.unwrap();
        format!("/sign-in/{secret}")
    }

    pub(super) async fn send(&self, mut request: Request<Body>) -> Answer {
        let headers = request.headers_mut();
        headers
            .entry("host")
            .or_insert_with(|| self.host.parse().unwrap());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.into()).unwrap(),
        }
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.to_owned().into()).unwrap())
            .await
    }
}

impl Browser<'_> {
    /// Follows a link.
    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[("sec-fetch-mode", "navigate")], "")
            .await
    }

    /// Sends a form from a page of ours.
    pub(super) async fn post(&self, path: &str, form: &str) -> Answer {
        self.ask(
            Method::POST,
            path,
            &[("sec-fetch-site", "same-origin")],
            form,
        )
        .await
    }

    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let cookie = self.cookie.borrow().clone();
        let mut headers = headers.to_vec();
        headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        if method == Method::POST {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        let answer = self.larder.ask(method, path, &headers, body).await;
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            *self.cookie.borrow_mut() = Some(pair.to_owned());
        }
        answer
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Status and `Location`.
    pub(super) fn leads(&self) -> (u16, &str) {
        (self.status.as_u16(), self.header("location"))
    }

    #[track_caller]
    pub(super) fn shows(&self, text: &str) {
        assert!(self.text.contains(text), "{text} is not in {}", self.text);
    }
}
