//! An answer, read to its end.

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The value of a header; empty if it is missing.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status and text, for comparing both at once.
    #[track_caller]
    pub(crate) fn pair(&self) -> (u16, &str) {
        (self.status.as_u16(), self.text())
    }

    /// The status and the `message` of a refusal.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String) {
        let body = self.json();
        let message = body["message"].as_str().unwrap_or_default();
        (self.status.as_u16(), message.to_owned())
    }

    /// Asserts the status and gives the answer on.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        self
    }

    /// Asserts a refusal of the native API: its status, its word, and something that its message says.
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
