//! How this API carries tokens: `Authorization: Bearer`, the agent's `Token`, or `?access_token=`. Basic is not
//! supported, as the document says, and counts as no token. Without a token a browser's session counts where there is one.

use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::query::Query;
use crate::http::session;
use crate::http::state::App;
use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use larder_core::Error as CoreError;
use larder_core::model::Principal;

/// Who asks. There is no caller without a token or session here, whether or not what is asked for exists or is public.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let query = Query::of(parts);
        let token = in_header(parts).or_else(|| query.first("access_token"));
        match token {
            Some(token) => Ok(Self(app.larder().access.authenticate(token).await?)),
            None => Ok(Self(
                session::caller(parts).ok_or(CoreError::Unauthenticated)?,
            )),
        }
    }
}

fn in_header(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    let token = token.trim();
    (known && !token.is_empty()).then_some(token)
}
