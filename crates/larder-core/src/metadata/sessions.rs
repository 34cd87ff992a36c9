//! Sessions of browsers; of the secret only the SHA-256.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Row, Tx};
use crate::model::SessionId;

/// A session as stored.
pub(crate) struct SessionRow {
    pub(crate) pk: i64,
    pub(crate) id: SessionId,
    pub(crate) account_pk: i64,
    pub(crate) used_at: Timestamp,
}

/// A session to be stored.
pub(crate) struct NewSession {
    pub(crate) pk: i64,
    pub(crate) id: SessionId,
    /// SHA-256 of what the browser keeps.
    pub(crate) secret: Vec<u8>,
    pub(crate) account_pk: i64,
    /// The token that began it.
    pub(crate) token_pk: Option<i64>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Sessions that are good at `?2`, if those last used at `?3` or before are not.
const SELECT_GOOD: &str = "SELECT session.pk, session.id, session.account_pk, session.used_at
    FROM session LEFT JOIN token ON token.pk = session.token_pk
    WHERE session.expires_at > ?2 AND session.used_at > ?3
        AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > ?2)";

pub(crate) async fn insert(tx: &mut Tx, session: &NewSession) -> Result<()> {
    tx.execute(
        "INSERT INTO session (pk, id, secret, account_pk, token_pk, created_at, used_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)",
        &[
            session.pk.into(),
            session.id.to_string().into(),
            session.secret.as_slice().into(),
            session.account_pk.into(),
            session.token_pk.into(),
            session.created_at.into(),
            session.expires_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The session with that secret, if it is good now and was used after `idle_since`.
pub(crate) async fn by_secret(
    tx: &mut Tx,
    secret: &[u8],
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Option<SessionRow>> {
    let sql = format!("{SELECT_GOOD} AND session.secret = ?1");
    tx.first(
        &sql,
        &[secret.into(), now.into(), idle_since.into()],
        session,
    )
    .await
}

/// The session with that id, if it is good now and was used after `idle_since`.
pub(crate) async fn by_id(
    tx: &mut Tx,
    id: SessionId,
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<Option<SessionRow>> {
    let sql = format!("{SELECT_GOOD} AND session.id = ?1");
    let values = [id.to_string().into(), now.into(), idle_since.into()];
    tx.first(&sql, &values, session).await
}

/// Notes that a session was used.
pub(crate) async fn note_use(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<()> {
    let sql = "UPDATE session SET used_at = ?2 WHERE pk = ?1 AND used_at < ?2";
    tx.execute(sql, &[pk.into(), now.into()]).await?;
    Ok(())
}

/// Ends a session; the account whose it was.
pub(crate) async fn remove(tx: &mut Tx, secret: &[u8]) -> Result<Option<i64>> {
    let sql = "DELETE FROM session WHERE secret = ?1 RETURNING account_pk";
    tx.first(sql, &[secret.into()], |row| row.int(0)).await
}

/// Ends all sessions of a user; how many.
pub(crate) async fn remove_of_account(tx: &mut Tx, account: i64) -> Result<u64> {
    let sql = "DELETE FROM session WHERE account_pk = ?1";
    tx.execute(sql, &[account.into()]).await
}

/// Forgets sessions that are over.
pub(crate) async fn remove_ended(
    tx: &mut Tx,
    now: Timestamp,
    idle_since: Timestamp,
) -> Result<u64> {
    tx.execute(
        "DELETE FROM session WHERE expires_at <= ?1 OR used_at <= ?2",
        &[now.into(), idle_since.into()],
    )
    .await
}

fn session(row: &Row<'_>) -> Result<SessionRow> {
    Ok(SessionRow {
        pk: row.int(0)?,
        id: row.parsed(1, SessionId::parse)?,
        account_pk: row.int(2)?,
        used_at: row.time(3)?,
    })
}
