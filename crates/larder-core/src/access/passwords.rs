//! Passwords: how they are set, and how they let users in.
//!
//! Only the Argon2id hash is stored. To try one costs the same work, the same statements and the same words whether or not
//! there is such a user, so that nobody learns names here; how often it may be tried is for the front to say.

use crate::access::users::{enabled, only_operator};
use crate::access::{Access, SignedIn, secrets, sessions};
use crate::error::{Error, Result, What};
use crate::metadata::sessions::{self as session_rows, NewSession};
use crate::metadata::{Tx, accounts, audit};
use crate::model::{Password, Principal, User};
use argon2::password_hash::{PasswordHash, SaltString};
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// How long a link is good by which a new password is set.
const PASSWORD_LINK_MS: i64 = 10 * 60 * 1000;
/// A hash takes 19 MiB and a core for some 20 milliseconds: so many at a time, of all stores of this process.
static HASHES: Semaphore = Semaphore::const_new(2);
/// So many may wait for their turn, a second or so; more are told to come back.
static TURNS: Semaphore = Semaphore::const_new(64);
/// What is tried where there is no password: the hash of nothing that anybody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlz$o9IpfMiVYVW+c9bKXYEuSjmpZGpkrA7PmmfoYAtHYLY";

impl Access {
    /// Sets the password of a user, whose sessions end.
    pub async fn set_password(
        &self,
        who: &Principal,
        name: &str,
        password: Password,
    ) -> Result<()> {
        only_operator(who)?;
        let hash = hash(password).await?;
        let (now, who, name) = (self.0.clock.now(), who.clone(), name.to_owned());
        self.0
            .database
            .write(async move |tx| {
                let found = accounts::by_name(tx, &name).await?;
                let user = found.ok_or(Error::NotFound(What::User))?;
                change(tx, user.pk, &hash).await?;
                audit::record(tx, now, &who, "set password", &name).await
            })
            .await
    }

    /// A secret by which a user sets a new password once within ten minutes. A link that the user had before is over.
    pub async fn password_link(&self, who: &Principal, user: &str) -> Result<String> {
        only_operator(who)?;
        let secret = secrets::new_secret()?;
        let (now, digest) = (self.0.clock.now(), secrets::digest(&secret));
        let (who, user) = (who.clone(), user.to_owned());
        self.0
            .database
            .write(async move |tx| {
                let account = enabled(tx, &user).await?;
                accounts::end_links(tx, account.pk, now).await?;
                let expires_at = now.plus_ms(PASSWORD_LINK_MS);
                accounts::insert_password_link(tx, &digest, account.pk, expires_at).await?;
                audit::record(tx, now, &who, "issue password link", &user).await
            })
            .await?;
        Ok(secret)
    }

    /// Whose password a link that is still good would set. The link stays good.
    pub async fn password_link_leads(&self, secret: &str) -> Result<User> {
        let (now, digest) = (self.0.clock.now(), secrets::digest(secret));
        let found = self
            .0
            .database
            .read(
                async move |tx| match accounts::password_link(tx, &digest, now).await? {
                    Some(account) => accounts::by_pk(tx, account).await,
                    None => Ok(None),
                },
            )
            .await?;
        found.ok_or(Error::NotFound(What::PasswordLink))
    }

    /// Uses up a link, sets the password of its user, whose sessions end, and begins a new one.
    pub async fn set_password_by_link(&self, link: &str, password: Password) -> Result<SignedIn> {
        // Nobody makes us hash who has no link.
        self.password_link_leads(link).await?;
        let hash = hash(password).await?;
        let (now, digest) = (self.0.clock.now(), secrets::digest(link));
        let secret = secrets::new_secret()?;
        let session = self.new_session(&secret, now).await?;
        self.0
            .database
            .write(async move |tx| {
                let found = accounts::use_password_link(tx, &digest, now).await?;
                let account_pk = found.ok_or(Error::NotFound(What::PasswordLink))?;
                change(tx, account_pk, &hash).await?;
                accounts::end_links(tx, account_pk, now).await?;
                let session = NewSession {
                    account_pk,
                    secret: session.secret.clone(),
                    ..session
                };
                let begun = sessions::begin(tx, &session, "by password link").await?;
                let who = begun.ok_or(Error::NotFound(What::PasswordLink))?;
                let name = who.user().map_or("", |user| user.user.name.as_str());
                audit::record(tx, now, &who, "set password", name).await
            })
            .await?;
        Ok(SignedIn { secret, path: None })
    }

    /// Begins a session of the user with that name and password; `None` if there is none. Tries that fail are noted.
    pub async fn sign_in_by_password(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<SignedIn>> {
        let wanted = name.to_owned();
        let found = self
            .0
            .database
            .read(
                async move |tx| match accounts::by_name(tx, &wanted).await? {
                    Some(user) => {
                        let hash = accounts::password(tx, user.pk).await?;
                        Ok(Some((user, hash)))
                    }
                    None => Ok(None),
                },
            )
            .await?;
        let may = found.clone().filter(|(user, _)| user.disabled_at.is_none());
        let stored = may.and_then(|(_, hash)| hash);
        if !is_right(password, stored.clone()).await? {
            // A name that nobody has may be a password that went into the wrong field.
            let name = found.map_or_else(|| "(unknown user)".to_owned(), |(user, _)| user.name);
            self.note_refusal(name).await?;
            return Ok(None);
        }
        let now = self.0.clock.now();
        let secret = secrets::new_secret()?;
        let session = NewSession {
            account_pk: found.map_or(0, |(user, _)| user.pk),
            ..self.new_session(&secret, now).await?
        };
        let begun = self
            .0
            .database
            .write(async move |tx| {
                // It may have been changed while it was tried.
                if accounts::password(tx, session.account_pk).await? != stored {
                    return Ok(None);
                }
                sessions::begin(tx, &session, "by password").await
            })
            .await?;
        Ok(begun.map(|_| SignedIn { secret, path: None }))
    }

    async fn note_refusal(&self, name: String) -> Result<()> {
        let now = self.0.clock.now();
        self.0
            .database
            .write(async move |tx| {
                let act = "refuse sign-in by password";
                audit::record(tx, now, &Principal::Anonymous, act, &name).await
            })
            .await
    }
}

/// The new hash takes the place of the old one; whoever came in before must come in again.
async fn change(tx: &mut Tx, account: i64, hash: &str) -> Result<()> {
    accounts::set_password(tx, account, hash).await?;
    session_rows::remove_of_account(tx, account).await?;
    Ok(())
}

async fn hash(password: Password) -> Result<String> {
    in_turn(move || {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| Error::internal("draw a salt", error))?;
        let hashed = SaltString::encode_b64(&salt).and_then(|salt| {
            Ok(Argon2::default()
                .hash_password(password.bytes(), &salt)?
                .to_string())
        });
        hashed.map_err(|error| Error::internal("hash a password", error.to_string()))
    })
    .await
}

/// Whether the password is the one of the hash; without a hash it is not, after the same work.
async fn is_right(password: &str, stored: Option<String>) -> Result<bool> {
    let password = password.to_owned();
    in_turn(move || {
        let hash = PasswordHash::new(stored.as_deref().unwrap_or(NOBODYS));
        let hash =
            hash.map_err(|error| Error::internal("read a password's hash", error.to_string()))?;
        let is_right = Argon2::default().verify_password(password.as_bytes(), &hash);
        Ok(is_right.is_ok() && stored.is_some())
    })
    .await
}

async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let busy = |_| Error::Unavailable("too many passwords are tried at once".to_owned());
    let _turn = TURNS.try_acquire().map_err(busy)?;
    let closed = |error| Error::internal("wait to hash a password", error);
    let permit = HASHES.acquire().await.map_err(closed)?;
    // The permit goes with the work, which goes on if nobody waits for it any more.
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await
        .map_err(|error| Error::internal("hash a password", error))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_and_another_is_not() {
        let hash = hash(Password::parse("correct horse").unwrap())
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(is_right("correct horse", Some(hash.clone())).await.unwrap());
        for wrong in ["correct hors", "correct horse ", ""] {
            assert!(!is_right(wrong, Some(hash.clone())).await.unwrap());
        }
    }

    #[tokio::test]
    async fn what_is_tried_for_nobody_costs_what_a_users_costs() {
        let hash = hash(Password::parse("correct horse").unwrap())
            .await
            .unwrap();
        let parameters = |hash: &str| {
            hash.split('$')
                .take(4)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(parameters(&hash), parameters(NOBODYS));
        assert!(!is_right("correct horse", None).await.unwrap());
    }
}
