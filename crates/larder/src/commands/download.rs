//! `larder download`: saves artifacts into a folder.

use crate::cli::DownloadArguments;
use crate::commands::progress::Progress;
use crate::failure::{FAILED, Failure};
use larder_agent::artifacts::{DownloadEvent, DownloadOptions, download};
use std::process::ExitCode;

pub(crate) async fn run(arguments: DownloadArguments) -> Result<ExitCode, Failure> {
    let mut queries = arguments.queries_and_target;
    let target = queries.pop().unwrap_or_default().into();
    let options = DownloadOptions {
        server: arguments.server.connect()?,
        source: arguments.holder.source()?,
        queries,
        target,
    };
    let progress = Progress::new("saved");
    let summary = download(options, |event| match event {
        DownloadEvent::Planned { files, .. } => progress.begin(files),
        DownloadEvent::Saved(_, path) => progress.line(&path.display().to_string()),
        DownloadEvent::Problem(text) => progress.note(&format!("problem: {text}")),
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
