//! The upload command for any CI: what it is told, what it says, and what came of it.

use super::collect::{EmptyFolder, Found};
use super::secrets::Secrets;
use super::select::{Selection, select};
use super::uploader::Uploader;
use crate::error::{Error, Result};
use crate::server::Server;
use futures_util::StreamExt;
use larder_protocol::ArtifactBody;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the progress is told.
const TICK: Duration = Duration::from_millis(100);
/// So many of the warnings explain why a pattern means nothing.
const NAMED_WARNINGS_MAX: usize = 5;

/// A file that the larder keeps.
#[derive(Clone, Debug)]
pub struct StoredFile {
    /// Name of the artifact.
    pub path: String,
    /// Its other name (`$CIRCLE_ARTIFACTS/…`), if it has one.
    pub alias: Option<String>,
    /// Where it was read.
    pub local: PathBuf,
    /// Bytes, as measured here before they were sent.
    pub size: u64,
    /// SHA-256 as lower-case hex, as measured here before the bytes were sent.
    pub sha256: String,
    /// Bytes of it that were sent: less than its size if the server had some of it already, more
    /// if some had to be sent again.
    pub sent_bytes: u64,
    /// What is not as one might expect, as a sentence.
    pub warning: Option<String>,
    /// What the server says that it keeps.
    pub artifact: ArtifactBody,
}

/// What to do about patterns that mean no file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum IfNoFiles {
    /// A usage error, before anything is sent.
    #[default]
    Error,
    /// A warning.
    Warn,
    /// Nothing.
    Ignore,
}

/// What `larder upload` is to do.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// Where to, with a token that may create artifacts in the job.
    pub server: Server,
    /// UUID of the job that the files belong to.
    pub job: String,
    /// Folder in which relative patterns are looked up; names of artifacts are relative to it.
    pub base: PathBuf,
    /// What `~` at the beginning of a pattern means.
    pub home: Option<PathBuf>,
    /// In the language of [`super::Patterns`].
    pub patterns: Vec<String>,
    /// Put in front of the names; for one file without a trailing `/` it is the whole name.
    pub destination: Option<String>,
    /// Folder taken away from the beginning of the names that `=>` gives no new one.
    pub strip: Option<String>,
    /// Takes `.git` and well-known credential files too.
    pub include_all: bool,
    /// About patterns that mean no file.
    pub if_no_files: IfNoFiles,
    /// Larger files are refused by name; [`super::FILE_BYTES_MAX`] is the documented limit.
    pub file_bytes_max: u64,
}

impl UploadOptions {
    /// Patterns looked up in `base`, everything else as usual.
    pub fn new(
        server: Server,
        job: impl Into<String>,
        base: impl Into<PathBuf>,
        patterns: &[impl AsRef<str>],
    ) -> Self {
        let patterns = patterns.iter().map(|text| text.as_ref().to_owned());
        Self {
            server,
            job: job.into(),
            base: base.into(),
            home: None,
            patterns: patterns.collect(),
            destination: None,
            strip: None,
            include_all: false,
            if_no_files: IfNoFiles::Error,
            file_bytes_max: super::FILE_BYTES_MAX,
        }
    }
}

/// What happens during an upload.
#[derive(Debug)]
#[non_exhaustive]
pub enum UploadEvent<'a> {
    /// The files are known and their upload begins.
    Planned {
        /// How many there are.
        files: usize,
        /// Their bytes, as far as the folders tell.
        bytes: u64,
    },
    /// How far it is; told a few times a second.
    Progress {
        /// Bytes given to the network so far.
        sent_bytes: u64,
    },
    /// A file is kept.
    Kept(&'a StoredFile),
    /// An empty folder is kept.
    KeptFolder(&'a str),
    /// Something was left out or takes longer, and why.
    Warning(&'a str),
    /// A file could not be kept, and why.
    Problem(&'a str),
}

/// What came of an upload.
#[derive(Debug, Default)]
pub struct UploadSummary {
    /// Kept, in the order in which they were done.
    pub files: Vec<StoredFile>,
    /// What was left out, and why.
    pub warnings: Vec<String>,
    /// What could not be kept, and why; if there is any, the command failed.
    pub problems: Vec<String>,
}

/// A file that would be kept.
#[derive(Clone, Debug)]
pub struct PlannedFile {
    /// Where it is read.
    pub local: PathBuf,
    /// Name of the artifact.
    pub path: String,
    /// Bytes, as the folder tells.
    pub size: u64,
}

/// Says what [`upload`] would keep, and what it would warn of; nothing is sent.
pub async fn plan_upload(options: &UploadOptions) -> Result<(Vec<PlannedFile>, Vec<String>)> {
    let selection = selected(options).await?;
    let files = selection.files.into_iter().map(|found| PlannedFile {
        size: size_of(&found.local),
        local: found.local,
        path: found.path,
    });
    Ok((files.collect(), selection.warnings))
}

/// Keeps the files that match the patterns.
///
/// A file that cannot be kept is a problem in the summary and does not stop the others; a server
/// that cannot be reached does. Patterns that cannot be read, and a pattern that matches nothing,
/// are usage errors.
pub async fn upload(
    options: UploadOptions,
    on_event: impl Fn(UploadEvent<'_>),
) -> Result<UploadSummary> {
    let chosen = choose_files(&options).await?;
    upload_chosen(&options, chosen, on_event).await
}

/// What an upload is about to keep.
#[derive(Debug)]
pub struct ChosenFiles(Selection);

/// Looks for the files before anybody hears of the upload: what is wrong with the patterns is said here, and neither the
/// server nor the job of `options` is asked for anything.
pub async fn choose_files(options: &UploadOptions) -> Result<ChosenFiles> {
    selected(options).await.map(ChosenFiles)
}

/// Keeps the files that were chosen.
pub async fn upload_chosen(
    options: &UploadOptions,
    chosen: ChosenFiles,
    on_event: impl Fn(UploadEvent<'_>),
) -> Result<UploadSummary> {
    let ChosenFiles(selection) = chosen;
    for warning in &selection.warnings {
        on_event(UploadEvent::Warning(warning));
    }
    let mut summary = UploadSummary {
        warnings: selection.warnings,
        ..UploadSummary::default()
    };
    send(options, selection.files, &mut summary, &on_event).await?;
    for folder in selection.empty_folders {
        keep_folder(options, &folder, &mut summary, &on_event).await?;
    }
    Ok(summary)
}

/// Keeps the file `local` under the name `path`, as it is written: what came from the standard
/// input, say.
pub async fn upload_file(
    options: &UploadOptions,
    local: &Path,
    path: &str,
    on_event: impl Fn(UploadEvent<'_>),
) -> Result<UploadSummary> {
    let local = local
        .canonicalize()
        .map_err(Error::io(local.display().to_string()))?;
    let found = Found {
        local,
        path: path.to_owned(),
    };
    let mut summary = UploadSummary::default();
    send(options, vec![found], &mut summary, &on_event).await?;
    Ok(summary)
}

async fn selected(options: &UploadOptions) -> Result<Selection> {
    let (rule, options) = (options.if_no_files, options.clone());
    let mut selection = tokio::task::spawn_blocking(move || select(&options))
        .await
        .map_err(|error| Error::Usage(error.to_string()))??;
    match rule {
        IfNoFiles::Error => {
            if let Some(unmatched) = selection.unmatched.first() {
                // What was left out is most likely what was meant.
                let left_out = selection.warnings.iter().take(NAMED_WARNINGS_MAX);
                let left_out = left_out.map(|warning| format!("\n  {warning}"));
                return Err(Error::Usage(format!(
                    "{unmatched}{}",
                    left_out.collect::<String>()
                )));
            }
        }
        IfNoFiles::Warn => selection.warnings.append(&mut selection.unmatched),
        IfNoFiles::Ignore => {}
    }
    Ok(selection)
}

async fn send(
    options: &UploadOptions,
    files: Vec<Found>,
    summary: &mut UploadSummary,
    on_event: &impl Fn(UploadEvent<'_>),
) -> Result<()> {
    on_event(UploadEvent::Planned {
        files: files.len(),
        bytes: files.iter().map(|found| size_of(&found.local)).sum(),
    });
    let uploader = Uploader::new(
        options.server.clone(),
        options.job.clone(),
        options.file_bytes_max,
        Secrets::default(),
    );
    let traffic = uploader.traffic();
    let mut answers = uploader.keep_all(files.into_iter().map(|found| (found, None)));
    let mut tick = tokio::time::interval(TICK);
    loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            _ = tick.tick() => {
                on_event(UploadEvent::Progress { sent_bytes: traffic.sent_bytes() });
                if let Some(trouble) = traffic.take_trouble() {
                    on_event(UploadEvent::Warning(&trouble));
                }
                continue;
            }
        };
        match answer {
            None => return Ok(()),
            Some(Ok(file)) => {
                if let Some(warning) = &file.warning {
                    on_event(UploadEvent::Warning(warning));
                    summary.warnings.push(warning.clone());
                }
                on_event(UploadEvent::Kept(&file));
                summary.files.push(file);
            }
            Some(Err(error @ Error::Unreachable { .. })) => return Err(error),
            Some(Err(error)) => {
                let problem = error.to_string();
                on_event(UploadEvent::Problem(&problem));
                summary.problems.push(problem);
            }
        }
    }
}

async fn keep_folder(
    options: &UploadOptions,
    folder: &EmptyFolder,
    summary: &mut UploadSummary,
    on_event: &impl Fn(UploadEvent<'_>),
) -> Result<()> {
    let mode = format!("{:03o}", folder.mode);
    let kept = options
        .server
        .put_folder(&options.job, &folder.path, &mode)
        .await;
    match kept {
        Ok(_) => on_event(UploadEvent::KeptFolder(&folder.path)),
        Err(error @ Error::Unreachable { .. }) => return Err(error),
        Err(Error::Refused { code, .. }) if code == "no_such_route" => {
            let warning = format!("{}: this server keeps no empty folders", folder.path);
            on_event(UploadEvent::Warning(&warning));
            summary.warnings.push(warning);
        }
        Err(error) => {
            let problem = error.to_string();
            on_event(UploadEvent::Problem(&problem));
            summary.problems.push(problem);
        }
    }
    Ok(())
}

fn size_of(local: &Path) -> u64 {
    std::fs::symlink_metadata(local).map_or(0, |metadata| metadata.len())
}
