//! Requests, with a token or without one if it is empty.

use crate::support::{Answer, TestLarder};
use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

impl TestLarder {
    /// A request to the larder's own host, unless it names another one.
    pub(crate) async fn request(&self, mut request: Request<Body>) -> Answer {
        let host = request.uri().host().unwrap_or("larder.test").parse();
        let headers = request.headers_mut();
        headers.entry(HOST).or_insert(host.unwrap());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (mut parts, body) = response.into_parts();
        // Each answer has an id of its own, and tests compare answers with each other.
        assert!(parts.headers.remove("x-request-id").is_some());
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// Asks with headers, a token's among them if there is to be one.
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
        self.request(request.body(body.into()).unwrap()).await
    }

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
        let bearer = format!("Bearer {token}");
        let mut headers = headers.to_vec();
        if !token.is_empty() {
            headers.push(("authorization", &bearer));
        }
        self.ask(method, path, &headers, body).await
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
