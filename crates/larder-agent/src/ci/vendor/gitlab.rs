//! GitLab's predefined CI/CD variables (<https://docs.gitlab.com/ci/variables/predefined_variables/>).

use crate::ci::text::{organization, revision};
use crate::ci::{Project, Said, SaidNode, Variables};
use crate::error::{Error, Result};
use crate::run::BuildFacts;

pub(in crate::ci) fn said(variables: &Variables) -> Result<Said> {
    let path = variables.required("CI_PROJECT_PATH")?;
    let (groups, name) = path.rsplit_once('/').ok_or_else(|| {
        Error::Usage("CI_PROJECT_PATH: expected GROUP/NAME; set LARDER_PROJECT".to_owned())
    })?;
    let tag = variables.label("CI_COMMIT_TAG");
    // CI_COMMIT_REF_NAME is the tag in a pipeline for a tag.
    let reference = variables
        .label("CI_COMMIT_REF_NAME")
        .filter(|_| tag.is_none());
    let target = variables.text("CI_MERGE_REQUEST_PROJECT_PATH");
    let fork = variables
        .text("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH")
        .is_some_and(|source| source != target.unwrap_or(path));
    let (job, node) = job_and_node(variables)?;
    let host = variables.label("CI_SERVER_HOST");
    Ok(Said {
        project: Project {
            vcs: "gitlab",
            org: organization(groups),
            name: name.to_owned(),
        },
        facts: BuildFacts {
            branch: variables
                .label("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")
                .or_else(|| variables.label("CI_COMMIT_BRANCH"))
                .or(reference),
            revision: variables.text("CI_COMMIT_SHA").and_then(revision),
            tag,
            message: variables
                .label("CI_COMMIT_TITLE")
                .or_else(|| variables.label("CI_COMMIT_MESSAGE")),
            ..BuildFacts::default()
        },
        fork,
        // Pipelines are numbered by each GitLab for itself.
        build: vec![
            host.unwrap_or_else(|| "gitlab".to_owned()),
            variables.required("CI_PIPELINE_ID")?.to_owned(),
        ],
        job,
        node,
        url: variables.label("CI_PIPELINE_URL"),
    })
}

/// `parallel: 3` names its jobs `test 1/3` and counts them from 1: together they are one job of three nodes. The jobs of
/// `parallel: matrix` have names of their own, `test: [linux, x64]`, and stay jobs of their own.
fn job_and_node(variables: &Variables) -> Result<(Option<String>, SaidNode)> {
    let job = variables.label("CI_JOB_NAME");
    let (Some(from_one), Some(total)) = (
        variables.number("CI_NODE_INDEX")?,
        variables.number("CI_NODE_TOTAL")?,
    ) else {
        return Ok((job, (None, None)));
    };
    let suffix = format!(" {from_one}/{total}");
    match job.as_deref().and_then(|job| job.strip_suffix(&suffix)) {
        Some(name) => {
            let index = from_one
                .checked_sub(1)
                .ok_or_else(|| Error::Usage("CI_NODE_INDEX=0: GitLab counts from 1".to_owned()))?;
            Ok((Some(name.to_owned()), (Some(index), Some(total))))
        }
        None => Ok((job, (None, None))),
    }
}
