//! `larder upload`: keeps files for a job.

use crate::cli::{NoFiles, UploadArguments};
use crate::commands::job::job_of;
use crate::commands::progress::Progress;
use crate::failure::{FAILED, Failure};
use anyhow::{Context as _, anyhow};
use larder_agent::artifacts::{
    ChosenFiles, FILE_BYTES_MAX, IfNoFiles, StoredFile, UploadEvent, UploadOptions, UploadSummary,
    choose_files, plan_upload, printable, upload_chosen, upload_file,
};
use larder_agent::server::Server;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

/// The pattern that is the standard input.
const STDIN: &str = "-";

pub(crate) async fn run(arguments: UploadArguments) -> Result<ExitCode, Failure> {
    let name = name_of_stdin(&arguments)?;
    let mut options = options(&arguments, arguments.server.connect()?)?;
    if arguments.dry_run {
        return dry_run(&options).await;
    }
    // Looked for, and read to its end, before the server hears of a build: one without files would be the latest.
    let what = match name {
        Some(name) => What::Stdin(spooled(FILE_BYTES_MAX).await?, name),
        None => match choose_files(&options).await {
            Ok(chosen) => What::Files(chosen),
            Err(error) => {
                // What went wrong first is what is said.
                if arguments.finish
                    && let Ok(job) = job_of(arguments.job.clone(), &arguments.server).await
                {
                    let _ = job.settle(false, true).await;
                }
                return Err(error.into());
            }
        },
    };
    let job = job_of(arguments.job.clone(), &arguments.server).await?;
    (options.server, options.job) = (job.server.clone(), job.id.clone());
    let progress = Progress::new("kept");
    let is_json = arguments.json;
    let on_event = |event: UploadEvent<'_>| show(&progress, is_json, &event);
    let uploaded = match what {
        What::Stdin(content, name) => upload_file(&options, content.path(), &name, on_event).await,
        What::Files(chosen) => upload_chosen(&options, chosen, on_event).await,
    };
    progress.end();
    let is_good = matches!(&uploaded, Ok(summary) if summary.problems.is_empty());
    let settled = job.settle(is_good, arguments.finish).await;
    // What went wrong first is what is said.
    let UploadSummary {
        files, problems, ..
    } = uploaded?;
    settled?;
    if problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (kept, failed) = (files.len(), problems.len());
    eprintln!("larder: {kept} files are kept, {failed} are not: see the problems above");
    Ok(ExitCode::from(FAILED))
}

/// What is kept.
enum What {
    /// The standard input, under a name.
    Stdin(tempfile::NamedTempFile, String),
    /// What the patterns mean.
    Files(ChosenFiles),
}

/// All but the job.
fn options(arguments: &UploadArguments, server: Server) -> Result<UploadOptions, Failure> {
    let base = std::env::current_dir().context("find the current folder")?;
    let mut options = UploadOptions::new(server, "", base, &arguments.patterns);
    options.home = std::env::home_dir();
    options.destination.clone_from(&arguments.destination);
    options.strip.clone_from(&arguments.strip);
    options.include_all = arguments.include_all;
    options.if_no_files = match arguments.if_no_files {
        NoFiles::Error => IfNoFiles::Error,
        NoFiles::Warn => IfNoFiles::Warn,
        NoFiles::Ignore => IfNoFiles::Ignore,
    };
    Ok(options)
}

/// Under which name the standard input is kept, if it is meant.
fn name_of_stdin(arguments: &UploadArguments) -> Result<Option<String>, Failure> {
    let is_stdin = arguments.patterns == [STDIN];
    if let Some(name) = &arguments.name
        && name.split('/').any(|part| matches!(part, "" | "." | ".."))
    {
        return Err(Failure::usage(anyhow!(
            "--name {name}: no part of a name may be empty, `.` or `..`"
        )));
    }
    match &arguments.name {
        Some(name) if is_stdin && !arguments.dry_run => Ok(Some(name.clone())),
        None if !arguments.patterns.iter().any(|text| text == STDIN) => Ok(None),
        _ => Err(Failure::usage(anyhow!(
            "`-` is the standard input: it stands alone, with --name NAME, and cannot be tried with --dry-run; \
             a file of that name is ./-"
        ))),
    }
}

/// The standard input in a temporary file, which goes with the value: its size and digest are sent ahead.
async fn spooled(bytes_max: u64) -> Result<tempfile::NamedTempFile, Failure> {
    let spool = tokio::task::spawn_blocking(move || {
        let mut file = tempfile::NamedTempFile::with_prefix("larder-")
            .context("make a temporary file for the standard input")?;
        let mut source = std::io::stdin().lock().take(bytes_max + 1);
        let size = std::io::copy(&mut source, &mut file).context("read the standard input")?;
        if size > bytes_max {
            return Err(anyhow!(
                "the standard input is larger than {bytes_max} bytes, the limit of one file"
            ));
        }
        Ok(file)
    });
    Ok(spool.await??)
}

async fn dry_run(options: &UploadOptions) -> Result<ExitCode, Failure> {
    let (files, warnings) = plan_upload(options).await?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let base = options.base.canonicalize().unwrap_or_default();
    for file in files {
        let local = file.local.strip_prefix(&base).unwrap_or(&file.local);
        let line = format!("{}  {}  ({} B)", local.display(), file.path, file.size);
        say!("{}", printable(&line));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(progress: &Progress, is_json: bool, event: &UploadEvent<'_>) {
    match event {
        UploadEvent::Planned { files, bytes } => progress.begin(*files, *bytes),
        UploadEvent::Progress { sent_bytes } => progress.bytes(*sent_bytes),
        UploadEvent::Kept(file) if is_json => progress.line(&object(file)),
        UploadEvent::Kept(file) => progress.line(&format!("{}  {}", file.path, file.artifact.url)),
        UploadEvent::KeptFolder(path) => progress.note(&format!("{path}/  an empty folder")),
        UploadEvent::Warning(text) => progress.note(&format!("warning: {text}")),
        UploadEvent::Problem(text) => progress.note(&format!("problem: {text}")),
        _ => {}
    }
}

fn object(file: &StoredFile) -> String {
    let local: &Path = &file.local;
    serde_json::json!({
        "path": file.path,
        "local": local.to_string_lossy(),
        "size": file.size,
        "sha256": file.sha256,
        "sent_bytes": file.sent_bytes,
        "id": file.artifact.id,
        "url": file.artifact.url,
    })
    .to_string()
}
