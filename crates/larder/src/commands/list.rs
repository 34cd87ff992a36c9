//! `larder list`: the artifacts of a job or a build.

use crate::cli::ListArguments;
use crate::commands::holder::matching;
use crate::failure::Failure;
use std::process::ExitCode;

pub(crate) async fn run(arguments: ListArguments) -> Result<ExitCode, Failure> {
    let listing = matching(&arguments.server, arguments.holder, &arguments.queries).await?;
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&listing.artifacts)?);
        return Ok(ExitCode::SUCCESS);
    }
    for artifact in &listing.artifacts {
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
