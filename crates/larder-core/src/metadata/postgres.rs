//! The engine behind a network: a pool of connections to one PostgreSQL, shared by any number of servers.
//!
//! Transactions are `READ COMMITTED`: those of one project wait for each other by an advisory lock ([`Tx::lock`]), and
//! every other change is a compare-and-set. Their futures are not `Send`, since those of the embedded engine need not
//! be, so they run on a few threads of their own. A transaction that the server undid, or whose connection was lost
//! before its commit, is run again; when a commit's outcome is unknown the caller is told to ask again.

mod address;
mod fault;
mod schema;
mod turns;

pub use address::PostgresAddress;
pub(super) use fault::Fault;

use crate::error::{Context as _, Error, Result};
use crate::metadata::{Mapping, Room, Row, RowEngine, Tx, TxEngine, Value};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use turns::Turns;

/// How long a new connection may take.
const CONNECT_WAIT: Duration = Duration::from_millis(3_500);
/// How long one statement of a request may take. Whoever waits for a connection hears at once that another's statement
/// was not answered: so all hear within five seconds that the database is away.
const STATEMENT_WAIT: Duration = Duration::from_millis(4_500);
/// How long a request waits for its turn while the database answers others.
const TURN_WAIT: Duration = Duration::from_secs(30);
/// How long one statement of a scan may take, whose answer grows with the store.
const SCAN_WAIT: Duration = Duration::from_mins(10);
/// How often a transaction that was undone is tried: each time that it is, another one was committed.
const TRIES_MAX: u32 = 12;
/// How often a transaction is tried that lost its connection, or found a row that another one had just made.
const SHORT_TRIES_MAX: u32 = 3;
/// Statements that a connection keeps prepared; lists of many sizes have many texts.
const STATEMENTS_MAX: usize = 512;
/// The advisory lock of [`Room::Names`]; those of projects are their numbers.
const NAMES_LOCK: i64 = -2;
/// Threads that run transactions: they wait more than they work.
const THREADS_MAX: usize = 4;

/// The database of any number of processes.
pub(crate) struct Postgres {
    threads: Vec<mpsc::UnboundedSender<Work>>,
    next: AtomicUsize,
    shared: Shared,
}

/// What the threads work with.
#[derive(Clone)]
struct Shared {
    pool: Pool,
    /// Wakes those who wait for a connection when the database turns out to be away.
    away: Arc<Notify>,
    turns: Turns,
    /// Mixed into the numbers of advisory locks.
    lock_salt: i64,
}

/// A transaction for one of the threads, which makes its future there.
type Work = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

/// How a transaction is run.
#[derive(Clone, Copy)]
struct Mode {
    begin: &'static str,
    statement_wait: Duration,
}

const WRITE: Mode = Mode {
    begin: "BEGIN ISOLATION LEVEL READ COMMITTED",
    statement_wait: STATEMENT_WAIT,
};
/// One snapshot for all statements of the closure.
const READ: Mode = Mode {
    begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    statement_wait: STATEMENT_WAIT,
};
const SCAN: Mode = Mode {
    begin: READ.begin,
    statement_wait: SCAN_WAIT,
};

impl Postgres {
    /// Connects, and brings the schema up to date. What is wrong with the address, the server or the schema is said
    /// before anything is changed.
    pub(crate) async fn open(address: &PostgresAddress) -> Result<Self> {
        let mut postgres = Self {
            threads: start_threads()?,
            next: AtomicUsize::new(0),
            shared: Shared {
                pool: pool(address)?,
                away: Arc::default(),
                turns: Turns::default(),
                lock_salt: 0,
            },
        };
        let pool = postgres.shared.pool.clone();
        postgres.shared.lock_salt = postgres
            .on_a_thread(async move || schema::migrate(&pool).await)
            .await?;
        Ok(postgres)
    }

    /// With a room, while no other transaction is at work in it.
    pub(crate) async fn write<T, F>(&self, room: Option<Room>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.run(WRITE, room, work).await
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.run(READ, None, work).await
    }

    pub(crate) async fn scan<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.run(SCAN, None, work).await
    }

    async fn run<T, F>(&self, mode: Mode, room: Option<Room>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let shared = self.shared.clone();
        self.on_a_thread(async move || {
            // Only one of this server waits with a connection for others to leave the room.
            let _turn = match room {
                Some(room) => Some(shared.turns.wait(room).await?),
                None => None,
            };
            transact(&shared, mode, room, &work).await
        })
        .await
    }

    /// The transaction goes on when whoever asked for it has gone.
    async fn on_a_thread<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFnOnce() -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let work: Work = Box::new(move || {
            async move {
                let _ = sender.send(work().await);
            }
            .boxed_local()
        });
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let stopped = |_| Error::Unavailable("the threads of the database have stopped".into());
        self.threads[next].send(work).map_err(stopped)?;
        receiver
            .await
            .map_err(|_| Error::internal("run a transaction", "it panicked"))?
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Postgres")
            .field("pool", &self.shared.pool.status())
            .finish_non_exhaustive()
    }
}

fn pool(address: &PostgresAddress) -> Result<Pool> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(address.config(), address.tls()?, recycling);
    Pool::builder(manager)
        .max_size(address.connections)
        .wait_timeout(Some(TURN_WAIT))
        .create_timeout(Some(CONNECT_WAIT))
        .recycle_timeout(Some(CONNECT_WAIT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| Error::internal("make a pool of connections", error))
}

fn start_threads() -> Result<Vec<mpsc::UnboundedSender<Work>>> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (0..cores.min(THREADS_MAX))
        .map(|_| start_thread())
        .collect()
}

/// A thread that ends when nobody can send it work any more.
fn start_thread() -> Result<mpsc::UnboundedSender<Work>> {
    let (sender, mut queue) = mpsc::unbounded_channel::<Work>();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a thread of the database")?;
    std::thread::Builder::new()
        .name("metadata".to_owned())
        .spawn(move || {
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, async move {
                while let Some(work) = queue.recv().await {
                    tokio::task::spawn_local(work());
                }
            });
        })
        .context("start a thread of the database")?;
    Ok(sender)
}

/// Runs a transaction until it is committed, or until trying again is no use.
async fn transact<T>(
    shared: &Shared,
    mode: Mode,
    room: Option<Room>,
    work: &impl AsyncFn(&mut Tx) -> Result<T>,
) -> Result<T> {
    let mut tries = 0;
    loop {
        tries += 1;
        let connection = connect(shared).await?;
        let (result, fault) = attempt(shared, connection, mode, room, work).await;
        if fault == Some(Fault::Silent) {
            shared.away.notify_waiters();
        }
        let tries_max = match fault {
            Some(Fault::Undone) => TRIES_MAX,
            Some(Fault::Lost | Fault::Twice) => SHORT_TRIES_MAX,
            Some(Fault::Silent) | None => return result,
        };
        if result.is_ok() || tries >= tries_max {
            return result;
        }
        back_off(tries).await;
    }
}

/// A connection that works as far as is known.
async fn connect(shared: &Shared) -> Result<Object> {
    let connection = tokio::select! {
        connection = shared.pool.get() => connection.map_err(fault::no_connection),
        () = shared.away.notified() => Err(fault::silent().0),
    };
    if connection.is_err() {
        shared.away.notify_waiters();
    }
    let connection = connection?;
    if connection.statement_cache.size() > STATEMENTS_MAX {
        connection.statement_cache.clear();
    }
    Ok(connection)
}

/// Two that stood in each other's way must not meet again at once.
async fn back_off(tries: u32) {
    let longest_ms = 2_u64 << tries.min(7);
    let mut random = [0; 8];
    // Without chance both wait as long, which is no worse than not waiting.
    let _ = getrandom::fill(&mut random);
    let wait_ms = u64::from_le_bytes(random) % longest_ms;
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
}

/// Runs a transaction once. With a fault beside an error, nothing of it was committed and it may be run again.
async fn attempt<T>(
    shared: &Shared,
    connection: Object,
    mode: Mode,
    room: Option<Room>,
    work: &impl AsyncFn(&mut Tx) -> Result<T>,
) -> (Result<T>, Option<Fault>) {
    let mut tx = Tx {
        engine: TxEngine::Postgres(PostgresTx {
            connection: Connection(Some(connection)),
            statement_wait: mode.statement_wait,
            lock_salt: shared.lock_salt,
            fault: None,
            is_broken: false,
        }),
    };
    let result = match postgres_of(&mut tx).begin(mode, room).await {
        Ok(()) => work(&mut tx).await,
        Err(error) => Err(error),
    };
    let postgres = postgres_of(&mut tx);
    match result {
        Ok(answer) => {
            let committed = postgres.commit().await;
            (committed.map(|()| answer), postgres.fault)
        }
        Err(error) => {
            let fault = postgres.fault;
            postgres.roll_back().await;
            (Err(error), fault)
        }
    }
}

/// The transaction of this engine.
fn postgres_of(tx: &mut Tx) -> &mut PostgresTx {
    match &mut tx.engine {
        TxEngine::Postgres(postgres) => postgres,
        TxEngine::Sqlite(_) => unreachable!("this engine makes its own"),
    }
}

/// A connection in a transaction. Dropped in the middle of it, the connection is closed and not used again.
struct Connection(Option<Object>);

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}

/// A transaction in progress.
pub(super) struct PostgresTx {
    connection: Connection,
    statement_wait: Duration,
    lock_salt: i64,
    /// Set when a statement failed in a way that running the whole transaction again may mend.
    fault: Option<Fault>,
    /// Whether a statement failed: then the server commits nothing, and says so in no error.
    is_broken: bool,
}

impl PostgresTx {
    fn object(&self) -> Result<&Object> {
        let gone = || Error::Unavailable("the transaction has ended".into());
        self.connection.0.as_ref().ok_or_else(gone)
    }

    async fn begin(&mut self, mode: Mode, room: Option<Room>) -> Result<()> {
        let Some(room) = room else {
            return self.say(mode.begin).await;
        };
        // One way to the server and back for both.
        let lock = format!(
            "{}; SELECT pg_advisory_xact_lock({})",
            mode.begin,
            self.key_of(room)
        );
        self.say(&lock).await
    }

    /// Runs what has neither values nor an answer.
    async fn say(&mut self, sql: &str) -> Result<()> {
        let said = self.object()?.batch_execute(sql);
        let said = tokio::time::timeout(self.statement_wait, said).await;
        self.note(said)
    }

    async fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<tokio_postgres::Row>> {
        if values.iter().any(holds_nul) {
            // No text here holds one, so none is found.
            return Ok(Vec::new());
        }
        // `?1` of the one text is `$1` here; no statement has a question mark otherwise.
        let sql = sql.replace('?', "$");
        let object = self.object()?;
        let query = async {
            let statement = object.prepare_cached(&sql).await?;
            let values: Vec<_> = values
                .iter()
                .map(|value| value as &(dyn ToSql + Sync))
                .collect();
            object.query(&statement, &values).await
        };
        let answered = tokio::time::timeout(self.statement_wait, query).await;
        self.note(answered)
    }

    pub(super) async fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64> {
        if values.iter().any(holds_nul) {
            return Err(Error::invalid("text", "may not hold the character NUL"));
        }
        let sql = sql.replace('?', "$");
        let object = self.object()?;
        let execute = async {
            let statement = object.prepare_cached(&sql).await?;
            let values: Vec<_> = values
                .iter()
                .map(|value| value as &(dyn ToSql + Sync))
                .collect();
            object.execute(&statement, &values).await
        };
        let changed = tokio::time::timeout(self.statement_wait, execute).await;
        self.note(changed)
    }

    pub(super) async fn lock(&mut self, room: Room) -> Result<()> {
        let sql = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(?1)) AS locked";
        let key = self.key_of(room);
        self.query(sql, &[key.into()]).await.map(drop)
    }

    /// The advisory lock of a room.
    fn key_of(&self, room: Room) -> i64 {
        let number = match room {
            Room::Project(number) => number,
            Room::Names => NAMES_LOCK,
        };
        number ^ self.lock_salt
    }

    pub(super) async fn all<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        mapping: Mapping<T>,
    ) -> Result<Vec<T>> {
        let rows = self.query(sql, values).await?;
        rows.iter().map(|row| mapping(&row_of(row))).collect()
    }

    pub(super) async fn first<T>(
        &mut self,
        sql: &str,
        values: &[Value],
        mapping: Mapping<T>,
    ) -> Result<Option<T>> {
        let rows = self.query(sql, values).await?;
        rows.first().map(|row| mapping(&row_of(row))).transpose()
    }

    /// Whether it was committed is not known when the connection is lost meanwhile: rows with the same numbers could be
    /// there already, so it is not run again.
    async fn commit(&mut self) -> Result<()> {
        if self.is_broken {
            let went_on = "it went on after a statement that failed";
            return Err(Error::internal("commit a transaction", went_on));
        }
        let committed = self.say("COMMIT").await;
        match (committed, self.fault) {
            (Ok(()), _) => {
                self.give_back();
                Ok(())
            }
            // The server says itself that it undid it.
            (Err(error), Some(Fault::Undone)) => Err(error),
            (Err(_), _) => {
                self.fault = None;
                Err(Error::Unavailable(
                    "the database was lost during a commit: repeat the request".into(),
                ))
            }
        }
    }

    async fn roll_back(&mut self) {
        let answers = !matches!(self.fault, Some(Fault::Lost | Fault::Silent));
        if answers && self.say("ROLLBACK").await.is_ok() {
            self.give_back();
        }
    }

    /// The connection is in no transaction any more and may serve others.
    fn give_back(&mut self) {
        drop(self.connection.0.take());
    }

    /// Notes what a failure means for the transaction.
    fn note<T>(
        &mut self,
        outcome: Result<Result<T, tokio_postgres::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T> {
        let (error, fault) = match outcome {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => fault::failed(error),
            Err(_) => fault::silent(),
        };
        self.fault = self.fault.or(fault);
        self.is_broken = true;
        Err(error)
    }
}

/// PostgreSQL keeps no text with the character NUL (postgresql.org/docs, "Character Types").
fn holds_nul(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.contains('\0'))
}

fn row_of(row: &tokio_postgres::Row) -> Row<'_> {
    Row {
        engine: RowEngine::Postgres(PostgresRow(row)),
    }
}

/// A row of PostgreSQL.
pub(super) struct PostgresRow<'a>(&'a tokio_postgres::Row);

impl PostgresRow<'_> {
    pub(super) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
        &'a self,
        column: usize,
    ) -> Result<T> {
        self.0
            .try_get(column)
            .map_err(|error| Error::internal("read a column", error))
    }

    /// A number: columns have 64 bits, numbers in a statement's text 32.
    pub(super) fn number(&self, column: usize) -> Result<Option<i64>> {
        let kind = self
            .0
            .columns()
            .get(column)
            .map(tokio_postgres::Column::type_);
        if kind == Some(&Type::INT4) {
            return Ok(self.get::<Option<i32>>(column)?.map(i64::from));
        }
        self.get(column)
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Self::Int(number) => number.to_sql_checked(kind, out),
            Self::Text(text) => text.to_sql_checked(kind, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(kind, out),
        }
    }

    fn accepts(_kind: &Type) -> bool {
        // Each value asks its own type.
        true
    }

    to_sql_checked!();
}
