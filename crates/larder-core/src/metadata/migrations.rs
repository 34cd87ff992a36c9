//! Brings a schema up to date: one SQL text for every engine, with three substituted words.

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::metadata::sqlite_fault::failed;
use rusqlite::Connection;

/// Every migration in order; a store remembers how many it has seen.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_store.sql"),
    include_str!("../../migrations/0002_sessions.sql"),
    include_str!("../../migrations/0003_retention.sql"),
    include_str!("../../migrations/0004_lists.sql"),
    include_str!("../../migrations/0005_uploads.sql"),
    include_str!("../../migrations/0006_test_results.sql"),
    include_str!("../../migrations/0007_servers.sql"),
    include_str!("../../migrations/0008_operators.sql"),
];

pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|error| failed("read the schema's version", error))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if version > known {
        return Err(newer_schema(version, known));
    }
    let seen = usize::try_from(version).unwrap_or(0);
    for (index, migration) in MIGRATIONS.iter().enumerate().skip(seen) {
        let tx = connection
            .transaction()
            .map_err(|error| failed("begin a migration", error))?;
        tx.execute_batch(&sqlite_words(migration))
            .map_err(|error| failed("migrate the schema", error))?;
        if index == 0 {
            tx.execute_batch(&first_rows())
                .map_err(|error| failed("seed the store", error))?;
        }
        tx.pragma_update(
            None,
            "user_version",
            i64::try_from(index + 1).unwrap_or(i64::MAX),
        )
        .map_err(|error| failed("note the schema's version", error))?;
        tx.commit()
            .map_err(|error| failed("commit a migration", error))?;
    }
    Ok(())
}

/// The rows without which a store is none.
pub(super) fn first_rows() -> String {
    format!(
        "INSERT INTO counter (name, last) VALUES ('row', 0);
         INSERT INTO instance (id, created_at) VALUES ('{}', {});",
        uuid::Uuid::new_v4(),
        Clock::system().now().0
    )
}

/// Says that the store was made by a newer larder.
pub(super) fn newer_schema(version: i64, known: i64) -> Error {
    let reason =
        format!("its schema has version {version}, this larder knows {known}: use a newer larder");
    Error::invalid("database.url", reason)
}

fn sqlite_words(migration: &str) -> String {
    migration
        .replace("{key}", "INTEGER PRIMARY KEY")
        .replace("{text}", "TEXT")
        .replace("{bytes}", "BLOB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_a_newer_larder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(folder.path().join("meta.db")).unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(
            migrate(&mut connection)
                .unwrap_err()
                .to_string()
                .contains("newer larder")
        );
    }
}
