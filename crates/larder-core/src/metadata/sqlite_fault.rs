//! What errors of SQLite mean to the larder.

use crate::error::Error;
use rusqlite::ErrorCode;

/// What an error of SQLite means to the larder.
pub(super) fn failed(context: &'static str, error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::StorageFull,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Unavailable("the database is locked by another process".into())
        }
        Some(ErrorCode::ConstraintViolation) => {
            Error::Conflict(format!("the store refused the change: {error}"))
        }
        _ => Error::internal(context, error),
    }
}
