//! Keys that sign links, sealed.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::metadata::Tx;

/// A key that only the seal of the settings opens.
#[derive(Clone)]
pub(crate) struct SealedKey {
    pub(crate) id: u16,
    pub(crate) sealed: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

/// All of them, oldest first.
pub(crate) async fn all(tx: &mut Tx) -> Result<Vec<SealedKey>> {
    tx.all(
        "SELECT id, sealed, created_at FROM signing_key ORDER BY created_at, id",
        &[],
        |row| {
            let id = u16::try_from(row.int(0)?);
            Ok(SealedKey {
                id: id.map_err(|error| Error::internal("read a signing key", error))?,
                sealed: row.bytes(1)?,
                created_at: row.time(2)?,
            })
        },
    )
    .await
}

pub(crate) async fn insert(tx: &mut Tx, key: &SealedKey) -> Result<()> {
    tx.execute(
        "INSERT INTO signing_key (id, sealed, created_at) VALUES (?1, ?2, ?3)",
        &[
            u32::from(key.id).into(),
            key.sealed.as_slice().into(),
            key.created_at.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn delete(tx: &mut Tx, id: u16) -> Result<()> {
    tx.execute(
        "DELETE FROM signing_key WHERE id = ?1",
        &[u32::from(id).into()],
    )
    .await?;
    Ok(())
}
