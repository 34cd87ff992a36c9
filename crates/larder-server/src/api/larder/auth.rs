//! How this API carries tokens: `Authorization: Bearer` and in no other way. Without one a browser's session counts where
//! there is one, and nothing is answered without either.

use crate::api::larder::error::Error;
use crate::http::session;
use crate::http::state::App;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use larder_core::model::Principal;

/// Who asks; never anonymous.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let Some(token) = bearer(&parts.headers) else {
            let caller = session::caller(parts);
            return Ok(Self(caller.ok_or(larder_core::Error::Unauthenticated)?));
        };
        Ok(Self(app.larder().access.authenticate(token).await?))
    }
}

/// The first token that is not empty.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .find_map(|value| {
            let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
            let token = token.trim();
            (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
        })
}
