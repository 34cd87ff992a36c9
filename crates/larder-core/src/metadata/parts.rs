//! Parts that have come of artifacts which are not complete.

use crate::error::Result;
use crate::metadata::blobs::Extent;
use crate::metadata::{Row, Tx};

/// A part that is durable.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) seq: u32,
    pub(crate) container: i64,
    pub(crate) extent: Extent,
}

const SELECT: &str = "SELECT part.seq, part.container_pk, container.key, part.length
    FROM part JOIN container ON container.pk = part.container_pk";

/// Names a part that is all of a container.
pub(crate) async fn insert(
    tx: &mut Tx,
    artifact: i64,
    seq: u32,
    container: i64,
    length: u64,
) -> Result<()> {
    tx.execute(
        "INSERT INTO part (artifact_pk, seq, container_pk, length) VALUES (?1, ?2, ?3, ?4)",
        &[
            artifact.into(),
            seq.into(),
            container.into(),
            i64::try_from(length).unwrap_or(i64::MAX).into(),
        ],
    )
    .await?;
    Ok(())
}

/// Whether the part has come.
pub(crate) async fn is_held(tx: &mut Tx, artifact: i64, seq: u32) -> Result<bool> {
    let found = tx
        .first(
            "SELECT 1 FROM part WHERE artifact_pk = ?1 AND seq = ?2",
            &[artifact.into(), seq.into()],
            |row| row.int(0),
        )
        .await?;
    Ok(found.is_some())
}

/// Which parts have come, in order.
pub(crate) async fn held(tx: &mut Tx, artifact: i64) -> Result<Vec<u32>> {
    tx.all(
        "SELECT seq FROM part WHERE artifact_pk = ?1 ORDER BY seq",
        &[artifact.into()],
        |row| row.small(0),
    )
    .await
}

/// Parts that have come from a place on, in order.
pub(crate) async fn from(tx: &mut Tx, artifact: i64, seq: u32) -> Result<Vec<Part>> {
    tx.all(
        &format!("{SELECT} WHERE part.artifact_pk = ?1 AND part.seq >= ?2 ORDER BY part.seq"),
        &[artifact.into(), seq.into()],
        part,
    )
    .await
}

/// Parts of all artifacts after a container's row, in the order of those.
pub(crate) async fn after(tx: &mut Tx, container: i64, limit: u32) -> Result<Vec<Part>> {
    tx.all(
        &format!("{SELECT} WHERE part.container_pk > ?1 ORDER BY part.container_pk LIMIT ?2"),
        &[container.into(), limit.into()],
        part,
    )
    .await
}

/// Forgets the parts of an artifact, whose containers are its blob's now.
pub(crate) async fn hand_over(tx: &mut Tx, artifact: i64) -> Result<()> {
    tx.execute(
        "DELETE FROM part WHERE artifact_pk = ?1",
        &[artifact.into()],
    )
    .await?;
    Ok(())
}

/// Gives up the parts of an artifact: the sweeper removes their bytes.
pub(crate) async fn free(tx: &mut Tx, artifact: i64) -> Result<()> {
    tx.execute(
        "UPDATE container SET state = 'condemned', live_bytes = 0
         WHERE pk IN (SELECT container_pk FROM part WHERE artifact_pk = ?1)",
        &[artifact.into()],
    )
    .await?;
    hand_over(tx, artifact).await
}

/// Gives up one part.
pub(crate) async fn free_one(tx: &mut Tx, artifact: i64, seq: u32) -> Result<()> {
    tx.execute(
        "UPDATE container SET state = 'condemned', live_bytes = 0
         WHERE pk = (SELECT container_pk FROM part WHERE artifact_pk = ?1 AND seq = ?2)",
        &[artifact.into(), seq.into()],
    )
    .await?;
    tx.execute(
        "DELETE FROM part WHERE artifact_pk = ?1 AND seq = ?2",
        &[artifact.into(), seq.into()],
    )
    .await?;
    Ok(())
}

fn part(row: &Row<'_>) -> Result<Part> {
    Ok(Part {
        seq: row.small(0)?,
        container: row.int(1)?,
        extent: Extent {
            container: row.text(2)?,
            start: 0,
            length: u64::try_from(row.int(3)?).unwrap_or(0),
        },
    })
}
