//! Work that one server at a time does.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::Tx;

/// Takes or renews the lease of a name; `false` while another holder has it.
pub(crate) async fn take(
    tx: &mut Tx,
    name: &str,
    holder: &str,
    now: Timestamp,
    ends_at: Timestamp,
) -> Result<bool> {
    let changed = tx
        .execute(
            "INSERT INTO lease (name, holder, ends_at) VALUES (?1, ?2, ?4)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, ends_at = excluded.ends_at
             WHERE lease.holder = ?2 OR lease.ends_at <= ?3",
            &[name.into(), holder.into(), now.into(), ends_at.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// Gives a lease back before its end.
pub(crate) async fn give_back(tx: &mut Tx, name: &str, holder: &str) -> Result<()> {
    tx.execute(
        "DELETE FROM lease WHERE name = ?1 AND holder = ?2",
        &[name.into(), holder.into()],
    )
    .await?;
    Ok(())
}
