//! `larder shasum`: digests of artifacts, as `sha256sum` prints them.

use crate::cli::ShasumArguments;
use crate::commands::holder::finished;
use crate::failure::Failure;
use std::process::ExitCode;

pub(crate) async fn run(arguments: ShasumArguments) -> Result<ExitCode, Failure> {
    let listing = finished(&arguments.server, arguments.holder, &arguments.queries).await?;
    for artifact in &listing.artifacts {
        let digest = if arguments.sha1 {
            &artifact.sha1
        } else {
            &artifact.sha256
        };
        say!(
            "{}  {}",
            digest.as_deref().unwrap_or_default(),
            artifact.path
        );
    }
    Ok(ExitCode::SUCCESS)
}
