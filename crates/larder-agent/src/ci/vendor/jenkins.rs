//! Jenkins' environment variables, those of its git plugin and of multibranch pipelines
//! (<https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables>). None of them numbers parallel
//! branches: `LARDER_JOB_NAME` or `LARDER_NODE_INDEX` and `LARDER_NODE_TOTAL` do.

use crate::ci::text::{Repository, cut, organization, revision};
use crate::ci::{Project, Said, Variables};
use crate::error::Result;
use crate::run::BuildFacts;

pub(in crate::ci) fn said(variables: &Variables) -> Result<Said> {
    let job_path = variables.required("JOB_NAME")?;
    let number = variables.required("BUILD_NUMBER")?;
    let branch_name = variables.label("BRANCH_NAME");
    let tag = variables.label("TAG_NAME");
    let repository = variables
        .text("GIT_URL")
        .or_else(|| variables.text("GIT_URL_1"))
        .and_then(Repository::parse);
    let project = match repository {
        Some(repository) => Project {
            vcs: repository.vcs,
            org: repository.org,
            name: repository.name,
        },
        None => Project {
            vcs: "local",
            org: "jenkins".to_owned(),
            name: own_name(job_path, branch_name.is_some()),
        },
    };
    let branch = variables
        .label("CHANGE_BRANCH")
        .or_else(|| branch_name.filter(|_| tag.is_none()))
        .or_else(|| variables.label("GIT_LOCAL_BRANCH"))
        .or_else(|| variables.label("GIT_BRANCH").map(|it| without_remote(&it)))
        .filter(|_| tag.is_none());
    let host = variables.text("JENKINS_URL").unwrap_or("jenkins");
    let host = host.split_once("://").map_or(host, |(_, rest)| rest);
    Ok(Said {
        project,
        facts: BuildFacts {
            branch,
            revision: variables.text("GIT_COMMIT").and_then(revision),
            tag,
            message: variables.label("CHANGE_TITLE"),
            ..BuildFacts::default()
        },
        fork: variables.text("CHANGE_FORK").is_some(),
        build: vec![
            host.trim_end_matches('/').to_owned(),
            job_path.to_owned(),
            number.to_owned(),
        ],
        job: variables.label("STAGE_NAME"),
        node: (None, None),
        url: variables.label("BUILD_URL"),
    })
}

/// `folder/job` of a job without git, or of `folder/job/branch` in a multibranch pipeline, in letters that a project's
/// name may have.
fn own_name(job_path: &str, has_branch: bool) -> String {
    let path = match job_path.rsplit_once('/') {
        Some((parent, _)) if has_branch => parent,
        _ => job_path,
    };
    let plain = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c,
        '.' | '_' | '-' => c,
        _ => '-',
    };
    let name: String = organization(path).chars().map(plain).collect();
    cut(&name, 100)
}

/// `origin/feature/x` and `refs/heads/feature/x` are the branch `feature/x`.
fn without_remote(branch: &str) -> String {
    ["refs/remotes/origin/", "refs/heads/", "origin/"]
        .iter()
        .find_map(|prefix| branch.strip_prefix(prefix))
        .unwrap_or(branch)
        .to_owned()
}
