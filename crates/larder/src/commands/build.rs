//! `larder build start|finish`: announces a build from any CI, and finishes its job.

use crate::cli::{BuildFinishArguments, BuildStartArguments, EndState};
use crate::failure::Failure;
use anyhow::anyhow;
use larder_protocol::{AnnounceBuild, AnnounceJob, FinishJob, JobState};
use std::process::ExitCode;

pub(crate) async fn start(arguments: BuildStartArguments) -> Result<ExitCode, Failure> {
    if arguments.node >= arguments.parallelism {
        return Err(Failure::usage(anyhow!(
            "--node must be below --parallelism {}",
            arguments.parallelism
        )));
    }
    let url = arguments.server.url.clone();
    let server = arguments.server.connect()?;
    let build = AnnounceBuild {
        branch: arguments.branch,
        revision: arguments.revision,
        tag: arguments.tag,
        message: arguments.message,
        fork: arguments.fork,
        external_id: arguments.external_id,
        queued: false,
        jobs: vec![AnnounceJob {
            name: arguments.job.clone(),
            parallelism: arguments.parallelism,
            queued: false,
        }],
    };
    let announced = server.announce_build(&arguments.project, &build).await?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&announced)?);
        return Ok(ExitCode::SUCCESS);
    }
    let own = announced
        .jobs
        .iter()
        .find(|job| job.name == arguments.job && job.index == arguments.node);
    let own = own.ok_or_else(|| {
        anyhow!(
            "the server announced no node {} of {}",
            arguments.node,
            arguments.job
        )
    })?;
    for (name, value) in [
        ("LARDER_URL", url.as_str()),
        ("LARDER_BUILD", announced.id.as_str()),
        ("LARDER_JOB", own.id.as_str()),
        ("LARDER_TOKEN", own.token.as_str()),
    ] {
        say!("export {name}={}", quoted(value));
    }
    eprintln!("build {}: {}", announced.number, announced.url);
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn finish(arguments: BuildFinishArguments) -> Result<ExitCode, Failure> {
    let server = arguments.server.connect()?;
    let end = FinishJob {
        state: arguments.state.into(),
        exit_status: arguments.exit_status,
    };
    server.finish_job(&arguments.job, &end).await?;
    Ok(ExitCode::SUCCESS)
}

/// A word that every shell of the Bourne family reads as it is.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

impl From<EndState> for JobState {
    fn from(state: EndState) -> Self {
        match state {
            EndState::Passed => Self::Passed,
            EndState::Failed => Self::Failed,
            EndState::Canceled => Self::Canceled,
            EndState::TimedOut => Self::TimedOut,
        }
    }
}
