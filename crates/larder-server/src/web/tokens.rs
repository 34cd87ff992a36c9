//! User Settings → API Tokens: tokens are made, shown once and taken back.

use super::format::Moment;
use super::page::{Frame, see_other};
use super::visitor::{Posted, Visitor};
use askama::Template;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use larder_core::model::{Scope, Scopes, TokenFacts, TokenId};
use larder_core::{Error, IssuedToken, NewTokenRequest, What};

/// What a token may do, in the order of the form; the ones marked are chosen at first: whatever only reads.
const SCOPES: [(Scope, &str, bool); 9] = [
    (Scope::ReadArtifacts, "List and download artifacts", true),
    (Scope::ReadBuilds, "See builds, jobs and their output", true),
    (Scope::ReadUser, "See who I am", true),
    (Scope::ReadOrganizations, "See organizations", true),
    (Scope::ReadPipelines, "See projects", true),
    (Scope::WriteArtifacts, "Create artifacts", false),
    (Scope::DeleteArtifacts, "Delete artifacts", false),
    (Scope::WriteBuilds, "Announce builds and finish jobs", false),
    (Scope::Admin, "Everything that I may do", false),
];

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    tokens: Vec<TokenRow>,
}

struct TokenRow {
    id: String,
    name: String,
    scopes: String,
    created: Moment,
    expires: Option<Moment>,
    /// Of the token that has just been made: it is shown this once.
    secret: Option<String>,
}

#[derive(Template)]
#[template(path = "token_new.html")]
struct NewTokenPage {
    frame: Frame,
    scopes: Vec<ScopeChoice>,
}

struct ScopeChoice {
    word: &'static str,
    text: &'static str,
    is_chosen: bool,
}

/// `GET /account/api`: where CircleCI's documents send people for tokens.
pub(super) async fn moved(visitor: Visitor) -> Response {
    let target = format!("{}/settings/tokens", visitor.app.base_path());
    (StatusCode::FOUND, [(header::LOCATION, target)]).into_response()
}

/// `GET /settings/tokens`
pub(super) async fn list(visitor: Visitor) -> Response {
    visitor.answer(tokens_page(&visitor, None).await)
}

/// `GET /settings/tokens/new`
pub(super) async fn form(visitor: Visitor) -> Response {
    let page = visitor.user().map(|_| NewTokenPage {
        frame: visitor.frame(),
        scopes: SCOPES
            .iter()
            .map(|(scope, text, is_chosen)| ScopeChoice {
                word: scope.word(),
                text,
                is_chosen: *is_chosen,
            })
            .collect(),
    });
    visitor.answer(page)
}

/// `POST /settings/tokens`: the answer is the list with the new token's secret in it, and no redirect, since the secret
/// is kept nowhere.
pub(super) async fn add(posted: Posted) -> Response {
    let page = match issue(&posted).await {
        Ok(issued) => tokens_page(&posted.visitor, Some(issued)).await,
        Err(error) => Err(error),
    };
    posted.visitor.answer(page)
}

/// `POST /settings/tokens/{id}/revoke`
pub(super) async fn revoke(Path(id): Path<String>, posted: Posted) -> Response {
    let visitor = &posted.visitor;
    let access = &visitor.app.larder().access;
    let revoked = match TokenId::parse(&id) {
        Some(id) => access.revoke_token(&visitor.who, id).await,
        None => Err(visitor.missing(What::Token)),
    };
    match revoked {
        Ok(()) => see_other(&visitor.frame(), "/settings/tokens"),
        Err(error) => visitor.refuse(&error),
    }
}

async fn issue(posted: &Posted) -> Result<IssuedToken, Error> {
    let visitor = &posted.visitor;
    let user = visitor.user()?.user.name.clone();
    let name = posted.field("name");
    if name.is_empty() {
        return Err(Error::invalid("name", "give the token a name"));
    }
    let scopes = Scopes::parse(&posted.all("scope").join(","));
    let request = NewTokenRequest {
        user,
        description: name.to_owned(),
        scopes: scopes.map_err(|reason| Error::invalid("scope", reason))?,
        project: None,
        expires_at: None,
    };
    let access = &visitor.app.larder().access;
    access.issue_token(&visitor.who, request).await
}

async fn tokens_page(visitor: &Visitor, issued: Option<IssuedToken>) -> Result<TokensPage, Error> {
    let user = visitor.user()?;
    let access = &visitor.app.larder().access;
    let tokens = access.tokens_of(&visitor.who, &user.user.name).await?;
    let secret_of = |token: &TokenFacts| {
        let issued = issued.as_ref().filter(|issued| issued.facts.id == token.id);
        issued.map(|issued| issued.secret.clone())
    };
    Ok(TokensPage {
        frame: visitor.frame(),
        tokens: tokens
            .iter()
            .map(|token| TokenRow::of(token, secret_of(token)))
            .collect(),
    })
}

impl TokenRow {
    fn of(token: &TokenFacts, secret: Option<String>) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.description.clone(),
            scopes: token.scopes.words().join(" "),
            created: token.created_at.into(),
            expires: token.expires_at.map(Moment::from),
            secret,
        }
    }
}
