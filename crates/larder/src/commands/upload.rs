//! `larder upload`: keeps files for a job.

use crate::cli::UploadArguments;
use crate::commands::progress::Progress;
use crate::failure::{FAILED, Failure};
use anyhow::Context as _;
use larder_agent::artifacts::{FILE_BYTES_MAX, UploadEvent, UploadOptions, upload};
use std::process::ExitCode;

pub(crate) async fn run(arguments: UploadArguments) -> Result<ExitCode, Failure> {
    let options = UploadOptions {
        server: arguments.server.connect()?,
        job: arguments.job,
        base: std::env::current_dir().context("find the current folder")?,
        patterns: arguments.patterns,
        destination: arguments.destination,
        include_all: arguments.include_all,
        file_bytes_max: FILE_BYTES_MAX,
    };
    let progress = Progress::new("kept");
    let summary = upload(options, |event| match event {
        UploadEvent::Planned { files } => progress.begin(files),
        UploadEvent::Kept(file) => progress.line(&format!("{}  {}", file.path, file.artifact.url)),
        UploadEvent::Warning(text) => progress.note(&format!("warning: {text}")),
        UploadEvent::Problem(text) => progress.note(&format!("problem: {text}")),
        _ => {}
    })
    .await?;
    progress.end();
    Ok(ExitCode::from(if summary.problems.is_empty() {
        0
    } else {
        FAILED
    }))
}
