//! Buildkite's environment variables (<https://buildkite.com/docs/pipelines/configure/environment-variables>).

use crate::ci::text::{Repository, revision, vcs_of};
use crate::ci::{Project, Said, Variables};
use crate::error::Result;
use crate::run::BuildFacts;

pub(in crate::ci) fn said(variables: &Variables) -> Result<Said> {
    let repository = variables.text("BUILDKITE_REPO");
    let provider = variables.text("BUILDKITE_PIPELINE_PROVIDER");
    let vcs = match provider.map(vcs_of) {
        Some(vcs) if vcs != "local" => vcs,
        _ => repository
            .and_then(Repository::parse)
            .map_or("local", |repository| repository.vcs),
    };
    // A repository on a disk has no address to compare: then a named one is another.
    let fork = variables
        .text("BUILDKITE_PULL_REQUEST_REPO")
        .is_some_and(|theirs| repository.is_none_or(|ours| !Repository::is_same(ours, theirs)));
    Ok(Said {
        // As the Buildkite API names it: organization and pipeline, not the repository's owner and name.
        project: Project {
            vcs,
            org: variables
                .required("BUILDKITE_ORGANIZATION_SLUG")?
                .to_owned(),
            name: variables.required("BUILDKITE_PIPELINE_SLUG")?.to_owned(),
        },
        facts: BuildFacts {
            branch: variables.label("BUILDKITE_BRANCH"),
            revision: variables.text("BUILDKITE_COMMIT").and_then(revision),
            tag: variables.label("BUILDKITE_TAG"),
            message: variables.label("BUILDKITE_MESSAGE"),
            ..BuildFacts::default()
        },
        fork,
        build: vec![variables.required("BUILDKITE_BUILD_ID")?.to_owned()],
        // The id keeps steps without a key and a label apart, and stays when a step is retried.
        job: ["BUILDKITE_STEP_KEY", "BUILDKITE_LABEL", "BUILDKITE_STEP_ID"]
            .iter()
            .find_map(|name| variables.label(name)),
        node: (
            variables.number("BUILDKITE_PARALLEL_JOB")?,
            variables.number("BUILDKITE_PARALLEL_JOB_COUNT")?,
        ),
        url: variables.label("BUILDKITE_BUILD_URL"),
    })
}
