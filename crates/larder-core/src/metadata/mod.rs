//! Every SQL statement, a file per table, written once for every engine.
//!
//! A transaction is an async closure over [`Tx`] that awaits nothing but the transaction. On SQLite the writer thread
//! polls it to its end inside a savepoint and commits many together. The closure may run more than once on an engine
//! that repeats transactions, so it keeps what it was given.
//!
//! Here stand the switch between engines and the few words that a dialect needs; every other file is SQL and row
//! mapping.

pub(crate) mod accounts;
pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod blobs;
pub(crate) mod builds;
pub(crate) mod folders;
pub(crate) mod instance;
pub(crate) mod jobs;
pub(crate) mod leases;
pub(crate) mod migrations;
pub(crate) mod organizations;
pub(crate) mod parts;
#[cfg(test)]
mod plans;
mod postgres;
pub(crate) mod projects;
pub(crate) mod removal;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod snapshot;
pub(crate) mod sqlite;
mod sqlite_fault;
pub(crate) mod steps;
pub(crate) mod test_results;
pub(crate) mod tokens;
mod value;

use crate::error::{Error, Result};
use crate::metadata::postgres::{Postgres, PostgresRow, PostgresTx};
use crate::metadata::sqlite::{Sqlite, SqliteRow};
use std::path::PathBuf;
use std::sync::Mutex;

pub use postgres::PostgresAddress;
pub(crate) use value::Value;

/// Numbers taken from the counter at a time, so that most rows need no statement for theirs.
const NUMBER_BLOCK: i64 = 1_000;

/// The histogram of how long transactions take, in seconds, from their request to their durable commit.
pub const DATABASE_WRITE_SECONDS: &str = "larder_database_write_seconds";

/// Where the rows of a store are.
#[derive(Clone, Debug)]
pub enum DatabaseAddress {
    /// In a file of this machine, which one process at a time may have open.
    Sqlite(PathBuf),
    /// In a PostgreSQL, which any number of servers may share.
    Postgres(Box<PostgresAddress>),
}

/// The rows of a store.
#[derive(Debug)]
pub(crate) struct Database {
    engine: Engine,
    numbers: Mutex<std::ops::Range<i64>>,
}

#[derive(Debug)]
enum Engine {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A transaction in progress.
pub(crate) struct Tx {
    engine: TxEngine,
}

enum TxEngine {
    Sqlite(rusqlite::Connection),
    Postgres(PostgresTx),
}

/// A row of an answer, read by position.
pub(crate) struct Row<'a> {
    engine: RowEngine<'a>,
}

enum RowEngine<'a> {
    Sqlite(SqliteRow<'a>),
    Postgres(PostgresRow<'a>),
}

/// What only one transaction at a time may be at work in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Room {
    /// A project with its builds, jobs, artifacts and bytes, by its number.
    Project(i64),
    /// Users, organizations, and the names of projects.
    Names,
}

/// Reads one row of an answer.
type Mapping<T> = fn(&Row<'_>) -> Result<T>;

impl Database {
    /// Opens the database, and brings its schema up to date. The embedded one is made when it is not there.
    pub(crate) async fn open(address: &DatabaseAddress) -> Result<Self> {
        let engine = match address {
            DatabaseAddress::Sqlite(path) => Engine::Sqlite(Sqlite::open(path)?),
            DatabaseAddress::Postgres(address) => Engine::Postgres(Postgres::open(address).await?),
        };
        Ok(Self {
            engine,
            numbers: Mutex::new(0..0),
        })
    }

    /// Runs a transaction that changes rows. When this returns `Ok`, the changes survive a power cut.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.write_alone(None, work).await
    }

    /// Like [`Database::write`], while no other transaction is at work in the room.
    pub(crate) async fn write_in<T, F>(&self, room: Room, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.write_alone(Some(room), work).await
    }

    async fn write_alone<T, F>(&self, room: Option<Room>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let asked = std::time::Instant::now();
        let written = match &self.engine {
            // It has one writer in any case.
            Engine::Sqlite(sqlite) => sqlite.write(work).await,
            Engine::Postgres(postgres) => postgres.write(room, work).await,
        };
        metrics::histogram!(DATABASE_WRITE_SECONDS).record(asked.elapsed().as_secs_f64());
        written
    }

    /// Runs a bounded query on one snapshot of the rows.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(&work),
            Engine::Postgres(postgres) => postgres.read(work).await,
        }
    }

    /// Runs a query whose answer grows with the store, away from the threads that answer requests.
    pub(crate) async fn scan<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.scan(work).await,
            Engine::Postgres(postgres) => postgres.scan(work).await,
        }
    }

    /// Fresh row numbers: never given twice, not even after a crash.
    pub(crate) async fn numbers(&self, count: usize) -> Result<std::ops::Range<i64>> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        if let Some(taken) = self.take_numbers(count) {
            return Ok(taken);
        }
        let block = count.max(NUMBER_BLOCK);
        let last = self
            .write(async move |tx| {
                tx.one(
                    "UPDATE counter SET last = last + ?1 WHERE name = 'row' RETURNING last",
                    &[block.into()],
                    |row| row.int(0),
                )
                .await
            })
            .await?;
        let mut fresh = last - block + 1..last + 1;
        let taken = fresh.start..fresh.start + count;
        fresh.start += count;
        *self
            .numbers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(taken)
    }

    /// One fresh row number.
    pub(crate) async fn number(&self) -> Result<i64> {
        Ok(self.numbers(1).await?.start)
    }

    fn take_numbers(&self, count: i64) -> Option<std::ops::Range<i64>> {
        let mut left = self
            .numbers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if left.end - left.start < count {
            return None;
        }
        let taken = left.start..left.start + count;
        left.start += count;
        Some(taken)
    }
}

impl Tx {
    fn sqlite(connection: rusqlite::Connection) -> Self {
        Self {
            engine: TxEngine::Sqlite(connection),
        }
    }

    /// Lets no other transaction be at work in the room until this one has ended: [`Database::write_in`] for those that
    /// learn on the way which room it is. [`Room::Names`] before a project and no two projects, so that nobody waits in a
    /// circle. The embedded engine has one writer in any case.
    pub(crate) async fn lock(&mut self, room: Room) -> Result<()> {
        match &mut self.engine {
            TxEngine::Sqlite(_) => Ok(()),
            TxEngine::Postgres(postgres) => postgres.lock(room).await,
        }
    }

    /// Runs a statement; the number of rows that it changed.
    pub(crate) async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        match &mut self.engine {
            TxEngine::Sqlite(connection) => sqlite::execute(connection, sql, values),
            TxEngine::Postgres(postgres) => postgres.execute(sql, values).await,
        }
    }

    /// All rows of an answer.
    pub(crate) async fn all<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        mapping: Mapping<T>,
    ) -> Result<Vec<T>> {
        match &mut self.engine {
            TxEngine::Sqlite(connection) => sqlite::all(connection, sql, values, mapping),
            TxEngine::Postgres(postgres) => postgres.all(sql, values, mapping).await,
        }
    }

    /// The first row of an answer, if there is one.
    pub(crate) async fn first<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        mapping: Mapping<T>,
    ) -> Result<Option<T>> {
        match &mut self.engine {
            TxEngine::Sqlite(connection) => sqlite::first(connection, sql, values, mapping),
            TxEngine::Postgres(postgres) => postgres.first(sql, values, mapping).await,
        }
    }

    /// The only row of an answer that must have one.
    pub(crate) async fn one<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        mapping: Mapping<T>,
    ) -> Result<T> {
        let row = self.first(sql, values, mapping).await?;
        row.ok_or_else(|| Error::internal("read a row that must be there", sql.to_owned()))
    }
}

impl Row<'_> {
    /// A number.
    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        match &self.engine {
            RowEngine::Sqlite(row) => row.get(column),
            RowEngine::Postgres(row) => row.number(column)?.ok_or_else(absent),
        }
    }

    /// A number that may be absent.
    pub(crate) fn int_or_none(&self, column: usize) -> Result<Option<i64>> {
        match &self.engine {
            RowEngine::Sqlite(row) => row.get(column),
            RowEngine::Postgres(row) => row.number(column),
        }
    }

    /// A text.
    pub(crate) fn text(&self, column: usize) -> Result<String> {
        match &self.engine {
            RowEngine::Sqlite(row) => row.get(column),
            RowEngine::Postgres(row) => row.get(column),
        }
    }

    /// A text that may be absent.
    pub(crate) fn text_or_none(&self, column: usize) -> Result<Option<String>> {
        match &self.engine {
            RowEngine::Sqlite(row) => row.get(column),
            RowEngine::Postgres(row) => row.get(column),
        }
    }

    /// Bytes.
    pub(crate) fn bytes(&self, column: usize) -> Result<Vec<u8>> {
        match &self.engine {
            RowEngine::Sqlite(row) => row.get(column),
            RowEngine::Postgres(row) => row.get(column),
        }
    }

    /// Bytes that may be absent.
    pub(crate) fn bytes_or_none(&self, column: usize) -> Result<Option<Vec<u8>>> {
        match &self.engine {
            RowEngine::Sqlite(row) => row.get(column),
            RowEngine::Postgres(row) => row.get(column),
        }
    }

    /// A text read by `parse`; a text that it refuses is damage.
    pub(crate) fn parsed<T>(
        &self,
        column: usize,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T> {
        let text = self.text(column)?;
        parse(&text).ok_or_else(|| Error::internal("read a stored word", text))
    }

    /// A time.
    pub(crate) fn time(&self, column: usize) -> Result<crate::clock::Timestamp> {
        self.int(column).map(crate::clock::Timestamp)
    }

    /// A time that may be absent.
    pub(crate) fn time_or_none(&self, column: usize) -> Result<Option<crate::clock::Timestamp>> {
        Ok(self.int_or_none(column)?.map(crate::clock::Timestamp))
    }

    /// A count that fits 32 bits.
    pub(crate) fn small(&self, column: usize) -> Result<u32> {
        let number = self.int(column)?;
        u32::try_from(number).map_err(|error| Error::internal("read a stored number", error))
    }
}

/// A number that must be there.
fn absent() -> Error {
    Error::internal("read a column", "it is empty")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    async fn open(path: &Path) -> Database {
        let address = DatabaseAddress::Sqlite(path.to_owned());
        Database::open(&address).await.unwrap()
    }

    #[tokio::test]
    async fn row_numbers_are_never_given_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta.db");
        let first = {
            let database = open(&path).await;
            let mut seen = std::collections::BTreeSet::new();
            for count in [1, 2, 999, 1, 5_000, 3] {
                for number in database.numbers(count).await.unwrap() {
                    assert!(seen.insert(number), "{number} was given twice");
                }
            }
            *seen.last().unwrap()
        };
        let again = open(&path).await;
        assert!(again.number().await.unwrap() > first);
    }

    #[tokio::test]
    async fn a_failed_transaction_leaves_nothing_and_its_neighbours_stay() {
        let folder = tempfile::tempdir().unwrap();
        let database = std::sync::Arc::new(open(&folder.path().join("meta.db")).await);
        let insert = |name: &'static str, fail: bool| {
            let database = database.clone();
            async move {
                database
                    .write(async move |tx| {
                        tx.execute(
                            "INSERT INTO counter (name, last) VALUES (?1, 0)",
                            &[name.into()],
                        )
                        .await?;
                        if fail {
                            Err(Error::Conflict("on purpose".into()))
                        } else {
                            Ok(())
                        }
                    })
                    .await
            }
        };
        let (first, second, third) =
            tokio::join!(insert("a", false), insert("b", true), insert("c", false));
        assert!(first.is_ok() && second.is_err() && third.is_ok());
        let names = database
            .read(async |tx| {
                tx.all(
                    "SELECT name FROM counter WHERE name <> 'row' ORDER BY name",
                    &[],
                    |row| row.text(0),
                )
                .await
            })
            .await
            .unwrap();
        assert_eq!(names, ["a", "c"]);
    }

    #[tokio::test]
    async fn a_panic_in_a_transaction_is_an_error_and_not_the_end_of_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder.path().join("meta.db")).await;
        let panicked = database
            .write(async |_tx| -> Result<()> { panic!("on purpose") })
            .await;
        assert!(matches!(panicked, Err(Error::Internal { .. })));
        assert!(database.number().await.is_ok());
    }
}
