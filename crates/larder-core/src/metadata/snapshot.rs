//! The rows of an embedded store as they were at one moment, in a file of their own.

use crate::error::{Context as _, Error, Result};
use crate::metadata::migrations::{MIGRATIONS, newer_schema};
use crate::metadata::sqlite::Readers;
use crate::metadata::sqlite_fault::failed;
use crate::metadata::{Database, Engine, Tx};
use rusqlite::Connection;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of rows that nobody changes.
#[derive(Debug)]
pub(crate) struct Snapshot(Arc<Readers>);

impl Database {
    /// Writes the rows as they are now into a new file, which is durable when this returns. Others go on reading and
    /// writing meanwhile. Only the embedded engine can.
    pub(crate) async fn snapshot_into(&self, path: PathBuf) -> Result<Snapshot> {
        let Engine::Sqlite(sqlite) = &self.engine else {
            return Err(Error::internal(
                "take a snapshot",
                "the rows are in no file",
            ));
        };
        let readers = sqlite.readers();
        let taken = tokio::task::spawn_blocking(move || {
            let connection = readers
                .open()
                .map_err(|error| failed("open the database for reading", error))?;
            write_snapshot(&connection, &path)?;
            Snapshot::open(&path)
        });
        taken
            .await
            .map_err(|error| Error::internal("take a snapshot", error))?
    }
}

impl Snapshot {
    /// Opens a file that [`Database::snapshot_into`] made, perhaps an older larder's.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let readers = Readers::new(path);
        let connection = readers
            .open()
            .map_err(|error| failed("open a snapshot of the rows", error))?;
        let version: i64 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(|error| failed("read the schema's version", error))?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if version > known {
            return Err(newer_schema(version, known));
        }
        Ok(Self(Arc::new(readers)))
    }

    /// Runs a query away from the threads that answer requests.
    pub(crate) async fn scan<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let readers = self.0.clone();
        tokio::task::spawn_blocking(move || readers.read(&work))
            .await
            .map_err(|error| Error::internal("query a snapshot", error))?
    }
}

fn write_snapshot(connection: &Connection, path: &Path) -> Result<()> {
    // One that was not finished.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).context_at("remove an unfinished snapshot", path);
        }
        _ => {}
    }
    let named = path
        .to_str()
        .ok_or_else(|| Error::invalid("folder", "its path is not UTF-8: name another one"))?;
    connection
        .execute("VACUUM INTO ?1", [named])
        .map_err(|error| failed("write a snapshot of the rows", error))?;
    fs::set_permissions(path, Permissions::from_mode(0o600))
        .and_then(|()| File::open(path)?.sync_all())
        .context_at("sync a snapshot of the rows", path)
}
