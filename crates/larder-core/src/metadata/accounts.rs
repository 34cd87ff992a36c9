//! Users, their roles and passwords, and the links by which they sign in and set passwords.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Row, Tx};
use crate::model::{Grant, GrantOn, Role, User, UserId};

const COLUMNS: &str = "pk, id, name, admin_at, created_at, disabled_at";

pub(crate) async fn insert(tx: &mut Tx, user: &User) -> Result<()> {
    tx.execute(
        "INSERT INTO account (pk, id, name, created_at, admin_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        &[
            user.pk.into(),
            user.id.to_string().into(),
            user.name.as_str().into(),
            user.created_at.into(),
            user.admin.then_some(user.created_at).into(),
        ],
    )
    .await?;
    Ok(())
}

/// The user of that name, disabled or not.
pub(crate) async fn by_name(tx: &mut Tx, name: &str) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM account WHERE name = ?1");
    tx.first(&sql, &[name.into()], user).await
}

/// The user with that id, unless disabled.
pub(crate) async fn by_id(tx: &mut Tx, id: UserId) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM account WHERE id = ?1 AND disabled_at IS NULL");
    tx.first(&sql, &[id.to_string().into()], user).await
}

/// The user with that key, unless disabled.
pub(crate) async fn by_pk(tx: &mut Tx, pk: i64) -> Result<Option<User>> {
    let sql = format!("SELECT {COLUMNS} FROM account WHERE pk = ?1 AND disabled_at IS NULL");
    tx.first(&sql, &[pk.into()], user).await
}

/// All users by name, disabled ones too.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<User>> {
    let sql = format!("SELECT {COLUMNS} FROM account ORDER BY name");
    tx.all(&sql, &[], user).await
}

/// Disables a user; `false` if the user was disabled before.
pub(crate) async fn disable(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE account SET disabled_at = ?2 WHERE pk = ?1 AND disabled_at IS NULL";
    Ok(tx.execute(sql, &[pk.into(), now.into()]).await? == 1)
}

/// Lets a disabled user in again; `false` if the user was not disabled.
pub(crate) async fn enable(tx: &mut Tx, pk: i64) -> Result<bool> {
    let sql = "UPDATE account SET disabled_at = NULL WHERE pk = ?1 AND disabled_at IS NOT NULL";
    Ok(tx.execute(sql, &[pk.into()]).await? == 1)
}

/// Whether somebody else is admin everywhere and not disabled.
pub(crate) async fn has_admin_beside(tx: &mut Tx, pk: i64) -> Result<bool> {
    let sql = "SELECT 1 FROM account WHERE admin_at IS NOT NULL AND disabled_at IS NULL AND pk <> ?1 LIMIT 1";
    let found = tx.first(sql, &[pk.into()], |row| row.int(0)).await?;
    Ok(found.is_some())
}

/// The hash of a user's password, if there is one.
pub(crate) async fn password(tx: &mut Tx, pk: i64) -> Result<Option<String>> {
    let sql = "SELECT password FROM account WHERE pk = ?1";
    let found = tx
        .first(sql, &[pk.into()], |row| row.text_or_none(0))
        .await?;
    Ok(found.flatten())
}

/// Sets the hash of a user's password.
pub(crate) async fn set_password(tx: &mut Tx, pk: i64, hash: &str) -> Result<()> {
    let sql = "UPDATE account SET password = ?2 WHERE pk = ?1";
    tx.execute(sql, &[pk.into(), hash.into()]).await?;
    Ok(())
}

/// The roles of a user.
pub(crate) async fn grants(tx: &mut Tx, pk: i64) -> Result<Vec<Grant>> {
    tx.all(
        "SELECT organization_pk, project_pk, role FROM membership WHERE account_pk = ?1",
        &[pk.into()],
        |row| {
            let on = match row.int_or_none(0)? {
                Some(organization) => GrantOn::Organization(organization),
                None => GrantOn::Project(row.int(1)?),
            };
            Ok(Grant {
                on,
                role: row.parsed(2, Role::parse)?,
            })
        },
    )
    .await
}

/// Gives a user a role, in place of the one that the user had there.
pub(crate) async fn grant(tx: &mut Tx, account: i64, on: GrantOn, role: Role) -> Result<()> {
    let (column, pk) = match on {
        GrantOn::Organization(pk) => ("organization_pk", pk),
        GrantOn::Project(pk) => ("project_pk", pk),
    };
    let sql = format!(
        "INSERT INTO membership (account_pk, {column}, role) VALUES (?1, ?2, ?3)
         ON CONFLICT (account_pk, {column}) DO UPDATE SET role = excluded.role"
    );
    tx.execute(&sql, &[account.into(), pk.into(), role.word().into()])
        .await?;
    Ok(())
}

pub(crate) async fn insert_sign_in_link(
    tx: &mut Tx,
    secret: &[u8],
    account: i64,
    path: &str,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute(
        "INSERT INTO sign_in_link (secret, account_pk, path, expires_at) VALUES (?1, ?2, ?3, ?4)",
        &[
            secret.into(),
            account.into(),
            path.into(),
            expires_at.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The user of an unused link that is still good, and where it leads.
pub(crate) async fn sign_in_link(
    tx: &mut Tx,
    secret: &[u8],
    now: Timestamp,
) -> Result<Option<(i64, String)>> {
    tx.first(
        "SELECT account_pk, path FROM sign_in_link WHERE secret = ?1 AND used_at IS NULL AND expires_at > ?2",
        &[secret.into(), now.into()],
        |row| Ok((row.int(0)?, row.text(1)?)),
    )
    .await
}

/// Uses up a link that is still good: the same as [`sign_in_link`], once.
pub(crate) async fn use_sign_in_link(
    tx: &mut Tx,
    secret: &[u8],
    now: Timestamp,
) -> Result<Option<(i64, String)>> {
    tx.first(
        "UPDATE sign_in_link SET used_at = ?2 WHERE secret = ?1 AND used_at IS NULL AND expires_at > ?2
         RETURNING account_pk, path",
        &[secret.into(), now.into()],
        |row| Ok((row.int(0)?, row.text(1)?)),
    )
    .await
}

pub(crate) async fn insert_password_link(
    tx: &mut Tx,
    secret: &[u8],
    account: i64,
    expires_at: Timestamp,
) -> Result<()> {
    tx.execute(
        "INSERT INTO password_link (secret, account_pk, expires_at) VALUES (?1, ?2, ?3)",
        &[secret.into(), account.into(), expires_at.into()],
    )
    .await?;
    Ok(())
}

/// The user who may set a password by a link that is still good.
pub(crate) async fn password_link(
    tx: &mut Tx,
    secret: &[u8],
    now: Timestamp,
) -> Result<Option<i64>> {
    tx.first(
        "SELECT account_pk FROM password_link WHERE secret = ?1 AND used_at IS NULL AND expires_at > ?2",
        &[secret.into(), now.into()],
        |row| row.int(0),
    )
    .await
}

/// Uses up a link that is still good: the same as [`password_link`], once.
pub(crate) async fn use_password_link(
    tx: &mut Tx,
    secret: &[u8],
    now: Timestamp,
) -> Result<Option<i64>> {
    tx.first(
        "UPDATE password_link SET used_at = ?2 WHERE secret = ?1 AND used_at IS NULL AND expires_at > ?2
         RETURNING account_pk",
        &[secret.into(), now.into()],
        |row| row.int(0),
    )
    .await
}

/// Uses up every link of a user, so that none lets anybody in later.
pub(crate) async fn end_links(tx: &mut Tx, account: i64, now: Timestamp) -> Result<()> {
    for table in ["sign_in_link", "password_link"] {
        let sql =
            format!("UPDATE {table} SET used_at = ?2 WHERE account_pk = ?1 AND used_at IS NULL");
        tx.execute(&sql, &[account.into(), now.into()]).await?;
    }
    Ok(())
}

fn user(row: &Row<'_>) -> Result<User> {
    Ok(User {
        pk: row.int(0)?,
        id: row.parsed(1, UserId::parse)?,
        name: row.text(2)?,
        admin: row.int_or_none(3)?.is_some(),
        created_at: row.time(4)?,
        disabled_at: row.time_or_none(5)?,
    })
}
