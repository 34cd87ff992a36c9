//! A larder in a folder of its own with a clock that stands still, spoken to without a socket.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use larder_core::clock::{Clock, Timestamp};
use larder_core::model::{Principal, ProjectSlug, Role, Scopes};
use larder_core::{Larder, NewTokenRequest, Settings};
use larder_server::app;
use larder_server::config::ServeHtml;
use larder_server::http::state::{App, AppSettings};
use serde_json::Value;
use tower::ServiceExt as _;

/// Where the clock stands at first: 2026-11-21T02:15:00.000Z.
pub(crate) const START: Timestamp = Timestamp(1_795_227_300_000);
/// The project that is there from the start.
pub(crate) const PROJECT: &str = "github/acme/demo";

/// A larder for one test; its folder goes with it.
pub(crate) struct TestLarder {
    pub(crate) larder: Larder,
    app: App,
    /// Holds `home/data`, the store's folder, and nothing else.
    pub(crate) folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts the status and gives the answer on.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self
    }

    /// Asserts a refusal: its status, its word, and something that its message says.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str, says: &str) -> Self {
        let answer = self.is(status);
        let body = answer.json();
        assert_eq!(body["code"], code, "{body}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(says), "{message:?} does not say {says:?}");
        assert_eq!(body.as_object().unwrap().len(), 2);
        answer
    }
}

impl TestLarder {
    /// A larder with one private project.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| ()).await
    }

    /// The same with other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::in_folder(folder.path().join("home/data"));
        change(&mut settings);
        let larder = Larder::open(settings, Clock::manual(START)).unwrap();
        let settings = AppSettings {
            public_url: "https://larder.example".parse().unwrap(),
            content_url: None,
            serve_html: ServeHtml::Render,
        };
        let app = App::new(larder.clone(), settings);
        let test = Self {
            larder,
            app,
            folder,
        };
        test.project(PROJECT, false).await;
        test
    }

    pub(crate) async fn project(&self, slug: &str, public: bool) {
        let slug = ProjectSlug::parse(slug).unwrap();
        self.larder
            .projects
            .create(&Principal::Operator, &slug, public)
            .await
            .unwrap();
    }

    /// A token of a new user with a role on a project.
    pub(crate) async fn token(
        &self,
        user: &str,
        role: Role,
        project: &str,
        scopes: &str,
    ) -> String {
        let slug = ProjectSlug::parse(project).unwrap();
        self.larder
            .access
            .create_user(&Principal::Operator, user, false)
            .await
            .unwrap();
        self.larder
            .access
            .grant(&Principal::Operator, user, &slug, role)
            .await
            .unwrap();
        self.token_of(user, scopes).await
    }

    /// Another token of a user.
    pub(crate) async fn token_of(&self, user: &str, scopes: &str) -> String {
        let request = NewTokenRequest {
            user: user.into(),
            description: String::new(),
            scopes: Scopes::parse(scopes).unwrap(),
            project: None,
            expires_at: None,
        };
        self.larder
            .access
            .issue_token(&Principal::Operator, request)
            .await
            .unwrap()
            .secret
    }

    /// A token of a user who is admin everywhere.
    pub(crate) async fn admin(&self) -> String {
        self.larder
            .access
            .create_user(&Principal::Operator, "root", true)
            .await
            .unwrap();
        self.token_of("root", "admin").await
    }

    /// Sends a request with a token, or without one if it is empty.
    pub(crate) async fn send(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: impl Into<Body>,
    ) -> Answer {
        self.send_with(token, method, path, &[], body).await
    }

    /// The same with headers.
    pub(crate) async fn send_with(
        &self,
        token: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = app::router(self.app.clone())
            .oneshot(request.body(body.into()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(token, Method::GET, path, "").await
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.send(token, Method::POST, path, body).await
    }

    pub(crate) async fn put(&self, token: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.send(token, Method::PUT, path, body).await
    }

    pub(crate) async fn patch(&self, token: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.send(token, Method::PATCH, path, body).await
    }

    pub(crate) async fn delete(&self, token: &str, path: &str) -> Answer {
        self.send(token, Method::DELETE, path, "").await
    }
}
