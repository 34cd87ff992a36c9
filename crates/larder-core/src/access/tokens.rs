//! Tokens are issued, listed and taken back.

use crate::access::users::enabled;
use crate::access::{Access, absent, secrets};
use crate::clock::Timestamp;
use crate::error::{Error, Result, What};
use crate::metadata::{Tx, accounts, audit, projects, tokens};
use crate::model::{Principal, ProjectSlug, Scopes, TokenFacts, TokenId, UserPrincipal};

/// Longest description of a token, in letters.
const DESCRIPTION_MAX: usize = 200;

/// What a token for a user shall be.
#[derive(Clone, Debug)]
pub struct NewTokenRequest {
    /// Name of the user for whom it speaks.
    pub user: String,
    /// What people call it.
    pub description: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The only project that it reaches; `None` for all of the user's.
    pub project: Option<ProjectSlug>,
    /// When it stops to work; `None` for never.
    pub expires_at: Option<Timestamp>,
}

/// A token with its secret, which is shown this once.
pub struct IssuedToken {
    /// What it is.
    pub facts: TokenFacts,
    /// The whole token.
    pub secret: String,
}

impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("IssuedToken")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Issues a token; users issue their own, operators any.
    pub async fn issue_token(
        &self,
        who: &Principal,
        request: NewTokenRequest,
    ) -> Result<IssuedToken> {
        match who {
            Principal::Operator => {}
            Principal::User(user) if user.is_wholly(&request.user) => {}
            Principal::Anonymous => return Err(Error::Unauthenticated),
            Principal::User(_) | Principal::Job(_) => return Err(Error::NotFound(What::User)),
        }
        if request.description.chars().count() > DESCRIPTION_MAX
            || request.description.chars().any(char::is_control)
        {
            return Err(Error::invalid(
                "description",
                format!("may have at most {DESCRIPTION_MAX} letters and no line breaks"),
            ));
        }
        let now = self.0.clock.now();
        let kind = if request.project.is_some() {
            "project"
        } else {
            "personal"
        };
        let (secret, name) = secrets::new_token(kind)?;
        let facts = TokenFacts {
            pk: self.0.database.number().await?,
            id: TokenId::new(now),
            description: request.description.clone(),
            scopes: request.scopes,
            created_at: now,
            expires_at: request.expires_at,
        };
        let row = (facts.clone(), name, secrets::digest(&secret));
        let who = who.clone();
        self.0
            .database
            .write(async move |tx| {
                let user = enabled(tx, &request.user).await?;
                let project_pk = match &request.project {
                    None => None,
                    Some(slug) => {
                        let project = projects::by_slug(tx, slug)
                            .await?
                            .ok_or(Error::NotFound(What::Project))?;
                        Some(project.number)
                    }
                };
                let (facts, name, secret) = row.clone();
                let what = format!("token {} of {}", facts.id, request.user);
                let token = tokens::NewToken {
                    facts,
                    kind,
                    name,
                    secret,
                    account_pk: Some(user.pk),
                    project_pk,
                    job_pk: None,
                };
                tokens::insert(tx, &token).await?;
                audit::record(tx, now, &who, "issue token", &what).await
            })
            .await?;
        Ok(IssuedToken { facts, secret })
    }

    /// Takes back the token that the caller came with.
    pub async fn revoke_own_token(&self, who: &Principal) -> Result<()> {
        let Some(token) = who.token() else {
            return Err(Error::Unauthenticated);
        };
        self.revoke(who, token.pk, token.id).await
    }

    /// Takes back a token by its id; users take back their own, operators any.
    pub async fn revoke_token(&self, who: &Principal, id: TokenId) -> Result<()> {
        let row = self
            .0
            .database
            .read(async move |tx| tokens::by_id(tx, id).await)
            .await?;
        let row = row.ok_or_else(|| absent(who, What::Token))?;
        let is_own = |user: &UserPrincipal| {
            row.account_pk == Some(user.user.pk) && user.is_wholly(&user.user.name)
        };
        match who {
            Principal::Operator => self.revoke(who, row.facts.pk, id).await,
            Principal::User(user) if is_own(user) => self.revoke(who, row.facts.pk, id).await,
            Principal::Anonymous => Err(Error::Unauthenticated),
            Principal::User(_) | Principal::Job(_) => Err(Error::NotFound(What::Token)),
        }
    }

    /// Tokens of a user that still work, newest first; users see their own, operators any.
    pub async fn tokens_of(&self, who: &Principal, user: &str) -> Result<Vec<TokenFacts>> {
        match who {
            Principal::Operator => {}
            Principal::User(own) if own.is_wholly(user) => {}
            Principal::Anonymous => return Err(Error::Unauthenticated),
            Principal::User(_) | Principal::Job(_) => return Err(Error::NotFound(What::User)),
        }
        let (now, user) = (self.0.clock.now(), user.to_owned());
        self.0
            .database
            .read(async move |tx| {
                let user = accounts::by_name(tx, &user)
                    .await?
                    .ok_or(Error::NotFound(What::User))?;
                Ok(tokens::of_account(tx, user.pk, now)
                    .await?
                    .into_iter()
                    .map(|row| row.facts)
                    .collect())
            })
            .await
    }

    async fn revoke(&self, who: &Principal, pk: i64, id: TokenId) -> Result<()> {
        let (now, who) = (self.0.clock.now(), who.clone());
        self.0
            .database
            .write(async move |tx| {
                if tokens::revoke(tx, pk, now).await? {
                    audit::record(tx, now, &who, "revoke token", &format!("token {id}")).await?;
                }
                Ok(())
            })
            .await
    }
}

/// Issues the token of a job inside the transaction that announces it.
pub(crate) async fn job_token(tx: &mut Tx, pk: i64, job: i64, now: Timestamp) -> Result<String> {
    let (secret, name) = secrets::new_token("job")?;
    let token = tokens::NewToken {
        facts: TokenFacts {
            pk,
            id: TokenId::new(now),
            description: "job".into(),
            scopes: Scopes::NONE,
            created_at: now,
            expires_at: None,
        },
        kind: "job",
        name,
        secret: secrets::digest(&secret),
        account_pk: None,
        project_pk: None,
        job_pk: Some(job),
    };
    tokens::insert(tx, &token).await?;
    Ok(secret)
}
