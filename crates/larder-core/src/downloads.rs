//! Downloads from private projects on their way into the log: they are noted in memory, and one writer takes what has
//! gathered. A download waits for neither, and a crash loses what gathered since the last time.

use crate::clock::Timestamp;
use crate::error::Result;
use crate::larder::Larder;
use crate::metadata::audit::{self, NewEntry};
use crate::model::{Artifact, Principal, Project};
use std::sync::{Mutex, PoisonError};

/// So many downloads may wait for the writer, who comes each second: some ten times what a machine answers in one, at
/// some 200 bytes each.
const WAITING_MAX: usize = 65_536;
/// Rows that one transaction writes, so that no upload waits long for its own.
const BATCH: usize = 1_000;

/// Downloads that are not in the log yet.
#[derive(Debug, Default)]
pub(crate) struct Downloads(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    entries: Vec<NewEntry>,
    lost: u64,
}

/// What the log says of a download.
#[derive(Clone, Debug)]
pub(crate) struct Download(NewEntry);

/// What [`Larder::note_downloads`] did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NotedDownloads {
    /// Downloads that are in the log now.
    pub noted: u64,
    /// Downloads that came while too many were waiting, and that the log only counts.
    pub lost: u64,
}

impl Download {
    /// The note of a download, if there shall be one: what all may read is nobody's secret.
    pub(crate) fn noted(who: &Principal, project: &Project, artifact: &Artifact) -> Option<Self> {
        if project.public_at.is_some() {
            return None;
        }
        let what = format!("artifact {}", artifact.id);
        // The time is that of the download.
        let entry = NewEntry::of(who, Timestamp(0), "download", what);
        Some(Self(NewEntry {
            project: Some(project.slug().to_string()),
            ..entry
        }))
    }
}

impl Downloads {
    /// Remembers a download for the writer; counts it if too many wait.
    pub(crate) fn note(&self, download: &Download, now: Timestamp) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.entries.len() >= WAITING_MAX {
            waiting.lost += 1;
            return;
        }
        waiting.entries.push(NewEntry {
            at: now,
            ..download.0.clone()
        });
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be written, before what came since, as far as there is room.
    fn put_back(&self, mut older: Waiting) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = WAITING_MAX.saturating_sub(older.entries.len());
        let newer = std::mem::take(&mut waiting.entries);
        waiting.lost += older.lost + newer.len().saturating_sub(room) as u64;
        older.entries.extend(newer.into_iter().take(room));
        waiting.entries = older.entries;
    }
}

impl Larder {
    /// Writes the downloads that wait into the log. What cannot be written waits on.
    pub async fn note_downloads(&self) -> Result<NotedDownloads> {
        let Waiting { mut entries, lost } = self.store.downloads.take();
        let mut done = NotedDownloads::default();
        if lost > 0 {
            let now = self.store.clock.now();
            let what = format!("{lost} downloads");
            let noted = self
                .store
                .database
                .write(async move |tx| {
                    audit::record_own(tx, now, None, "lose downloads", &what).await
                })
                .await;
            if let Err(error) = noted {
                self.store.downloads.put_back(Waiting { entries, lost });
                return Err(error);
            }
            done.lost = lost;
        }
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(BATCH));
            let batch = entries.clone();
            let written = self
                .store
                .database
                .write(async move |tx| audit::insert(tx, &batch).await)
                .await;
            if let Err(error) = written {
                entries.extend(rest);
                let lost = 0;
                self.store.downloads.put_back(Waiting { entries, lost });
                return Err(error);
            }
            done.noted += entries.len() as u64;
            entries = rest;
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download() -> Download {
        let what = "artifact 1".to_owned();
        let entry = NewEntry::of(&Principal::Operator, Timestamp(0), "download", what);
        Download(entry)
    }

    #[test]
    fn memory_is_bounded_and_what_is_lost_is_counted() {
        let downloads = Downloads::default();
        for at in 0..WAITING_MAX + 5 {
            downloads.note(&download(), Timestamp(i64::try_from(at).unwrap()));
        }
        let taken = downloads.take();
        assert_eq!((taken.entries.len(), taken.lost), (WAITING_MAX, 5));
        assert_eq!(downloads.take().entries.len(), 0);

        // What could not be written goes before what came since.
        for at in 0..3 {
            downloads.note(&download(), Timestamp(1_000_000 + at));
        }
        downloads.put_back(Waiting {
            entries: taken.entries.into_iter().skip(2).collect(),
            lost: 5,
        });
        let taken = downloads.take();
        assert_eq!((taken.entries.len(), taken.lost), (WAITING_MAX, 6));
        assert_eq!(taken.entries[0].at, Timestamp(2));
        assert_eq!(taken.entries[WAITING_MAX - 1].at, Timestamp(1_000_001));
    }
}
