//! Blobs, the extents that they are made of, and the containers that hold those.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::{Row, Tx};
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

/// Stores a blob that is all of a sealed container of its own, under two fresh row numbers.
pub(crate) async fn insert_whole_file(
    tx: &mut Tx,
    numbers: [i64; 2],
    project: i64,
    key: &str,
    digests: &Digests,
    now: Timestamp,
) -> Result<i64> {
    let [container, blob] = numbers;
    let size = i64::try_from(digests.size).unwrap_or(i64::MAX);
    insert_file(tx, container, key, size).await?;
    tx.execute(
        "INSERT INTO blob (pk, project_pk, sha1, sha256, crc32, size, state, verified_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'live', ?7)",
        &[
            blob.into(),
            project.into(),
            digests.sha1.0.as_slice().into(),
            digests.sha256.0.as_slice().into(),
            digests.crc32.into(),
            size.into(),
            now.into(),
        ],
    )
    .await?;
    insert_extent(tx, blob, container, size).await?;
    Ok(blob)
}

/// Gives a blob whose bytes are not there the same bytes anew, in a sealed container of their own.
pub(crate) async fn replace_bytes(
    tx: &mut Tx,
    container: i64,
    blob: i64,
    key: &str,
    digests: &Digests,
) -> Result<()> {
    let size = i64::try_from(digests.size).unwrap_or(i64::MAX);
    leave_containers(tx, blob).await?;
    tx.execute("DELETE FROM extents WHERE blob_pk = ?1", &[blob.into()])
        .await?;
    insert_file(tx, container, key, size).await?;
    insert_extent(tx, blob, container, size).await
}

async fn insert_file(tx: &mut Tx, container: i64, key: &str, size: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO container (pk, key, kind, state, bytes, live_bytes) VALUES (?1, ?2, 'file', 'sealed', ?3, ?3)",
        &[container.into(), key.into(), size.into()],
    )
    .await?;
    Ok(())
}

async fn insert_extent(tx: &mut Tx, blob: i64, container: i64, size: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO extents (blob_pk, seq, container_pk, start, length) VALUES (?1, 0, ?2, 0, ?3)",
        &[blob.into(), container.into(), size.into()],
    )
    .await?;
    Ok(())
}

/// A blob of the project with these bytes that can be pointed to: a live one before a condemned one, never one that is
/// being deleted.
pub(crate) async fn of_content(
    tx: &mut Tx,
    project: i64,
    digests: &Digests,
) -> Result<Option<Blob>> {
    tx.first(
        &format!("{SELECT} WHERE project_pk = ?1 AND sha256 = ?2 AND size = ?3 AND state IN ('live', 'condemned')
            ORDER BY state DESC LIMIT 1"),
        &[
            project.into(),
            digests.sha256.0.as_slice().into(),
            i64::try_from(digests.size).unwrap_or(i64::MAX).into(),
        ],
        blob,
    )
    .await
}

/// [`of_content`], where a condemned blob comes back to life.
pub(crate) async fn revive(tx: &mut Tx, project: i64, digests: &Digests) -> Result<Option<Blob>> {
    let found = of_content(tx, project, digests).await?;
    if let Some(blob) = &found {
        tx.execute(
            "UPDATE blob SET state = 'live', condemned_at = NULL WHERE pk = ?1",
            &[blob.pk.into()],
        )
        .await?;
    }
    Ok(found)
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
        tx.execute(
            "UPDATE blob SET state = 'deleting' WHERE pk = ?1",
            &[(*blob).into()],
        )
        .await?;
        leave_containers(tx, *blob).await?;
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

/// Keys of condemned containers after a row, in the order of rows.
pub(crate) async fn condemned_containers(
    tx: &mut Tx,
    last: i64,
    limit: u32,
) -> Result<Vec<(i64, String)>> {
    tx.all(
        "SELECT pk, key FROM container WHERE state = 'condemned' AND pk > ?1 ORDER BY pk LIMIT ?2",
        &[last.into(), limit.into()],
        |row| Ok((row.int(0)?, row.text(1)?)),
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
    let damaged =
        || crate::error::Error::internal("read a blob's row", "a digest has the wrong length");
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
