//! Who asks (tokens and browsers' sessions → [`Principal`]), and whether that is allowed ([`authorize()`]).

mod audit_log;
mod authorize;
mod passwords;
mod proxied;
mod secrets;
mod sessions;
mod tokens;
mod users;

pub(crate) use authorize::{Action, Resource, absent, authorize, require_scope, role_on};
pub use proxied::Vouched;
pub use sessions::{SESSION_MS_MAX, SignedIn};
pub(crate) use tokens::job_token;
pub use tokens::{IssuedToken, NewTokenRequest};

use crate::clock::Timestamp;
use crate::error::{Error, Result, TokenFault};
use crate::metadata::{accounts, tokens as rows};
use crate::model::{Credential, JobPrincipal, Principal, TokenId, UserPrincipal};
use crate::store::Store;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// How long a job's token lives after the job's end.
const JOB_TOKEN_GRACE_MS: i64 = 10 * 60 * 1000;
/// Uses of a token or session closer together than this are noted once.
const USE_NOTED_EVERY_MS: i64 = 60 * 1000;

/// Users, tokens, sign-in links and sessions.
#[derive(Clone, Debug)]
pub struct Access(pub(crate) Arc<Store>);

impl Access {
    /// Whose token this is. An unknown, malformed, expired or revoked one is [`Error::InvalidToken`].
    pub async fn authenticate(&self, token: &str) -> Result<Principal> {
        let Some(name) = secrets::public_name(token) else {
            return Err(Error::InvalidToken(TokenFault::Malformed));
        };
        let secret = secrets::digest(token);
        let now = self.0.clock.now();
        let found = self
            .0
            .database
            .read(async move |tx| {
                let Some(row) = rows::by_name(tx, &name).await? else {
                    return Err(Error::InvalidToken(TokenFault::Unknown));
                };
                if !bool::from(row.secret.ct_eq(&secret)) {
                    return Err(Error::InvalidToken(TokenFault::Unknown));
                }
                let used_at = row.used_at;
                Ok((principal(tx, row, now).await?, used_at))
            })
            .await?;
        let (principal, used_at) = found;
        if used_at.is_none_or(|used| now.0 - used.0 >= USE_NOTED_EVERY_MS) {
            self.note_use(&principal, now);
        }
        Ok(principal)
    }

    /// The principal behind a token's id, for links that were issued to it; its token must still work.
    pub(crate) async fn principal_of_token(&self, id: TokenId) -> Result<Principal> {
        let now = self.0.clock.now();
        self.0
            .database
            .read(async move |tx| match rows::by_id(tx, id).await? {
                Some(row) => principal(tx, row, now).await,
                None => Err(Error::InvalidToken(TokenFault::Unknown)),
            })
            .await
    }

    /// Not waited for: the note is for people, and no answer depends on it.
    fn note_use(&self, principal: &Principal, now: Timestamp) {
        let Some(pk) = principal.token().map(|token| token.pk) else {
            return;
        };
        let store = self.0.clone();
        tokio::spawn(async move {
            if let Err(error) = store
                .database
                .write(async move |tx| rows::note_use(tx, pk, now).await)
                .await
            {
                tracing::warn!(%error, "note the use of a token");
            }
        });
    }
}

async fn principal(
    tx: &mut crate::metadata::Tx,
    row: rows::TokenRow,
    now: Timestamp,
) -> Result<Principal> {
    if row.revoked_at.is_some() || row.deleted_at.is_some() {
        return Err(Error::InvalidToken(TokenFault::Revoked));
    }
    if row
        .facts
        .expires_at
        .is_some_and(|expires_at| expires_at <= now)
    {
        return Err(Error::InvalidToken(TokenFault::Expired));
    }
    if let Some(job) = row.job {
        if job
            .finished_at
            .is_some_and(|finished| finished.plus_ms(JOB_TOKEN_GRACE_MS) <= now)
        {
            return Err(Error::InvalidToken(TokenFault::Expired));
        }
        return Ok(Principal::Job(JobPrincipal {
            token: row.facts,
            job_pk: job.pk,
            build_pk: job.build_pk,
            project_number: job.project_pk,
        }));
    }
    let account = row.account_pk.unwrap_or_default();
    let Some(user) = accounts::by_pk(tx, account).await? else {
        return Err(Error::InvalidToken(TokenFault::Revoked));
    };
    let grants = accounts::grants(tx, account).await?;
    Ok(Principal::User(Box::new(UserPrincipal {
        user,
        grants,
        everywhere: None,
        credential: Credential::Token(row.facts),
        only_project: row.project_pk,
    })))
}
