//! Empty folders that jobs keep.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::metadata::artifacts::Of;
use crate::metadata::{Row, Tx};
use crate::model::{ArtifactPath, FileMode, Folder, JobId};

/// Keeps a folder; a mode that comes with one that is there takes the place of its own. Whether it was not there.
pub(crate) async fn put(
    tx: &mut Tx,
    job: i64,
    path: &ArtifactPath,
    mode: Option<FileMode>,
    now: Timestamp,
) -> Result<bool> {
    let mode = mode.map(FileMode::bits);
    let changed = tx
        .execute(
            "UPDATE folder SET mode = COALESCE(?3, mode) WHERE job_pk = ?1 AND path = ?2",
            &[job.into(), path.as_str().into(), mode.into()],
        )
        .await?;
    if changed > 0 {
        return Ok(false);
    }
    tx.execute(
        "INSERT INTO folder (job_pk, path, mode, created_at) VALUES (?1, ?2, ?3, ?4)",
        &[job.into(), path.as_str().into(), mode.into(), now.into()],
    )
    .await?;
    Ok(true)
}

/// The folder of that path.
pub(crate) async fn by_path(tx: &mut Tx, job: i64, path: &ArtifactPath) -> Result<Option<Folder>> {
    tx.first(
        "SELECT job.id, folder.path, folder.mode FROM folder JOIN job ON job.pk = folder.job_pk
         WHERE folder.job_pk = ?1 AND folder.path = ?2",
        &[job.into(), path.as_str().into()],
        folder,
    )
    .await
}

/// How many folders a job keeps.
pub(crate) async fn count(tx: &mut Tx, job: i64) -> Result<i64> {
    tx.one(
        "SELECT COUNT(*) FROM folder WHERE job_pk = ?1",
        &[job.into()],
        |row| row.int(0),
    )
    .await
}

/// Folders of a node or of all nodes of a build, by node and path.
pub(crate) async fn list(tx: &mut Tx, of: Of, limit: u32) -> Result<Vec<Folder>> {
    let (jobs, pk) = match of {
        Of::Job(pk) => ("pk = ?1", pk),
        Of::Build(pk) => ("build_pk = ?1", pk),
    };
    // The order of the keys, so that nothing is sorted: nodes of a build are few.
    let jobs = tx
        .all(
            &format!("SELECT pk FROM job WHERE {jobs}"),
            &[pk.into()],
            |row| row.int(0),
        )
        .await?;
    let mut jobs = jobs;
    jobs.sort_unstable();
    let mut found = Vec::new();
    for job in jobs {
        let room = u32::try_from(found.len()).map_or(0, |found| limit.saturating_sub(found));
        let mut folders = tx
            .all(
                "SELECT job.id, folder.path, folder.mode FROM folder JOIN job ON job.pk = folder.job_pk
                 WHERE folder.job_pk = ?1 ORDER BY folder.path LIMIT ?2",
                &[job.into(), room.into()],
                folder,
            )
            .await?;
        found.append(&mut folders);
    }
    Ok(found)
}

fn folder(row: &Row<'_>) -> Result<Folder> {
    Ok(Folder {
        job_id: row.parsed(0, JobId::parse)?,
        path: row.parsed(1, |path| ArtifactPath::parse(path).ok())?,
        mode: row.int_or_none(2)?.and_then(FileMode::of_bits),
    })
}
