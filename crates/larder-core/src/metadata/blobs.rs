//! Blobs, the extents that they are made of, and the containers that hold those.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::metadata::{Row, Tx, Value};
use crate::model::{Digests, Sha1Digest, Sha256Digest};

/// Bytes known to the store.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) pk: i64,
    pub(crate) digests: Digests,
}

/// A run of bytes in a container.
#[derive(Clone, Debug)]
pub(crate) struct Extent {
    pub(crate) container: String,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

const SELECT: &str = "SELECT pk, size, sha1, sha256, crc32 FROM blob";

/// Contents that are stored, and their bytes.
pub(crate) async fn totals(tx: &mut Tx) -> Result<(i64, i64)> {
    tx.one(
        "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM blob WHERE state = 'live'",
        &[],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )
    .await
}

/// Stores a blob under a fresh row number; what it is made of comes with [`chain`].
pub(crate) async fn insert(
    tx: &mut Tx,
    blob: i64,
    project: i64,
    digests: &Digests,
    now: Timestamp,
) -> Result<()> {
    tx.execute(
        "INSERT INTO blob (pk, project_pk, sha1, sha256, crc32, size, state, verified_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'live', ?7)",
        &[
            blob.into(),
            project.into(),
            digests.sha1.0.as_slice().into(),
            digests.sha256.0.as_slice().into(),
            digests.crc32.into(),
            as_int(digests.size).into(),
            now.into(),
        ],
    )
    .await?;
    Ok(())
}

/// Where bytes are that a row is to name.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// In a file of their own that no row names yet.
    File {
        /// Fresh number for the row of the file.
        container: i64,
        key: String,
    },
    /// In an object that is on record as intended.
    Object {
        /// Number of its row.
        container: i64,
    },
}

impl Home {
    /// Number of the container's row.
    pub(crate) fn container(&self) -> i64 {
        match self {
            Self::File { container, .. } | Self::Object { container } => *container,
        }
    }
}

/// Names bytes that are complete. An object that is no longer intended may be gone: then it names nothing.
pub(crate) async fn seal(tx: &mut Tx, home: &Home, bytes: u64) -> Result<()> {
    let (sql, values): (_, [Value; 3]) = match home {
        Home::File { container, key } => (
            "INSERT INTO container (pk, key, kind, state, bytes, live_bytes) VALUES (?1, ?2, 'file', 'sealed', ?3, ?3)",
            [(*container).into(), key.as_str().into(), as_int(bytes).into()],
        ),
        Home::Object { container } => (
            "UPDATE container SET state = 'sealed', bytes = ?3, live_bytes = ?3, deadline_at = NULL, sending = NULL
             WHERE pk = ?1 AND kind = ?2 AND state = 'intent'",
            [(*container).into(), "object".into(), as_int(bytes).into()],
        ),
    };
    if tx.execute(sql, &values).await? == 1 {
        return Ok(());
    }
    Err(Error::Unavailable(
        "the upload took longer than its lease: repeat it".into(),
    ))
}

/// Puts an object on record before its first byte is sent.
pub(crate) async fn intend(
    tx: &mut Tx,
    container: i64,
    key: &str,
    deadline: Timestamp,
) -> Result<()> {
    tx.execute(
        "INSERT INTO container (pk, key, kind, state, deadline_at, bytes, live_bytes)
         VALUES (?1, ?2, 'object', 'intent', ?3, 0, 0)",
        &[container.into(), key.into(), deadline.into()],
    )
    .await?;
    Ok(())
}

/// Notes how the bucket names the sending of an object in parts.
pub(crate) async fn note_sending(tx: &mut Tx, container: i64, sending: &str) -> Result<()> {
    tx.execute(
        "UPDATE container SET sending = ?2 WHERE pk = ?1 AND state = 'intent'",
        &[container.into(), sending.into()],
    )
    .await?;
    Ok(())
}

/// An object that was intended is overdue from that time on.
pub(crate) async fn give_up_intent(tx: &mut Tx, container: i64, deadline: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE container SET deadline_at = ?2 WHERE pk = ?1 AND state = 'intent'",
        &[container.into(), deadline.into()],
    )
    .await?;
    Ok(())
}

/// Condemns objects whose sending is overdue; how many.
pub(crate) async fn condemn_overdue(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    tx.execute(
        "UPDATE container SET state = 'condemned' WHERE state = 'intent' AND deadline_at <= ?1",
        &[now.into()],
    )
    .await
}

/// Makes a blob of all of some containers, each with its length, in this order.
pub(crate) async fn chain(tx: &mut Tx, blob: i64, containers: &[(i64, u64)]) -> Result<()> {
    for (seq, (container, length)) in (0_u32..).zip(containers) {
        tx.execute(
            "INSERT INTO extents (blob_pk, seq, container_pk, start, length) VALUES (?1, ?2, ?3, 0, ?4)",
            &[
                blob.into(),
                seq.into(),
                (*container).into(),
                as_int(*length).into(),
            ],
        )
        .await?;
    }
    Ok(())
}

/// Takes away what a blob is made of, whose bytes are not there.
pub(crate) async fn unchain(tx: &mut Tx, blob: i64) -> Result<()> {
    leave_containers(tx, blob).await?;
    tx.execute("DELETE FROM extents WHERE blob_pk = ?1", &[blob.into()])
        .await?;
    Ok(())
}

fn as_int(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A blob of the project with these bytes that can be pointed to: a live one before a condemned one, never one that is
/// being deleted.
pub(crate) async fn of_content(
    tx: &mut Tx,
    project: i64,
    size: u64,
    sha256: Sha256Digest,
) -> Result<Option<Blob>> {
    tx.first(
        &format!("{SELECT} WHERE project_pk = ?1 AND sha256 = ?2 AND size = ?3 AND state IN ('live', 'condemned')
            ORDER BY state DESC LIMIT 1"),
        &[
            project.into(),
            sha256.0.as_slice().into(),
            as_int(size).into(),
        ],
        blob,
    )
    .await
}

/// Brings a condemned blob back to life; a live one stays as it is. `false` if it is being deleted.
pub(crate) async fn revive(tx: &mut Tx, blob: i64) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE blob SET state = 'live', condemned_at = NULL WHERE pk = ?1 AND state IN ('live', 'condemned')",
            &[blob.into()],
        )
        .await?;
    Ok(changed == 1)
}

/// What a blob is made of, in order.
pub(crate) async fn extents(tx: &mut Tx, blob: i64) -> Result<Vec<Extent>> {
    tx.all(
        "SELECT container.key, extents.start, extents.length FROM extents
         JOIN container ON container.pk = extents.container_pk WHERE extents.blob_pk = ?1 ORDER BY extents.seq",
        &[blob.into()],
        |row| {
            Ok(Extent {
                container: row.text(0)?,
                start: u64::try_from(row.int(1)?).unwrap_or(0),
                length: u64::try_from(row.int(2)?).unwrap_or(0),
            })
        },
    )
    .await
}

/// Blobs after a row that have their bytes, in the order of rows.
pub(crate) async fn kept_after(tx: &mut Tx, last: i64, limit: u32) -> Result<Vec<Blob>> {
    let sql =
        format!("{SELECT} WHERE pk > ?1 AND state IN ('live', 'condemned') ORDER BY pk LIMIT ?2");
    tx.all(&sql, &[last.into(), limit.into()], blob).await
}

pub(crate) async fn by_pk(tx: &mut Tx, pk: i64) -> Result<Option<Blob>> {
    tx.first(&format!("{SELECT} WHERE pk = ?1"), &[pk.into()], blob)
        .await
}

/// Condemns a blob to which no finished artifact points any more.
pub(crate) async fn condemn_unless_used(tx: &mut Tx, pk: i64, now: Timestamp) -> Result<()> {
    tx.execute(
        "UPDATE blob SET state = 'condemned', condemned_at = ?2 WHERE pk = ?1 AND state = 'live'
            AND NOT EXISTS (SELECT 1 FROM artifact WHERE blob_pk = ?1 AND state = 'finished')",
        &[pk.into(), now.into()],
    )
    .await?;
    Ok(())
}

/// Moves blobs that were condemned before a time to `deleting`, from where none comes back, and condemns the
/// containers in which nothing lives any more. How many blobs.
pub(crate) async fn begin_deleting(
    tx: &mut Tx,
    condemned_before: Timestamp,
    limit: u32,
) -> Result<usize> {
    let blobs = tx
        .all(
            "SELECT pk FROM blob WHERE state = 'condemned' AND condemned_at <= ?1
                AND NOT EXISTS (SELECT 1 FROM artifact WHERE artifact.blob_pk = blob.pk AND artifact.state = 'finished')
             ORDER BY condemned_at LIMIT ?2",
            &[condemned_before.into(), limit.into()],
            |row| row.int(0),
        )
        .await?;
    for blob in &blobs {
        let changed = tx
            .execute(
                "UPDATE blob SET state = 'deleting' WHERE pk = ?1 AND state = 'condemned'",
                &[(*blob).into()],
            )
            .await?;
        // Otherwise an upload brought it back to life just now.
        if changed == 1 {
            leave_containers(tx, *blob).await?;
        }
    }
    Ok(blobs.len())
}

/// Takes a blob out of the containers that hold it, and condemns those in which nothing else lives.
async fn leave_containers(tx: &mut Tx, blob: i64) -> Result<()> {
    tx.execute(
        "UPDATE container SET live_bytes = live_bytes - (SELECT SUM(length) FROM extents
            WHERE extents.blob_pk = ?1 AND extents.container_pk = container.pk)
         WHERE pk IN (SELECT container_pk FROM extents WHERE blob_pk = ?1)",
        &[blob.into()],
    )
    .await?;
    tx.execute(
        "UPDATE container SET state = 'condemned'
         WHERE pk IN (SELECT container_pk FROM extents WHERE blob_pk = ?1) AND state = 'sealed'
            AND NOT EXISTS (SELECT 1 FROM extents JOIN blob ON blob.pk = extents.blob_pk
                WHERE extents.container_pk = container.pk AND blob.pk <> ?1 AND blob.state <> 'deleting')",
        &[blob.into()],
    )
    .await?;
    Ok(())
}

/// A container whose bytes nothing needs.
#[derive(Clone, Debug)]
pub(crate) struct Condemned {
    pub(crate) pk: i64,
    pub(crate) key: String,
    /// How the bucket names its sending in parts, if that was not completed.
    pub(crate) sending: Option<String>,
    /// Whether a row named it once.
    pub(crate) was_sealed: bool,
}

/// Condemned containers after a row, in the order of rows.
pub(crate) async fn condemned_containers(
    tx: &mut Tx,
    last: i64,
    limit: u32,
) -> Result<Vec<Condemned>> {
    tx.all(
        "SELECT pk, key, sending, deadline_at FROM container WHERE state = 'condemned' AND pk > ?1 ORDER BY pk LIMIT ?2",
        &[last.into(), limit.into()],
        |row| {
            Ok(Condemned {
                pk: row.int(0)?,
                key: row.text(1)?,
                sending: row.text_or_none(2)?,
                was_sealed: row.int_or_none(3)?.is_none(),
            })
        },
    )
    .await
}

/// Forgets a container whose bytes are gone, and the blobs that had bytes nowhere else.
pub(crate) async fn forget_container(tx: &mut Tx, container: i64) -> Result<()> {
    let blobs = tx
        .all(
            "SELECT DISTINCT blob_pk FROM extents WHERE container_pk = ?1",
            &[container.into()],
            |row| row.int(0),
        )
        .await?;
    tx.execute(
        "DELETE FROM extents WHERE container_pk = ?1",
        &[container.into()],
    )
    .await?;
    tx.execute("DELETE FROM container WHERE pk = ?1", &[container.into()])
        .await?;
    for blob in blobs {
        let left = tx
            .first(
                "SELECT 1 FROM extents WHERE blob_pk = ?1 LIMIT 1",
                &[blob.into()],
                |row| row.int(0),
            )
            .await?;
        if left.is_none() {
            tx.execute(
                "UPDATE artifact SET blob_pk = NULL WHERE blob_pk = ?1",
                &[blob.into()],
            )
            .await?;
            tx.execute("DELETE FROM blob WHERE pk = ?1", &[blob.into()])
                .await?;
        }
    }
    Ok(())
}

/// Whether a row names the container.
pub(crate) async fn container_is_known(tx: &mut Tx, key: &str) -> Result<bool> {
    let found = tx
        .first(
            "SELECT 1 FROM container WHERE key = ?1",
            &[key.into()],
            |row| row.int(0),
        )
        .await?;
    Ok(found.is_some())
}

fn blob(row: &Row<'_>) -> Result<Blob> {
    let damaged = || Error::internal("read a blob's row", "a digest has the wrong length");
    Ok(Blob {
        pk: row.int(0)?,
        digests: Digests {
            size: u64::try_from(row.int(1)?).unwrap_or(0),
            sha1: Sha1Digest::from_slice(&row.bytes(2)?).ok_or_else(damaged)?,
            sha256: Sha256Digest::from_slice(&row.bytes(3)?).ok_or_else(damaged)?,
            crc32: row.small(4)?,
        },
    })
}
