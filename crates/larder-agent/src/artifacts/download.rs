//! Downloads: what matches, verified, and never outside the target folder.

use super::pattern::{Patterns, joined, stripped};
use super::receive::{Received, receive};
use super::source::{ArtifactSource, Listing, empty_folders, list};
use super::target::{Place, Target};
use crate::error::{Error, Result};
use crate::server::Server;
use futures_util::{Stream, StreamExt};
use larder_protocol::{ArtifactBody, ArtifactState};
use rustix::fs::Mode;
use std::collections::BTreeMap;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Files on their way at once.
const CONCURRENT_DOWNLOADS: usize = 8;
/// Files looked up at once: whether they are there, and with the right content.
const CONCURRENT_LOOKS: usize = 4;
/// How often the progress is told.
const TICK: Duration = Duration::from_millis(100);
/// Permissions of a file whose uploader told none.
const MODE_UNTOLD: u32 = 0o644;

/// What `larder download` is to do.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// Where from, with a token that may read artifacts.
    pub server: Server,
    /// Whose artifacts.
    pub source: ArtifactSource,
    /// Names, folders or globs of artifacts, in the language of [`Patterns`]; none means all.
    pub queries: Vec<String>,
    /// Folder taken away from the beginning of the names.
    pub strip: Option<String>,
    /// Puts the files of each node in folders of their own: `NAME/INDEX`.
    pub per_job: bool,
    /// Folder to write into; it is made if it does not exist.
    pub target: PathBuf,
}

/// What happens during a download.
#[derive(Debug)]
#[non_exhaustive]
pub enum DownloadEvent<'a> {
    /// The artifacts are known and their download begins.
    Planned {
        /// How many there are.
        files: usize,
        /// Their bytes.
        bytes: u64,
    },
    /// How far it is; told a few times a second.
    Progress {
        /// Bytes that have arrived.
        received_bytes: u64,
    },
    /// A file is complete, verified and in place.
    Saved(&'a SavedFile),
    /// A file could not be saved, and why.
    Problem(&'a str),
}

/// A file that is in place.
#[derive(Clone, Debug)]
pub struct SavedFile {
    /// What the server says of it.
    pub artifact: Arc<ArtifactBody>,
    /// Where it is.
    pub local: PathBuf,
    /// Whether it was there already, with the right content.
    pub was_there: bool,
}

/// What came of a download.
#[derive(Debug, Default)]
pub struct DownloadSummary {
    /// Saved files, in the order in which they were done.
    pub files: Vec<SavedFile>,
    /// Bytes that were received.
    pub received_bytes: u64,
    /// What could not be saved, and why; if there is any, the command failed.
    pub problems: Vec<String>,
}

/// Saves the artifacts that match, eight at a time, each verified by its SHA-256 before it gets
/// its name. What was cut off before goes on where it was.
///
/// A file that cannot be saved does not stop the others; a server that cannot be reached does.
/// Nothing that matches, and two artifacts that would be one file, are usage errors.
pub async fn download(
    options: DownloadOptions,
    on_event: impl Fn(DownloadEvent<'_>),
) -> Result<DownloadSummary> {
    let patterns = Patterns::parse(&options.queries)?;
    let listing = list(&options.server, &options.source, &patterns).await?;
    let folders = folders(&options, &patterns, &listing).await?;
    let chosen = choose(&options, &patterns, listing, folders.is_empty())?;
    on_event(DownloadEvent::Planned {
        files: chosen.len(),
        bytes: chosen
            .values()
            .filter_map(|it| u64::try_from(it.size).ok())
            .sum(),
    });
    let target = Arc::new(Target::open(&options.target)?);
    let received = Arc::new(AtomicU64::new(0));
    let mut summary = DownloadSummary::default();
    for (folder, mode) in folders {
        if let Err(error) = target.make_folder(&folder, mode) {
            problem(&mut summary, &on_event, &error);
        }
    }
    let downloads = looked_up(&target, chosen).map(|looked_up| {
        let saving = Saving {
            server: options.server.clone(),
            received: received.clone(),
            artifact: looked_up.artifact,
        };
        saving.save(looked_up.place)
    });
    let mut downloads = downloads.buffer_unordered(CONCURRENT_DOWNLOADS);
    let mut tick = tokio::time::interval(TICK);
    loop {
        let answer = tokio::select! {
            answer = downloads.next() => answer,
            _ = tick.tick() => {
                let received_bytes = received.load(Ordering::Relaxed);
                on_event(DownloadEvent::Progress { received_bytes });
                continue;
            }
        };
        match answer {
            None => break,
            Some(Ok(file)) => {
                on_event(DownloadEvent::Saved(&file));
                summary.files.push(file);
            }
            Some(Err(error @ Error::Unreachable { .. })) => return Err(error),
            Some(Err(error)) => problem(&mut summary, &on_event, &error),
        }
    }
    summary.received_bytes = received.load(Ordering::Relaxed);
    Ok(summary)
}

/// Writes the one artifact that matches to `sink`. What was written is whole and right only if this
/// succeeds.
pub async fn download_to(options: &DownloadOptions, sink: &mut impl Write) -> Result<()> {
    let patterns = Patterns::parse(&options.queries)?;
    let listing = list(&options.server, &options.source, &patterns).await?;
    let chosen = choose(options, &patterns, listing, true)?;
    let mut artifacts = chosen.values();
    let (Some(artifact), None) = (artifacts.next(), artifacts.next()) else {
        return Err(Error::Usage(format!(
            "{} artifacts match; only one can be written to the standard output",
            chosen.len()
        )));
    };
    let (mut received, count) = (Received::nothing(), AtomicU64::new(0));
    receive(&options.server, artifact, &mut received, sink, &count).await?;
    sink.flush().map_err(Error::io(&artifact.path))
}

fn problem(summary: &mut DownloadSummary, on_event: &impl Fn(DownloadEvent<'_>), error: &Error) {
    let problem = error.to_string();
    on_event(DownloadEvent::Problem(&problem));
    summary.problems.push(problem);
}

/// The finished artifacts that match, the newest of each name, under the names that they get here.
fn choose(
    options: &DownloadOptions,
    patterns: &Patterns,
    mut listing: Listing,
    must_match: bool,
) -> Result<BTreeMap<String, Arc<ArtifactBody>>> {
    // Behind pointers: the map would hold a good part of its memory twice.
    let mut chosen: BTreeMap<String, Arc<ArtifactBody>> = BTreeMap::new();
    for artifact in std::mem::take(&mut listing.artifacts) {
        if artifact.state != ArtifactState::Finished {
            continue;
        }
        let (job, path) = (&artifact.job_id, &artifact.path);
        let Some(name) = local_name(options, patterns, &listing, job, path) else {
            continue;
        };
        let Some(older) = chosen.get(&name) else {
            chosen.insert(name, Arc::new(artifact));
            continue;
        };
        let later = listing.later_round(&older.job_id, &artifact.job_id);
        if later == Some(older.job_id.as_str()) {
            continue;
        }
        if older.job_id != artifact.job_id && later.is_none() {
            return Err(Error::Usage(format!(
                "{}: kept by the jobs {} and {}; choose with --job-name and --node, or give each \
                 node folders of its own with --per-job",
                older.path,
                listing.job_label(&older.job_id),
                listing.job_label(&artifact.job_id)
            )));
        }
        if older.path != artifact.path {
            return Err(Error::Usage(format!(
                "{} and {} would both be saved as {name}; give one of them another name",
                older.path, artifact.path
            )));
        }
        // The newer of two that one job kept under one name, or that of the job when it was run again.
        chosen.insert(name, Arc::new(artifact));
    }
    if chosen.is_empty() && must_match {
        let wanted = match options.queries.as_slice() {
            [] => "no artifact".to_owned(),
            queries => format!("no artifact that matches {}", queries.join(" ")),
        };
        return Err(Error::Usage(format!("{}: it has {wanted}", listing.holder)));
    }
    Ok(chosen)
}

async fn folders(
    options: &DownloadOptions,
    patterns: &Patterns,
    listing: &Listing,
) -> Result<Vec<(String, Option<u32>)>> {
    let folders = empty_folders(&options.server, listing).await?;
    let named = folders.into_iter().filter_map(|folder| {
        let name = local_name(options, patterns, listing, &folder.job_id, &folder.path)?;
        Some((name, folder.mode.as_deref().and_then(bits)))
    });
    Ok(named.collect())
}

fn local_name(
    options: &DownloadOptions,
    patterns: &Patterns,
    listing: &Listing,
    job: &str,
    path: &str,
) -> Option<String> {
    let name = patterns.renamed(path)?;
    let name = match &options.strip {
        Some(prefix) => stripped(&name, prefix).to_owned(),
        None => name,
    };
    let job = listing.jobs.get(job).filter(|_| options.per_job);
    Some(match job {
        // A job's name is no path.
        Some(job) => joined(
            &format!("{}/{}", job.name.replace('/', "-"), job.index),
            &name,
        ),
        None => name,
    })
}

/// Permission bits from octal digits.
fn bits(mode: &str) -> Option<u32> {
    u32::from_str_radix(mode, 8).ok().map(|bits| bits & 0o777)
}

/// One file on its way.
struct Saving {
    server: Server,
    received: Arc<AtomicU64>,
    artifact: Arc<ArtifactBody>,
}

/// A file whose place is known.
struct LookedUp {
    artifact: Arc<ArtifactBody>,
    /// Where it goes, and whether it is there already.
    place: Result<(Place, bool)>,
}

/// Looks up where the files go and which are there. A few threads do it for all of them: a thread for each would take
/// more memory than all files that are on their way.
fn looked_up(
    target: &Arc<Target>,
    chosen: BTreeMap<String, Arc<ArtifactBody>>,
) -> impl Stream<Item = LookedUp> + Unpin {
    let (sender, receiver) = tokio::sync::mpsc::channel(CONCURRENT_DOWNLOADS);
    let chosen = Arc::new(Mutex::new(chosen.into_iter()));
    for _ in 0..CONCURRENT_LOOKS {
        let (target, chosen, sender) = (target.clone(), chosen.clone(), sender.clone());
        tokio::task::spawn_blocking(move || {
            let next = || chosen.lock().ok()?.next();
            while let Some((name, artifact)) = next() {
                let sha256 = artifact.sha256.as_deref().unwrap_or(&artifact.id);
                let place = target.place(&name, sha256).map(|place| {
                    let was_there = is_there(&place, &artifact);
                    (place, was_there)
                });
                // Nobody waits for it any more.
                if sender.blocking_send(LookedUp { artifact, place }).is_err() {
                    return;
                }
            }
        });
    }
    Box::pin(futures_util::stream::unfold(
        receiver,
        async |mut receiver| Some((receiver.recv().await?, receiver)),
    ))
}

impl Saving {
    async fn save(self, place: Result<(Place, bool)>) -> Result<SavedFile> {
        let (place, was_there) = place?;
        let place = Arc::new(place);
        if !was_there {
            let resumed = self.fetch(&place).await;
            // What was left by somebody before may be anything: once more without it.
            if let Err(Error::Damaged { .. }) = &resumed.1
                && resumed.0
            {
                self.fetch(&place).await.1?;
            } else {
                resumed.1?;
            }
        }
        Ok(SavedFile {
            artifact: self.artifact,
            local: place.shown.clone(),
            was_there,
        })
    }

    /// Fetches what is missing; says too whether something was there before.
    async fn fetch(&self, place: &Arc<Place>) -> (bool, Result<()>) {
        let what = place.shown.display().to_string();
        let (there, total) = (place.clone(), self.artifact.size);
        let opened = blocking(move || {
            let mut file = there.open_part().map_err(Error::io(&what))?;
            let mut received = Received::before(&mut file).map_err(Error::io(&what))?;
            if i64::try_from(received.size()).is_ok_and(|size| size > total) {
                file.set_len(0).map_err(Error::io(&what))?;
                file.seek(SeekFrom::Start(0)).map_err(Error::io(&what))?;
                received = Received::nothing();
            }
            Ok((file, received))
        });
        let (mut file, mut received) = match opened.await {
            Ok(opened) => opened,
            Err(error) => return (false, Err(error)),
        };
        let is_resumed = received.size() > 0;
        let artifact = &self.artifact;
        let answer = receive(
            &self.server,
            artifact,
            &mut received,
            &mut file,
            &self.received,
        );
        match answer.await {
            Ok(()) => (is_resumed, self.publish(place, &file)),
            Err(error) => {
                // A connection that broke leaves what the same command goes on with.
                if received.size() == 0 || !matches!(error, Error::Unreachable { .. }) {
                    place.discard();
                }
                (is_resumed, Err(error))
            }
        }
    }

    fn publish(&self, place: &Place, file: &std::fs::File) -> Result<()> {
        let what = || place.shown.display().to_string();
        let mode = self.artifact.mode.as_deref().and_then(bits);
        rustix::fs::fchmod(file, Mode::from_raw_mode(mode.unwrap_or(MODE_UNTOLD)))
            .map_err(|error| Error::io(what())(error.into()))?;
        place.publish().map_err(|error| {
            place.discard();
            Error::io(what())(error)
        })
    }
}

/// Whether the file is there already, with the right content; its permissions are put right.
fn is_there(place: &Place, artifact: &ArtifactBody) -> bool {
    let Some(mut file) = place.existing() else {
        return false;
    };
    let has_size = |metadata: std::fs::Metadata| i64::try_from(metadata.len()) == Ok(artifact.size);
    if !file.metadata().is_ok_and(has_size) {
        return false;
    }
    let is_equal = Received::before(&mut file)
        .is_ok_and(|received| artifact.sha256 == Some(received.sha256()));
    if is_equal && let Some(mode) = artifact.mode.as_deref().and_then(bits) {
        // The file of somebody else may be right without being ours to change.
        let _ = rustix::fs::fchmod(&file, Mode::from_raw_mode(mode));
    }
    is_equal
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Usage(error.to_string()))?
}
