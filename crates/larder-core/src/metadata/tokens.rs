//! Tokens: what they are and what they may do; of the secret only the SHA-256.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Row, Tx};
use crate::model::{Scopes, TokenFacts, TokenId};

/// A token as stored.
pub(crate) struct TokenRow {
    pub(crate) facts: TokenFacts,
    pub(crate) secret: Vec<u8>,
    pub(crate) account_pk: Option<i64>,
    pub(crate) project_pk: Option<i64>,
    pub(crate) job: Option<JobOfToken>,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) used_at: Option<Timestamp>,
    /// When the build or project was deleted to which it is tied.
    pub(crate) deleted_at: Option<Timestamp>,
}

/// The job that a token speaks for.
pub(crate) struct JobOfToken {
    pub(crate) pk: i64,
    pub(crate) build_pk: i64,
    pub(crate) project_pk: i64,
    pub(crate) finished_at: Option<Timestamp>,
}

/// A token to be stored.
pub(crate) struct NewToken {
    pub(crate) facts: TokenFacts,
    pub(crate) kind: &'static str,
    /// The public part, by which it is found.
    pub(crate) name: String,
    /// SHA-256 of the whole token.
    pub(crate) secret: Vec<u8>,
    pub(crate) account_pk: Option<i64>,
    pub(crate) project_pk: Option<i64>,
    pub(crate) job_pk: Option<i64>,
}

const SELECT: &str = "SELECT token.pk, token.id, token.description, token.scopes, token.created_at, token.expires_at,
        token.secret, token.account_pk, token.project_pk, token.revoked_at, token.used_at,
        job.pk, job.build_pk, job.project_pk, job.finished_at, COALESCE(build.deleted_at, project.deleted_at)
    FROM token LEFT JOIN job ON job.pk = token.job_pk LEFT JOIN build ON build.pk = job.build_pk
        LEFT JOIN project ON project.pk = COALESCE(token.project_pk, job.project_pk)";

pub(crate) async fn insert(tx: &mut Tx, token: &NewToken) -> Result<()> {
    tx.execute(
        "INSERT INTO token (pk, id, kind, name, secret, description, scopes, account_pk, project_pk, job_pk,
                created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        &[
            token.facts.pk.into(),
            token.facts.id.to_string().into(),
            token.kind.into(),
            token.name.as_str().into(),
            token.secret.as_slice().into(),
            token.facts.description.as_str().into(),
            token.facts.scopes.words().join(",").into(),
            token.account_pk.into(),
            token.project_pk.into(),
            token.job_pk.into(),
            token.facts.created_at.into(),
            token.facts.expires_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The token whose public part this is.
pub(crate) async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<TokenRow>> {
    tx.first(
        &format!("{SELECT} WHERE token.name = ?1"),
        &[name.into()],
        token,
    )
    .await
}

/// The token with that id.
pub(crate) async fn by_id(tx: &mut Tx, id: TokenId) -> Result<Option<TokenRow>> {
    tx.first(
        &format!("{SELECT} WHERE token.id = ?1"),
        &[id.to_string().into()],
        token,
    )
    .await
}

/// Tokens of a user that still work, newest first.
pub(crate) async fn of_account(tx: &mut Tx, account: i64, now: Timestamp) -> Result<Vec<TokenRow>> {
    let sql = format!(
        "{SELECT} WHERE token.account_pk = ?1 AND token.revoked_at IS NULL
            AND (token.expires_at IS NULL OR token.expires_at > ?2) ORDER BY token.pk DESC"
    );
    tx.all(&sql, &[account.into(), now.into()], token).await
}

/// Takes a token back; `false` if it was taken back before.
pub(crate) async fn revoke(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE token SET revoked_at = ?2 WHERE pk = ?1 AND revoked_at IS NULL",
            &[pk.into(), now.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Notes that a token was used.
pub(crate) async fn note_use(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE token SET used_at = ?2 WHERE pk = ?1",
        &[pk.into(), now.into()],
    )
    .await?;
    Ok(())
}

fn token(row: &Row<'_>) -> Result<TokenRow> {
    let job = match row.int_or_none(11)? {
        Some(pk) => Some(JobOfToken {
            pk,
            build_pk: row.int(12)?,
            project_pk: row.int(13)?,
            finished_at: row.time_or_none(14)?,
        }),
        None => None,
    };
    Ok(TokenRow {
        facts: TokenFacts {
            pk: row.int(0)?,
            id: row.parsed(1, TokenId::parse)?,
            description: row.text(2)?,
            scopes: row.parsed(3, |words| Some(Scopes::parse(words).unwrap_or_default()))?,
            created_at: row.time(4)?,
            expires_at: row.time_or_none(5)?,
        },
        secret: row.bytes(6)?,
        account_pk: row.int_or_none(7)?,
        project_pk: row.int_or_none(8)?,
        revoked_at: row.time_or_none(9)?,
        used_at: row.time_or_none(10)?,
        deleted_at: row.time_or_none(15)?,
        job,
    })
}
