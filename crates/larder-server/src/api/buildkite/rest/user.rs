//! `/v2/user`

use crate::api::buildkite::rest::addresses::graphql_id;
use crate::api::buildkite::rest::answer::{Json, Null};
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use larder_core::model::{Principal, Scope};
use larder_core::{Error as CoreError, Lack};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct UserBody {
    id: String,
    graphql_id: String,
    name: String,
    email: Option<String>,
    avatar_url: Null,
    created_at: String,
}

/// `GET /v2/user`
pub(super) async fn user(Caller(who): Caller) -> Result<Json<UserBody>, Error> {
    let Some(user) = who.user() else {
        return Err(CoreError::Forbidden(Lack::JobToken).into());
    };
    if !who.has_scope(Scope::ReadUser) {
        return Err(CoreError::Forbidden(Lack::Scope(Scope::ReadUser)).into());
    }
    Ok(Json(UserBody {
        id: user.user.id.to_string(),
        graphql_id: graphql_id("User", user.user.id),
        name: user.user.name.clone(),
        email: email_of(&who),
        avatar_url: (),
        created_at: user.user.created_at.rfc3339(),
    }))
}

/// Users have a name only; it may be an address.
pub(super) fn email_of(who: &Principal) -> Option<String> {
    let name = &who.user()?.user.name;
    name.contains('@').then(|| name.clone())
}
