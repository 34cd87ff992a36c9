//! `/v2/access-token`: the token that the caller came with. It needs no scope.

use crate::api::buildkite::rest::answer::{Json, no_content};
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::user::email_of;
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use larder_core::Error as CoreError;
use larder_core::clock::Timestamp;
use larder_core::model::Scope;
use serde::Serialize;

/// Clients look for the scope that they need by its word, so that `admin` alone would tell them nothing.
const SCOPES: [Scope; 9] = [
    Scope::ReadArtifacts,
    Scope::WriteArtifacts,
    Scope::DeleteArtifacts,
    Scope::ReadBuilds,
    Scope::WriteBuilds,
    Scope::ReadUser,
    Scope::ReadOrganizations,
    Scope::ReadPipelines,
    Scope::Admin,
];

#[derive(Serialize)]
pub(super) struct TokenBody {
    uuid: String,
    scopes: Vec<&'static str>,
    description: String,
    created_at: String,
    expires_at: Option<String>,
    user: Option<TokenUserBody>,
}

#[derive(Serialize)]
struct TokenUserBody {
    name: String,
    email: Option<String>,
}

/// `GET /v2/access-token`
pub(super) async fn show(Caller(who): Caller) -> Result<Json<TokenBody>, Error> {
    let token = who.token().ok_or(CoreError::Unauthenticated)?;
    let allowed = SCOPES.iter().filter(|scope| token.scopes.allow(**scope));
    Ok(Json(TokenBody {
        uuid: token.id.to_string(),
        scopes: allowed.map(|scope| scope.word()).collect(),
        description: token.description.clone(),
        created_at: to_the_second(token.created_at),
        expires_at: token.expires_at.map(to_the_second),
        user: who.user().map(|user| TokenUserBody {
            name: user.user.name.clone(),
            email: email_of(&who),
        }),
    }))
}

/// `DELETE /v2/access-token`
pub(super) async fn revoke(State(app): State<App>, Caller(who): Caller) -> Result<Response, Error> {
    app.larder().access.revoke_own_token(&who).await?;
    Ok(no_content())
}

/// `2025-07-16 06:07:42 UTC`: this endpoint alone writes times so.
fn to_the_second(time: Timestamp) -> String {
    let text = time.rfc3339();
    let (day, rest) = text.split_once('T').unwrap_or((&text, ""));
    let (clock, _) = rest.split_once('.').unwrap_or((rest, ""));
    format!("{day} {clock} UTC")
}
