//! What operators do with users and tokens.

use super::{AdminAnswer, NewPassword, OPERATOR, TokenLine, UserLine, invalid};
use larder_core::clock::Timestamp;
use larder_core::model::{Password, ProjectSlug, Role, Scopes, TokenId};
use larder_core::{Larder, NewTokenRequest, Result};

pub(super) async fn list(larder: &Larder) -> Result<AdminAnswer> {
    let users = larder.access.users(OPERATOR).await?;
    let lines = users.into_iter().map(UserLine::from).collect();
    Ok(AdminAnswer::Users(lines))
}

pub(super) async fn set_password(
    larder: &Larder,
    user: &str,
    password: &NewPassword,
) -> Result<AdminAnswer> {
    let password = Password::parse(&password.0)?;
    let access = &larder.access;
    access.set_password(OPERATOR, user, password).await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn disable(larder: &Larder, user: &str) -> Result<AdminAnswer> {
    larder.access.disable_user(OPERATOR, user).await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn enable(larder: &Larder, user: &str) -> Result<AdminAnswer> {
    larder.access.enable_user(OPERATOR, user).await?;
    Ok(AdminAnswer::Done)
}

/// What a token shall be, in the words of an operator.
pub(super) struct TokenWords {
    pub(super) user: String,
    pub(super) scopes: String,
    pub(super) project: Option<String>,
    pub(super) description: String,
    pub(super) days: Option<u32>,
}

pub(super) async fn create_token(larder: &Larder, words: TokenWords) -> Result<AdminAnswer> {
    let scopes = Scopes::parse(&words.scopes).map_err(|reason| invalid("scopes", reason))?;
    let project = words
        .project
        .as_deref()
        .map(ProjectSlug::parse)
        .transpose()?;
    let now = larder.clock().now();
    let request = NewTokenRequest {
        user: words.user,
        description: words.description,
        scopes,
        project,
        expires_at: words.days.map(|days| after_days(now, days)),
    };
    issue_token(larder, request).await
}

pub(super) async fn list_tokens(larder: &Larder, user: &str) -> Result<AdminAnswer> {
    let tokens = larder.access.tokens_of(OPERATOR, user).await?;
    let lines = tokens.into_iter().map(TokenLine::from).collect();
    Ok(AdminAnswer::Tokens(lines))
}

async fn issue_token(larder: &Larder, request: NewTokenRequest) -> Result<AdminAnswer> {
    let issued = larder.access.issue_token(OPERATOR, request).await?;
    Ok(AdminAnswer::Secret(issued.secret))
}

pub(super) async fn revoke_token(larder: &Larder, id: &str) -> Result<AdminAnswer> {
    let known = TokenId::parse(id).ok_or_else(|| invalid("id", format!("`{id}` is not a UUID")))?;
    larder.access.revoke_token(OPERATOR, known).await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn grant(
    larder: &Larder,
    user: &str,
    project: &str,
    role: &str,
) -> Result<AdminAnswer> {
    let known = Role::parse(role).ok_or_else(|| {
        invalid(
            "role",
            format!("`{role}` is not one of reader, writer, admin"),
        )
    })?;
    larder
        .access
        .grant(OPERATOR, user, &ProjectSlug::parse(project)?, known)
        .await?;
    Ok(AdminAnswer::Done)
}

fn after_days(now: Timestamp, days: u32) -> Timestamp {
    now.plus_ms(i64::from(days) * 24 * 60 * 60 * 1000)
}
