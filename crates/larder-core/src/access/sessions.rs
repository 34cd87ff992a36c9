//! Sessions: how a browser goes on speaking for a user after a sign-in link, a password or a token let the user in.
//!
//! A session carries all that the user may do, so only what carries as much begins one: a link, which an operator made,
//! the user's password, or a personal token with the scope `admin`.

use crate::access::{Access, USE_NOTED_EVERY_MS, secrets};
use crate::clock::Timestamp;
use crate::error::{Error, Lack, Result, TokenFault, What};
use crate::metadata::sessions::{self as rows, NewSession, SessionRow};
use crate::metadata::{Tx, accounts, audit};
use crate::model::{Credential, Principal, Scope, SessionId, UserPrincipal};

/// A session that is not used for so long is over.
const IDLE_MS_MAX: i64 = 12 * 60 * 60 * 1000;
/// The longest life of a session, in milliseconds.
pub const SESSION_MS_MAX: i64 = 7 * 24 * 60 * 60 * 1000;
/// Secrets of sessions and of links have so many letters and digits.
const SECRET_LENGTH: usize = 43;

/// A session that has just begun.
pub struct SignedIn {
    /// What the browser keeps; shown this once.
    pub secret: String,
    /// Where the link leads, if a link began it.
    pub path: Option<String>,
}

impl std::fmt::Debug for SignedIn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SignedIn")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Uses up a sign-in link and begins a session of its user.
    pub async fn sign_in_by_link(&self, link: &str) -> Result<SignedIn> {
        let (now, digest) = (self.0.clock.now(), secrets::digest(link));
        let secret = secrets::new_secret()?;
        let session = self.new_session(&secret, now).await?;
        let path = self
            .0
            .database
            .write(async move |tx| {
                let found = accounts::use_sign_in_link(tx, &digest, now).await?;
                let (account_pk, path) = found.ok_or(Error::NotFound(What::SignInLink))?;
                let session = NewSession {
                    account_pk,
                    secret: session.secret.clone(),
                    ..session
                };
                let begun = begin(tx, &session, "by link").await?;
                begun.ok_or(Error::NotFound(What::SignInLink))?;
                Ok(path)
            })
            .await?;
        Ok(SignedIn {
            secret,
            path: Some(path),
        })
    }

    /// Begins a session of the user for whom a token speaks: a personal one with the scope `admin`, since the session
    /// may do whatever the user may. The session ends with the token.
    pub async fn sign_in_by_token(&self, token: &str) -> Result<SignedIn> {
        let principal = self.authenticate(token).await?;
        let lack = match &principal {
            Principal::User(user) if user.is_wholly(&user.user.name) => None,
            Principal::User(_) => Some(Lack::Scope(Scope::Admin)),
            Principal::Job(_) | Principal::Operator | Principal::Anonymous => Some(Lack::JobToken),
        };
        if let Some(lack) = lack {
            return Err(Error::Forbidden(lack));
        }
        let now = self.0.clock.now();
        let secret = secrets::new_secret()?;
        let session = NewSession {
            account_pk: principal.user().map_or(0, |user| user.user.pk),
            token_pk: principal.token().map(|token| token.pk),
            ..self.new_session(&secret, now).await?
        };
        self.0
            .database
            .write(async move |tx| {
                let begun = begin(tx, &session, "by token").await?;
                begun
                    .map(|_| ())
                    .ok_or(Error::InvalidToken(TokenFault::Revoked))
            })
            .await?;
        Ok(SignedIn { secret, path: None })
    }

    /// Whose session this is, if it is good now. The use is noted, at most once a minute.
    pub async fn session(&self, secret: &str) -> Result<Option<Principal>> {
        if secret.len() != SECRET_LENGTH {
            return Ok(None);
        }
        let (now, digest) = (self.0.clock.now(), secrets::digest(secret));
        let found = self
            .0
            .database
            .read(async move |tx| {
                let idle_since = now.plus_ms(-IDLE_MS_MAX);
                match rows::by_secret(tx, &digest, now, idle_since).await? {
                    Some(row) => Ok(principal(tx, &row).await?.map(|who| (who, row))),
                    None => Ok(None),
                }
            })
            .await?;
        let Some((principal, row)) = found else {
            return Ok(None);
        };
        // Waited for, unlike the use of a token: the end of the session hangs on it.
        if now.0 - row.used_at.0 >= USE_NOTED_EVERY_MS {
            let database = &self.0.database;
            database
                .write(async move |tx| rows::note_use(tx, row.pk, now).await)
                .await?;
        }
        Ok(Some(principal))
    }

    /// The principal behind a session's id, for links that were issued to it; it must still be good.
    pub(crate) async fn principal_of_session(&self, id: SessionId) -> Result<Principal> {
        let now = self.0.clock.now();
        let found = self
            .0
            .database
            .read(async move |tx| {
                match rows::by_id(tx, id, now, now.plus_ms(-IDLE_MS_MAX)).await? {
                    Some(row) => principal(tx, &row).await,
                    None => Ok(None),
                }
            })
            .await?;
        found.ok_or(Error::InvalidToken(TokenFault::Revoked))
    }

    /// Ends a session; one that is over already is no error.
    pub async fn sign_out(&self, secret: &str) -> Result<()> {
        let Some(who) = self.session(secret).await? else {
            return Ok(());
        };
        let (now, digest) = (self.0.clock.now(), secrets::digest(secret));
        self.0
            .database
            .write(async move |tx| {
                if rows::remove(tx, &digest).await?.is_some() {
                    let id = who.session().map_or_else(String::new, |id| id.to_string());
                    audit::record(tx, now, &who, "sign out", &format!("session {id}")).await?;
                }
                Ok(())
            })
            .await
    }

    /// A session of nobody yet.
    pub(super) async fn new_session(&self, secret: &str, now: Timestamp) -> Result<NewSession> {
        Ok(NewSession {
            pk: self.0.database.number().await?,
            id: SessionId::new(now),
            secret: secrets::digest(secret),
            account_pk: 0,
            token_pk: None,
            created_at: now,
            expires_at: now.plus_ms(SESSION_MS_MAX),
        })
    }
}

/// Stores the session and forgets those that are over; `None` if its user is disabled. `how` the user came in is for the
/// log.
pub(super) async fn begin(
    tx: &mut Tx,
    session: &NewSession,
    how: &str,
) -> Result<Option<Principal>> {
    let now = session.created_at;
    rows::remove_ended(tx, now, now.plus_ms(-IDLE_MS_MAX)).await?;
    let row = SessionRow {
        pk: session.pk,
        id: session.id,
        account_pk: session.account_pk,
        used_at: now,
    };
    let Some(who) = principal(tx, &row).await? else {
        return Ok(None);
    };
    rows::insert(tx, session).await?;
    let what = format!("session {} {how}", session.id);
    audit::record(tx, now, &who, "sign in", &what).await?;
    Ok(Some(who))
}

/// The user of a session, unless disabled.
async fn principal(tx: &mut Tx, row: &SessionRow) -> Result<Option<Principal>> {
    let Some(user) = accounts::by_pk(tx, row.account_pk).await? else {
        return Ok(None);
    };
    let grants = accounts::grants(tx, row.account_pk).await?;
    Ok(Some(Principal::User(Box::new(UserPrincipal {
        user,
        grants,
        everywhere: None,
        credential: Credential::Session(row.id),
        only_project: None,
    }))))
}
