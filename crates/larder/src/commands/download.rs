//! `larder download`: saves artifacts into a folder.

use crate::cli::DownloadArguments;
use crate::commands::progress::Progress;
use crate::failure::{FAILED, Failure};
use larder_agent::artifacts::{DownloadEvent, DownloadOptions, download, download_to};
use std::process::ExitCode;

pub(crate) async fn run(arguments: DownloadArguments) -> Result<ExitCode, Failure> {
    let mut queries = arguments.queries_and_target;
    let target = queries.pop().unwrap_or_default();
    let is_stdout = target == "-";
    let options = DownloadOptions {
        server: arguments.server.connect()?,
        source: arguments.holder.source()?,
        queries,
        strip: arguments.strip,
        per_job: arguments.per_job,
        target: target.into(),
    };
    if is_stdout {
        download_to(&options, &mut std::io::stdout()).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let progress = Progress::new("saved");
    let summary = download(options, |event| match event {
        DownloadEvent::Planned { files, bytes } => progress.begin(files, bytes),
        DownloadEvent::Progress { received_bytes } => progress.bytes(received_bytes),
        DownloadEvent::Saved(file) => {
            let unchanged = if file.was_there { "  unchanged" } else { "" };
            progress.line(&format!("{}{unchanged}", file.local.display()));
        }
        DownloadEvent::Problem(text) => progress.note(&format!("problem: {text}")),
        _ => {}
    })
    .await;
    progress.end();
    let summary = summary?;
    if summary.problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (saved, failed) = (summary.files.len(), summary.problems.len());
    eprintln!("larder: {saved} files are saved, {failed} are not: see the problems above");
    Ok(ExitCode::from(FAILED))
}
