//! Parts of a request, refused in this API's words when they are mistaken.

use super::error::{Error, Form};
use crate::http::state::App;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The parameters of a path, percent-decoded.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let form = Form::of_path(parts.uri.path());
        match axum::extract::Path::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(path)) => Ok(Self(path)),
            Err(rejection) => {
                let cause = larder_core::Error::invalid("path", rejection.body_text());
                Err(Error::new(form, cause))
            }
        }
    }
}

/// The parameters of a query. What is empty or the word `None` was not given: Python clients send `None` for what they
/// were not told, and others send empty values.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The first value of that name as it stands, unless it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The first value of that name, unless it is empty or `None`.
    pub(super) fn word(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|value| *value != "None")
    }

    /// A whole number, or what goes without it.
    pub(super) fn number(
        &self,
        name: &'static str,
        default: u32,
    ) -> Result<u32, larder_core::Error> {
        match self.word(name).map(str::parse) {
            None => Ok(default),
            Some(Ok(number)) => Ok(number),
            Some(Err(_)) => Err(larder_core::Error::invalid(
                name,
                "must be a whole number from 0",
            )),
        }
    }

    /// A yes or no; no if it is not given.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool, larder_core::Error> {
        match self.word(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(larder_core::Error::invalid(name, "must be true or false")),
        }
    }
}

impl FromRequestParts<App> for Parameters {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self, Error> {
        match Query::<Vec<(String, String)>>::try_from_uri(&parts.uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(rejection) => {
                let cause = larder_core::Error::invalid("query", rejection.body_text());
                Err(Error::new(Form::of_path(parts.uri.path()), cause))
            }
        }
    }
}
