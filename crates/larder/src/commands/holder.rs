//! Whose artifacts a command means, and those of them that match.

use crate::cli::{HolderArguments, ServerArguments};
use crate::failure::Failure;
use anyhow::anyhow;
use larder_agent::artifacts::{
    ArtifactSource, Holder, LatestBuild, LatestState, Listing, Patterns, list,
};
use larder_protocol::ArtifactState;

impl HolderArguments {
    /// The build, the latest build or the job that was named; a build goes before the job of the environment.
    pub(crate) fn source(self) -> Result<ArtifactSource, Failure> {
        let state = match (self.successful, self.any) {
            (true, _) => LatestState::Successful,
            (_, true) => LatestState::Any,
            _ => LatestState::Completed,
        };
        let holder = match (self.build, self.latest, self.project, self.job) {
            (Some(build), ..) => Holder::Build(build),
            (None, true, Some(project), _) => Holder::Latest(LatestBuild {
                project,
                branch: self.branch,
                tag: self.tag,
                state,
                forks: self.forks,
            }),
            (None, true, None, _) => {
                return Err(Failure::usage(anyhow!(
                    "name the project of --latest with --project (or LARDER_PROJECT), as in github/acme/demo"
                )));
            }
            (None, false, _, Some(job)) => Holder::Job(job),
            (None, false, _, None) => {
                return Err(Failure::usage(anyhow!(
                    "name a job with --job (or LARDER_JOB), a build with --build, or --latest of a --project"
                )));
            }
        };
        Ok(ArtifactSource {
            holder,
            job_name: self.job_name,
            node: self.node,
        })
    }
}

/// All artifacts that match.
pub(crate) async fn matching(
    server: &ServerArguments,
    holder: HolderArguments,
    queries: &[String],
) -> Result<Listing, Failure> {
    let patterns = Patterns::parse(queries)?;
    let listing = list(&server.connect()?, &holder.source()?, &patterns).await?;
    if listing.artifacts.is_empty() && !queries.is_empty() {
        return Err(nothing(&listing, queries));
    }
    Ok(listing)
}

/// Those whose bytes are there.
pub(crate) async fn finished(
    server: &ServerArguments,
    holder: HolderArguments,
    queries: &[String],
) -> Result<Listing, Failure> {
    let mut listing = matching(server, holder, queries).await?;
    listing
        .artifacts
        .retain(|artifact| artifact.state == ArtifactState::Finished);
    if listing.artifacts.is_empty() {
        return Err(nothing(&listing, queries));
    }
    Ok(listing)
}

fn nothing(listing: &Listing, queries: &[String]) -> Failure {
    Failure::from(anyhow!(
        "{}: it has no artifact that matches {}",
        listing.holder,
        queries.join(" ")
    ))
}
