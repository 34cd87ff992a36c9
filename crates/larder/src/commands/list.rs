//! `larder list`: the artifacts of a job or a build.

use crate::cli::ListArguments;
use crate::failure::Failure;
use larder_agent::artifacts::DownloadSource;
use std::process::ExitCode;

pub(crate) async fn run(arguments: ListArguments) -> Result<ExitCode, Failure> {
    let server = arguments.server.connect()?;
    let source = arguments.holder.source()?;
    let mut artifacts = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = match &source {
            DownloadSource::Job(job) => server.job_artifacts(job, after.as_deref()).await?,
            DownloadSource::Build(build) => server.build_artifacts(build, after.as_deref()).await?,
        };
        artifacts.extend(page.artifacts);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&artifacts)?);
        return Ok(ExitCode::SUCCESS);
    }
    for artifact in artifacts {
        let state = serde_json::to_value(artifact.state)?;
        say!(
            "{}\t{}\t{}\t{}",
            artifact.id,
            state.as_str().unwrap_or_default(),
            artifact.size,
            artifact.path
        );
    }
    Ok(ExitCode::SUCCESS)
}
