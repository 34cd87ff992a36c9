//! How CircleCI's clients carry tokens: `Circle-Token`, the user name of Basic, Bearer, `?circle-token=`. All are
//! accepted on every route, and the first that is not empty counts: go-circleci sends an empty query value when it has
//! no token, and pycircleci sends two carriers at once. Without a token a browser's session counts where there is one.

use super::error::{Error, Form};
use crate::http::session;
use crate::http::state::App;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use larder_core::TokenFault;
use larder_core::model::Principal;

/// Who asks. A wrong token is refused even where none would be needed.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let form = Form::of_path(parts.uri.path());
        let Some(token) = token(parts).map_err(|cause| Error::new(form, cause))? else {
            return Ok(Self(session::caller(parts).unwrap_or(Principal::Anonymous)));
        };
        match app.larder().access.authenticate(&token).await {
            Ok(principal) => Ok(Self(principal)),
            Err(cause) => Err(Error::new(form, cause)),
        }
    }
}

fn token(parts: &Parts) -> Result<Option<String>, larder_core::Error> {
    let carriers = [
        header(parts, "circle-token")?,
        authorization(parts)?,
        query(parts),
    ];
    Ok(carriers
        .into_iter()
        .flatten()
        .find(|token| !token.is_empty()))
}

fn header(parts: &Parts, name: &str) -> Result<Option<String>, larder_core::Error> {
    match parts.headers.get(name).map(|value| value.to_str()) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value.trim().to_owned())),
        Some(Err(_)) => Err(malformed()),
    }
}

/// Other schemes are other people's: they say nothing here.
fn authorization(parts: &Parts) -> Result<Option<String>, larder_core::Error> {
    let Some(value) = header(parts, AUTHORIZATION.as_str())? else {
        return Ok(None);
    };
    let (scheme, credential) = value.split_once(' ').unwrap_or((&value, ""));
    let credential = credential.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(credential.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = STANDARD.decode(credential).map_err(|_| malformed())?;
    let pair = String::from_utf8(decoded).map_err(|_| malformed())?;
    let user = pair.split_once(':').map_or(pair.as_str(), |(user, _)| user);
    Ok(Some(user.to_owned()))
}

fn query(parts: &Parts) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).ok()?;
    pairs
        .into_iter()
        .find(|(name, value)| name == "circle-token" && !value.is_empty())
        .map(|(_, value)| value)
}

fn malformed() -> larder_core::Error {
    larder_core::Error::InvalidToken(TokenFault::Malformed)
}
