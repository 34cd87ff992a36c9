//! What the store knows of itself: when it was last swept, and whether its retention is held.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::Tx;

/// What the sweeper left behind.
#[derive(Clone, Debug)]
pub(crate) struct Sweeps {
    /// When it was last here.
    pub(crate) last_at: Option<Timestamp>,
    /// Why nothing expires until an operator says so.
    pub(crate) held_why: Option<String>,
}

/// Which store it is, for as long as there is one.
pub(crate) async fn id(tx: &mut Tx) -> Result<String> {
    tx.one("SELECT id FROM instance", &[], |row| row.text(0))
        .await
}

pub(crate) async fn sweeps(tx: &mut Tx) -> Result<Sweeps> {
    tx.one("SELECT swept_at, held_why FROM instance", &[], |row| {
        Ok(Sweeps {
            last_at: row.time_or_none(0)?,
            held_why: row.text_or_none(1)?,
        })
    })
    .await
}

/// Notes that the sweeper was here, and what keeps it from its work, if anything does.
pub(crate) async fn note_sweep(tx: &mut Tx, now: Timestamp, held_why: Option<&str>) -> Result<()> {
    tx.execute(
        "UPDATE instance SET swept_at = ?1, held_why = ?2",
        &[now.into(), held_why.into()],
    )
    .await?;
    Ok(())
}

/// Writes the row again as it is: an empty transaction would succeed on a full disk.
pub(crate) async fn touch(tx: &mut Tx) -> Result<()> {
    tx.execute("UPDATE instance SET id = id", &[]).await?;
    Ok(())
}
