//! The embedded engine: one writer thread that commits whatever queued while it was busy (group commit), and
//! read-only connections that answer bounded queries on the thread that asks.

use crate::error::{Context as _, Error, Result};
use crate::metadata::sqlite_fault::failed;
use crate::metadata::{Mapping, Row, RowEngine, Tx, TxEngine, Value, migrations};
use futures_util::FutureExt as _;
use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, ToSql};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Transactions that wait for the writer; more senders wait themselves.
const QUEUE_MAX: usize = 4_096;
/// Transactions committed together at most: bounds how long the first of them waits.
const GROUP_MAX: usize = 1_024;
/// Idle read connections that are kept.
const READERS_MAX: usize = 16;
/// Exit code of a process that could not learn whether its last commit is durable.
const UNKNOWN_COMMIT: i32 = 74;
/// Statements that a connection keeps prepared; there are fewer.
const STATEMENTS_MAX: usize = 256;
/// How long a statement waits for another process before it gives up.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database of one process.
#[derive(Debug)]
pub(crate) struct Sqlite {
    writer: SyncSender<Work>,
    readers: Arc<Readers>,
}

/// A transaction for the writer: does its work, if there is a transaction to do it in, and hands back how to answer
/// whoever asked for it.
type Work = Box<dyn FnOnce(Option<&mut Tx>) -> Outcome + Send>;
/// Answers the caller, once it is known whether the commit succeeded.
type Answer = Box<dyn FnOnce(Result<()>) + Send>;

struct Outcome {
    keep: bool,
    answer: Answer,
}

impl Sqlite {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        make_file(path)?;
        let mut connection =
            Connection::open(path).map_err(|error| failed("open the database", error))?;
        prepare_writer(&connection).map_err(|error| failed("prepare the database", error))?;
        migrations::migrate(&mut connection)?;
        let (writer, queue) = sync_channel(QUEUE_MAX);
        std::thread::Builder::new()
            .name("metadata-writer".to_owned())
            .spawn(move || write_groups(connection, &queue))
            .context("start the writer thread")?;
        let readers = Arc::new(Readers::new(path));
        Ok(Self { writer, readers })
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move |tx| {
            let result = match tx {
                Some(tx) => run_to_end(&work, tx),
                None => Err(Error::Unavailable("no transaction could begin".into())),
            };
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |committed| {
                // Whoever asked may have gone; the transaction counts all the same.
                let _ = sender.send(committed.and(result));
            });
            Outcome { keep, answer }
        });
        let writer = self.writer.clone();
        if let Err(error) = writer.try_send(work) {
            let std::sync::mpsc::TrySendError::Full(work) = error else {
                return Err(Error::Unavailable("the metadata writer has stopped".into()));
            };
            let queued = tokio::task::spawn_blocking(move || writer.send(work).is_ok()).await;
            if !matches!(queued, Ok(true)) {
                return Err(Error::Unavailable("the metadata writer has stopped".into()));
            }
        }
        receiver
            .await
            .map_err(|_| Error::Unavailable("the metadata writer has stopped".into()))?
    }

    pub(crate) fn read<T>(&self, work: &impl AsyncFn(&mut Tx) -> Result<T>) -> Result<T> {
        self.readers.read(work)
    }

    pub(super) fn readers(&self) -> Arc<Readers> {
        self.readers.clone()
    }

    pub(crate) async fn scan<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let readers = self.readers.clone();
        tokio::task::spawn_blocking(move || readers.read(&work))
            .await
            .map_err(|error| Error::internal("run a query", error))?
    }
}

/// Connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn read<T>(&self, work: &impl AsyncFn(&mut Tx) -> Result<T>) -> Result<T> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self
                .open()
                .map_err(|error| failed("open the database for reading", error))?,
        };
        // One snapshot for all statements of the closure.
        execute(&connection, "BEGIN", &[])?;
        let mut tx = Tx::sqlite(connection);
        let result = run_to_end(work, &mut tx);
        let TxEngine::Sqlite(connection) = tx.engine else {
            unreachable!("it was made a few lines above");
        };
        execute(&connection, "COMMIT", &[])?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < READERS_MAX {
            idle.push(connection);
        }
        result
    }

    pub(super) fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        keep_plans(&connection)?;
        connection.execute_batch(
            "PRAGMA cache_size = -4096; PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY;",
        )?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        Ok(connection)
    }
}

/// Makes the file for the larder's user alone, before SQLite would make it for everyone; SQLite gives its log the same
/// mode (sqlite.org/src, `findCreateFileMode`).
fn make_file(path: &Path) -> Result<()> {
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .context_at("open the database", path)
}

/// A statement's plan depends on its text alone (sqlite.org/queryplanner-ng.html, the stability guarantee). Otherwise
/// `SQLite` plans most of ours anew at every run: a bound value could make another plan better, and a statement that
/// goes back to the cache loses its values.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(drop)
}

fn prepare_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    keep_plans(connection)?;
    connection.execute_batch(
        "PRAGMA page_size = 8192;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -16384;
         PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 4000;",
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

/// Polls the closure's future once: it awaits nothing but the transaction, which is always ready here.
fn run_to_end<T>(work: &impl AsyncFn(&mut Tx) -> Result<T>, tx: &mut Tx) -> Result<T> {
    let polled = std::panic::catch_unwind(AssertUnwindSafe(|| work(tx).now_or_never()));
    match polled {
        Ok(Some(result)) => result,
        Ok(None) => Err(Error::internal(
            "run a transaction",
            "it awaited something else than itself",
        )),
        Err(_) => Err(Error::internal("run a transaction", "it panicked")),
    }
}

/// The connection of a transaction of this engine.
fn connection_of(tx: &Tx) -> &Connection {
    match &tx.engine {
        TxEngine::Sqlite(connection) => connection,
        TxEngine::Postgres(_) => unreachable!("this engine makes its own"),
    }
}

fn write_groups(connection: Connection, queue: &Receiver<Work>) {
    let mut tx = Tx::sqlite(connection);
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX
            && let Ok(next) = queue.try_recv()
        {
            group.push(next);
        }
        write_group(&mut tx, group);
    }
}

fn write_group(tx: &mut Tx, group: Vec<Work>) {
    let mut broken = execute(connection_of(tx), "BEGIN IMMEDIATE", &[]).err();
    let mut answers = Vec::with_capacity(group.len());
    for work in group {
        let outcome = if broken.is_some() {
            work(None)
        } else {
            let (outcome, fault) = run_in_savepoint(work, tx);
            broken = fault;
            outcome
        };
        answers.push(outcome.answer);
    }
    let committed = match broken {
        None => commit(tx),
        Some(error) => Err(error),
    };
    if committed.is_err() && !connection_of(tx).is_autocommit() {
        let _ = connection_of(tx).execute_batch("ROLLBACK");
    }
    let fault = committed.err();
    for answer in answers {
        answer(
            fault
                .as_ref()
                .map_or(Ok(()), |error| Err(same_fault(error))),
        );
    }
}

/// Commits with a sync. After a failed write or sync nobody knows what is on the disk: rows could come back at the next
/// start whose bytes were given up meanwhile. So the process ends, answers nobody, and the next start finds out.
fn commit(tx: &Tx) -> Result<()> {
    match execute(connection_of(tx), "COMMIT", &[]) {
        Err(error @ Error::Internal { .. }) => {
            tracing::error!(%error, "commit; the process ends so that its next start finds what is durable");
            std::process::exit(UNKNOWN_COMMIT);
        }
        other => other.map(drop),
    }
}

/// Runs one transaction of the group; the fault is one that ended the whole group.
fn run_in_savepoint(work: Work, tx: &mut Tx) -> (Outcome, Option<Error>) {
    if let Err(error) = execute(connection_of(tx), "SAVEPOINT work", &[]) {
        return (work(None), Some(error));
    }
    let outcome = work(Some(tx));
    let connection = connection_of(tx);
    // A full disk makes SQLite roll back everything by itself.
    if connection.is_autocommit() {
        return (outcome, Some(Error::StorageFull));
    }
    let undone = if outcome.keep {
        Ok(0)
    } else {
        execute(connection, "ROLLBACK TO work", &[])
    };
    let ended = undone.and_then(|_| execute(connection, "RELEASE work", &[]));
    (outcome, ended.err())
}

/// The same meaning for everyone in the group.
fn same_fault(error: &Error) -> Error {
    match error {
        Error::StorageFull => Error::StorageFull,
        other => Error::Unavailable(other.to_string()),
    }
}

pub(super) fn execute(connection: &Connection, sql: &str, values: &[Value]) -> Result<u64> {
    let mut statement = connection
        .prepare_cached(sql)
        .map_err(|error| failed(PREPARE, error))?;
    let changed = statement
        .execute(rusqlite::params_from_iter(values))
        .map_err(|error| failed("change rows", error))?;
    Ok(changed as u64)
}

pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    mapping: Mapping<T>,
) -> Result<Vec<T>> {
    let mut statement = connection
        .prepare_cached(sql)
        .map_err(|error| failed(PREPARE, error))?;
    let mut rows = statement
        .query(rusqlite::params_from_iter(values))
        .map_err(|error| failed("read rows", error))?;
    let mut mapped = Vec::new();
    while let Some(row) = rows.next().map_err(|error| failed("read a row", error))? {
        mapped.push(mapping(&Row {
            engine: RowEngine::Sqlite(SqliteRow(row)),
        })?);
    }
    Ok(mapped)
}

pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    values: &[Value],
    mapping: Mapping<T>,
) -> Result<Option<T>> {
    let mut statement = connection
        .prepare_cached(sql)
        .map_err(|error| failed(PREPARE, error))?;
    let mut rows = statement
        .query(rusqlite::params_from_iter(values))
        .map_err(|error| failed("read rows", error))?;
    let first = match rows.next().map_err(|error| failed("read a row", error))? {
        Some(row) => Some(mapping(&Row {
            engine: RowEngine::Sqlite(SqliteRow(row)),
        })?),
        None => None,
    };
    // A statement that changes rows does so only as it is stepped to its end.
    while rows
        .next()
        .map_err(|error| failed("read a row", error))?
        .is_some()
    {}
    Ok(first)
}

const PREPARE: &str = "prepare a statement";

/// A row of SQLite.
pub(super) struct SqliteRow<'a>(&'a rusqlite::Row<'a>);

impl SqliteRow<'_> {
    pub(super) fn get<T: FromSql>(&self, column: usize) -> Result<T> {
        self.0
            .get(column)
            .map_err(|error| failed("read a column", error))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::StatementStatus;

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meta.db");
        let _writer = Sqlite::open(&path).unwrap();
        let readers = Readers::new(&path);
        let connection = readers.open().unwrap();
        for sql in [
            "SELECT token.pk FROM token LEFT JOIN job ON job.pk = token.job_pk WHERE token.name = ?1",
            "SELECT pk FROM artifact WHERE job_pk = ?1 AND path = ?2 AND state = 'finished' ORDER BY pk DESC LIMIT 1",
            "SELECT pk FROM job WHERE id = ?1 AND node_index = ?2",
        ] {
            for value in ["a", "b", "c"] {
                let count = sql.matches('?').count();
                let found = all(&connection, sql, &vec![value.into(); count], |_| Ok(()));
                assert!(found.unwrap().is_empty());
            }
            let statement = connection.prepare_cached(sql).unwrap();
            let planned_again = statement.get_status(StatementStatus::RePrepare);
            assert_eq!(planned_again, 0, "{sql}");
        }
    }
}
