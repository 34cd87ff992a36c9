//! Brings the schema of a PostgreSQL up to date: one server at a time, all of it or nothing.

use super::fault;
use crate::error::{Error, Result};
use crate::metadata::migrations::{MIGRATIONS, first_rows, newer_schema};
use deadpool_postgres::Pool;

/// The advisory lock of whoever migrates: other servers that start meanwhile wait for it.
const MIGRATION_LOCK: i64 = -1;
/// The oldest version that is spoken to, as `server_version_num` gives it.
const VERSION_MIN: i32 = 150_000;

/// Brings the schema up to date; what tells the locks of this store from those of others in the same database.
pub(super) async fn migrate(pool: &Pool) -> Result<i64> {
    let mut connection = pool.get().await.map_err(fault::no_connection)?;
    require_version(&connection).await?;
    let tx = connection.transaction().await.map_err(meaning)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    // Looked at before anything is made: a database that is not for us stays as it is.
    if version(&tx).await?.is_some_and(|version| version == known) {
        return lock_salt(&tx).await;
    }
    tx.batch_execute("SET LOCAL lock_timeout = 0")
        .await
        .map_err(meaning)?;
    tx.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK])
        .await
        .map_err(meaning)?;
    let seen = version(&tx).await?;
    if let Some(version) = seen.filter(|version| *version > known) {
        return Err(newer_schema(version, known));
    }
    if seen.is_none() {
        tx.batch_execute(
            "CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (0);",
        )
        .await
        .map_err(meaning)?;
    }
    let done = usize::try_from(seen.unwrap_or(0)).unwrap_or(0);
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done) {
        tx.batch_execute(&postgres_words(migration))
            .await
            .map_err(|error| Error::internal("migrate the schema", error))?;
        if index == 0 {
            tx.batch_execute(&first_rows()).await.map_err(meaning)?;
        }
    }
    tx.execute("UPDATE schema_version SET version = $1", &[&known])
        .await
        .map_err(meaning)?;
    let salt = lock_salt(&tx).await?;
    tx.commit().await.map_err(meaning)?;
    Ok(salt)
}

/// Advisory locks are those of the whole database, in which other schemas may hold other stores.
async fn lock_salt(tx: &deadpool_postgres::Transaction<'_>) -> Result<i64> {
    let row = tx.query_one("SELECT id FROM instance", &[]).await;
    let id: String = row.map_err(meaning)?.get(0);
    let id = uuid::Uuid::parse_str(&id)
        .map_err(|error| Error::internal("read the store's id", error))?;
    Ok(i64::from_be_bytes(id.as_u64_pair().0.to_be_bytes()))
}

async fn require_version(connection: &deadpool_postgres::Client) -> Result<()> {
    let sql =
        "SELECT current_setting('server_version_num')::INT, current_setting('server_version')";
    let row = connection.query_one(sql, &[]).await.map_err(meaning)?;
    let (number, words): (i32, String) = (row.get(0), row.get(1));
    if number < VERSION_MIN {
        return Err(Error::invalid(
            "database.url",
            format!("the server is PostgreSQL {words}; 15 or newer is needed"),
        ));
    }
    Ok(())
}

/// The version of the schema; none where there is none of ours.
async fn version(tx: &deadpool_postgres::Transaction<'_>) -> Result<Option<i64>> {
    let sql = "SELECT to_regclass('schema_version') IS NOT NULL";
    let is_there: bool = tx.query_one(sql, &[]).await.map_err(meaning)?.get(0);
    if !is_there {
        return Ok(None);
    }
    let row = tx
        .query_one("SELECT version FROM schema_version", &[])
        .await;
    Ok(Some(row.map_err(meaning)?.get(0)))
}

fn meaning(error: tokio_postgres::Error) -> Error {
    fault::failed(error).0
}

/// Byte order for texts, as SQLite has it.
fn postgres_words(migration: &str) -> String {
    migration
        .replace("{key}", "BIGINT PRIMARY KEY")
        .replace("{text}", "TEXT COLLATE \"C\"")
        .replace("{bytes}", "BYTEA")
}
