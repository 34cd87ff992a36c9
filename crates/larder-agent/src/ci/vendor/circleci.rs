//! CircleCI's built-in environment variables (<https://circleci.com/docs/reference/variables/>).

use crate::ci::text::{Repository, organization, revision};
use crate::ci::{Project, Said, Variables};
use crate::error::Result;
use crate::run::BuildFacts;

pub(in crate::ci) fn said(variables: &Variables) -> Result<Said> {
    let address = variables.text("CIRCLE_REPOSITORY_URL");
    // Projects that are tied to no repository have slugs of CircleCI's own.
    let vcs = match address.and_then(Repository::parse) {
        Some(repository) if repository.vcs != "local" => repository.vcs,
        _ => "circleci",
    };
    // A rerun is a workflow of another id, but keeps the workspace of the first.
    let workspace = variables.text("CIRCLE_WORKFLOW_WORKSPACE_ID");
    let build = match workspace {
        Some(workspace) => workspace,
        None => variables.required("CIRCLE_WORKFLOW_ID")?,
    };
    Ok(Said {
        project: Project {
            vcs,
            org: organization(variables.required("CIRCLE_PROJECT_USERNAME")?),
            name: variables.required("CIRCLE_PROJECT_REPONAME")?.to_owned(),
        },
        facts: BuildFacts {
            branch: variables.label("CIRCLE_BRANCH"),
            revision: variables.text("CIRCLE_SHA1").and_then(revision),
            tag: variables.label("CIRCLE_TAG"),
            ..BuildFacts::default()
        },
        // Set for pull requests from forks only.
        fork: variables.text("CIRCLE_PR_NUMBER").is_some(),
        build: vec![build.to_owned()],
        job: variables.label("CIRCLE_JOB"),
        node: (
            variables.number("CIRCLE_NODE_INDEX")?,
            variables.number("CIRCLE_NODE_TOTAL")?,
        ),
        url: variables.label("CIRCLE_BUILD_URL"),
    })
}
