//! What errors of PostgreSQL mean to the larder.

use crate::error::Error;
use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

/// A failure that concerns the whole transaction; but for [`Fault::Silent`], running it again may mend it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::metadata) enum Fault {
    /// The server undid the transaction in favour of another one.
    Undone,
    /// The connection was lost.
    Lost,
    /// The server did not answer in time; the same would happen again.
    Silent,
    /// A row was there already, perhaps since a moment ago: then the next try finds it.
    Twice,
}

/// What a statement's error means, and for the transaction.
pub(super) fn failed(error: tokio_postgres::Error) -> (Error, Option<Fault>) {
    let Some(state) = error.code() else {
        let is_lost = error.is_closed() || is_io(&error);
        let meaning = if is_lost {
            away(&error)
        } else {
            Error::internal("ask the database", error)
        };
        return (meaning, is_lost.then_some(Fault::Lost));
    };
    match state.code().get(..2) {
        Some("40") => (crowded(), Some(Fault::Undone)),
        Some("55") => (crowded(), None),
        Some("57") if *state == SqlState::QUERY_CANCELED => (crowded(), None),
        // Connection exceptions, and a server that shuts down.
        Some("08" | "57") => (away(&error), Some(Fault::Lost)),
        Some("23") if *state == SqlState::UNIQUE_VIOLATION => (
            Error::Conflict(format!("the store refused the change: {error}")),
            Some(Fault::Twice),
        ),
        Some("23") => (
            Error::Conflict(format!("the store refused the change: {error}")),
            None,
        ),
        Some("53") if *state == SqlState::DISK_FULL => (Error::StorageFull, None),
        Some("53") => (away(&error), None),
        Some("25") if *state == SqlState::READ_ONLY_SQL_TRANSACTION => (
            Error::Unavailable("the database only reads now: is it a standby?".into()),
            None,
        ),
        _ => (Error::internal("ask the database", error), None),
    }
}

/// A statement that was not answered in time.
pub(super) fn silent() -> (Error, Option<Fault>) {
    let error = Error::Unavailable("the database did not answer in time".into());
    (error, Some(Fault::Silent))
}

fn crowded() -> Error {
    Error::Unavailable("too many changes of the same rows at once: try again".into())
}

/// Why there was no connection.
pub(super) fn no_connection(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => refused(&error),
        PoolError::Timeout(TimeoutType::Wait) => {
            Error::Unavailable("all connections to the database are busy".into())
        }
        PoolError::Timeout(_) => Error::Unavailable("the database did not answer in time".into()),
        other => Error::Unavailable(format!("no connection to the database: {other}")),
    }
}

/// Why a connection was refused, in words for whoever set it up.
fn refused(error: &tokio_postgres::Error) -> Error {
    Error::Unavailable(match error.code() {
        Some(state) if *state == SqlState::INVALID_PASSWORD => {
            "the database refused the password: check database.url".to_owned()
        }
        _ => said("no connection to the database", error),
    })
}

fn away(error: &tokio_postgres::Error) -> Error {
    Error::Unavailable(said("the database is away", error))
}

/// An error of the driver with its causes; neither holds a secret.
fn said(context: &'static str, error: &tokio_postgres::Error) -> String {
    let mut said = format!("{context}: {error}");
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let words = cause.to_string();
        if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        next = cause.source();
    }
    said
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if cause.is::<std::io::Error>() {
            return true;
        }
        next = cause.source();
    }
    false
}
