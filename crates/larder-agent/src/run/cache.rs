//! `save_cache` and `restore_cache`: folders on this machine that outlive the run, one for each key
//! that was ever saved. A key is written once.

use super::cache_key::{Ask, fill_in};
use super::context::Context;
use super::output::Output;
use super::step::Ended;
use super::tree::Copy;
use crate::error::{Error, Result};
use crate::plan::{RestoreCache, SaveCache};
use base64::Engine as _;
use larder_protocol::StepState;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is known of a cache, beside its content.
const RECORD: &str = "cache.json";
/// Longest record that is read.
const RECORD_BYTES_MAX: u64 = 1024 * 1024;
/// Begins the names of caches that are still being written.
const UNFINISHED: &str = ".unfinished-";
/// An unfinished cache of this age was left by a run that was killed.
const UNFINISHED_AGE_MAX: Duration = Duration::from_hours(24);
/// Shared by those who read caches, held alone by who removes some.
const LOCK: &str = ".lock";

/// What is known of a cache.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    key: String,
    /// Number of the job that saved it.
    job: Option<i64>,
    files: u64,
    bytes: u64,
    /// Where its parts were, in their order; what was in the home folder begins with `~`.
    paths: Vec<String>,
}

/// How an attempt to save ended.
enum Saved {
    Now(Record, Vec<String>),
    Before,
    Nothing(Vec<String>),
}

/// Carries out `save_cache`. A cache that cannot be saved is a warning: the job did its work.
pub(super) async fn save(
    context: &Arc<Context>,
    step: &SaveCache,
    output: &mut Output,
) -> Result<Ended> {
    let Some(folder) = folder(context) else {
        return nowhere(output).await;
    };
    let key = match filled(context, &step.key) {
        Ok(key) => key,
        Err(error) => return refuse(output, &error).await,
    };
    let (inner, paths, shown) = (context.clone(), step.paths.clone(), key.clone());
    let saved = blocking(move || save_now(&inner, &folder, &key, &paths)).await?;
    match saved {
        Ok(Saved::Now(record, warnings)) => {
            say_all(output, &warnings).await;
            let (files, bytes) = (record.files, record.bytes);
            let line = format!("Stored cache {shown}: {files} files, {bytes} bytes");
            output.line(&line).await;
        }
        Ok(Saved::Before) => {
            let line = format!("Skipped: the cache {shown} exists, and a key is written once");
            output.line(&line).await;
        }
        Ok(Saved::Nothing(warnings)) => {
            say_all(output, &warnings).await;
            output.line("Nothing to store").await;
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            return Ok(Ended::without_shell(StepState::Canceled));
        }
        Err(error) => {
            let reason = if error.kind() == io::ErrorKind::FileTooLarge {
                let limit = context.run.options.cache_bytes_max;
                format!("larger than all caches of a project may be ({limit} bytes)")
            } else {
                error.to_string()
            };
            let warning = format!("The cache {shown} is not stored: {reason}");
            output.line(&warning).await;
            context.warn(warning);
        }
    }
    Ok(Ended::without_shell(StepState::Passed))
}

/// Carries out `restore_cache`. Nothing found is no failure.
pub(super) async fn restore(
    context: &Arc<Context>,
    step: &RestoreCache,
    output: &mut Output,
) -> Result<Ended> {
    let Some(folder) = folder(context) else {
        return nowhere(output).await;
    };
    for key in &step.keys {
        let key = match filled(context, key) {
            Ok(key) => key,
            Err(error) => return refuse(output, &error).await,
        };
        let (inner, folder, wanted) = (context.clone(), folder.clone(), key.clone());
        match blocking(move || restore_now(&inner, &folder, &wanted)).await? {
            Ok(None) => {
                let line = format!("No cache is found for key: {key}");
                output.line(&line).await;
            }
            Ok(Some(record)) => {
                let job = record
                    .job
                    .map_or(String::new(), |job| format!(" of job {job}"));
                let line = format!(
                    "Found the cache {}{job}: {} files, {} bytes",
                    record.key, record.files, record.bytes
                );
                output.line(&line).await;
                return Ok(Ended::without_shell(StepState::Passed));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return Ok(Ended::without_shell(StepState::Canceled));
            }
            Err(error) => return refuse(output, &format!("restore the cache: {error}")).await,
        }
    }
    Ok(Ended::without_shell(StepState::Passed))
}

/// Where this project's caches are.
fn folder(context: &Context) -> Option<PathBuf> {
    let options = &context.run.options;
    Some(options.caches.as_ref()?.join(&options.project))
}

async fn nowhere(output: &mut Output) -> Result<Ended> {
    let line = "Skipped: there is no folder for caches (neither HOME nor XDG_CACHE_HOME is set)";
    output.line(line).await;
    Ok(Ended::without_shell(StepState::Skipped))
}

async fn refuse(output: &mut Output, error: &str) -> Result<Ended> {
    output.line(&format!("Error: {error}")).await;
    Ok(Ended::refused())
}

async fn say_all(output: &mut Output, lines: &[String]) {
    for line in lines {
        output.line(line).await;
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::io("work on a cache")(io::Error::other(error)))
}

fn filled(context: &Context, key: &str) -> Result<String, String> {
    let facts = &context.run.options.facts;
    fill_in(key, |ask| {
        Ok(match ask {
            Ask::Branch => facts.branch.clone().unwrap_or_default(),
            Ask::Revision => facts.revision.clone().unwrap_or_default(),
            Ask::BuildNumber => context.job().number.unwrap_or_default().to_string(),
            Ask::CheckoutKey => context.run.options.project.clone(),
            Ask::Environment(name) => {
                let variables = context.environment.of_step(&[]);
                let value = variables.get(name);
                // As the vendor's templates say it.
                value.map_or("<no value>".to_owned(), |it| it.to_string_lossy().into())
            }
            Ask::Checksum(file) => checksum(context, file)?,
            Ask::Epoch => now(context)
                .map_err(|error| format!("read the time: {error}"))?
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs()
                .to_string(),
            Ask::Arch => format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        })
    })
}

fn checksum(context: &Context, file: &str) -> Result<String, String> {
    let read = || -> io::Result<String> {
        let folders = &context.folders;
        let seen = folders.expand(file, &folders.working_directory);
        let host = folders.view.host(&folders.view.resolve(&seen)?);
        if !host.symlink_metadata()?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut digest = Sha256::new();
        let mut file = File::open(host)?;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
        }
        Ok(base64::engine::general_purpose::STANDARD.encode(digest.finalize()))
    };
    read().map_err(|error| format!("the key needs the checksum of {file}: {error}"))
}

/// The time by the clock of the file system: the agent reads no other.
fn now(context: &Context) -> io::Result<SystemTime> {
    let path = context.folders.own.join("now");
    fs::write(&path, "")?;
    path.metadata()?.modified()
}

/// The name of a key's folder: a key may hold anything, a file name may not.
fn place(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{:x}", HexOf(Sha256::digest(key).as_slice())))
}

struct HexOf<'a>(&'a [u8]);

impl std::fmt::LowerHex for HexOf<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn save_now(context: &Context, folder: &Path, key: &str, paths: &[String]) -> io::Result<Saved> {
    let onto = place(folder, key);
    if onto.exists() {
        return Ok(Saved::Before);
    }
    fs::create_dir_all(folder)?;
    let made = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(folder)?;
    let options = &context.run.options;
    let mut copy = Copy::new(options.cancel.clone(), options.cache_bytes_max);
    let (mut kept, mut warnings) = (Vec::new(), Vec::new());
    for path in paths {
        match context.folders.locate(path) {
            Ok(seen) if !context.folders.is_own(&seen) => warnings.push(format!(
                "Left out {path}: it is outside of the job's own folders and stays on this machine anyway"
            )),
            Ok(seen) if context.folders.view.host(&seen).symlink_metadata().is_ok() => {
                let part = made.path().join(kept.len().to_string());
                copy.tree(&context.folders.view.host(&seen), &part)?;
                kept.push(portable(context, &seen));
            }
            _ => warnings.push(format!("Left out {path}: it does not exist")),
        }
    }
    let left_out = copy.left_out.iter();
    warnings.extend(left_out.map(|path| format!("Left out {path}: neither file, folder nor link")));
    if kept.is_empty() {
        return Ok(Saved::Nothing(warnings));
    }
    let record = Record {
        key: key.to_owned(),
        job: context.job().number,
        files: copy.files,
        bytes: copy.bytes,
        paths: kept,
    };
    fs::write(made.path().join(RECORD), serde_json::to_vec(&record)?)?;
    if let Err(error) = fs::rename(made.path(), &onto) {
        // Another run may have been faster; its cache is as good.
        return if onto.exists() {
            Ok(Saved::Before)
        } else {
            Err(error)
        };
    }
    let _ = made.keep();
    if let Err(error) = remove_oldest(folder, options.cache_bytes_max) {
        warnings.push(format!("Old caches are not removed: {error}"));
    }
    Ok(Saved::Now(record, warnings))
}

/// The path as a later run finds it again, whose home folder is another.
fn portable(context: &Context, seen: &Path) -> String {
    let home = &context.folders.home;
    match seen.strip_prefix(home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => seen.display().to_string(),
    }
}

fn restore_now(context: &Context, folder: &Path, wanted: &str) -> io::Result<Option<Record>> {
    if !folder.exists() {
        return Ok(None);
    }
    let lock = File::create(folder.join(LOCK))?;
    flock(&lock, FlockOperation::LockShared)?;
    let exact = place(folder, wanted);
    let found = match read_record(&exact) {
        Some(record) => Some((exact, record)),
        None => list(folder)?
            .into_iter()
            .filter(|cache| cache.record.key.starts_with(wanted))
            .max_by_key(|cache| cache.saved_at)
            .map(|cache| (cache.place, cache.record)),
    };
    let Some((place, record)) = found else {
        return Ok(None);
    };
    let options = &context.run.options;
    let mut copy = Copy::new(options.cancel.clone(), u64::MAX);
    for (number, path) in record.paths.iter().enumerate() {
        let seen = context
            .folders
            .expand(path, &context.folders.working_directory);
        let from = place.join(number.to_string());
        let onto = match (seen.parent(), seen.file_name()) {
            // The home folder itself is there and is no link.
            (Some(around), Some(name)) if path != "~" => {
                context.folders.make_own(around)?.join(name)
            }
            _ => context.folders.make_own(&seen)?,
        };
        copy.tree(&from, &onto)?;
    }
    Ok(Some(record))
}

/// A cache that is there.
struct Cache {
    place: PathBuf,
    record: Record,
    saved_at: SystemTime,
}

fn list(folder: &Path) -> io::Result<Vec<Cache>> {
    let mut caches = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let place = entry.path();
        let saved_at = place
            .join(RECORD)
            .metadata()
            .and_then(|metadata| metadata.modified());
        if let (Some(record), Ok(saved_at)) = (read_record(&place), saved_at) {
            caches.push(Cache {
                place,
                record,
                saved_at,
            });
        }
    }
    Ok(caches)
}

/// None if there is no cache, or not one that this program wrote.
fn read_record(place: &Path) -> Option<Record> {
    let path = place.join(RECORD);
    let metadata = path.symlink_metadata().ok()?;
    if !metadata.is_file() || metadata.len() > RECORD_BYTES_MAX {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Removes the oldest caches until all together are small enough, and what killed runs left. While
/// somebody reads one, nothing is removed: the next save does it.
fn remove_oldest(folder: &Path, bytes_max: u64) -> io::Result<()> {
    let lock = File::create(folder.join(LOCK))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(());
    }
    let mut caches = list(folder)?;
    caches.sort_by_key(|cache| std::cmp::Reverse(cache.saved_at));
    let mut bytes: u64 = 0;
    for cache in &caches {
        bytes = bytes.saturating_add(cache.record.bytes);
        if bytes > bytes_max {
            super::folders::remove_tree(&cache.place);
        }
    }
    let Some(newest) = caches.first().map(|cache| cache.saved_at) else {
        return Ok(());
    };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let age = newest.duration_since(entry.metadata()?.modified()?);
        if is_unfinished && age.is_ok_and(|age| age > UNFINISHED_AGE_MAX) {
            super::folders::remove_tree(&entry.path());
        }
    }
    Ok(())
}
