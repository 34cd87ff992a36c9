//! GitHub Actions' default variables and the event that started the run
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/variables>). No variable tells the jobs of a
//! matrix apart: `LARDER_NODE_INDEX` and `LARDER_NODE_TOTAL` do.

use crate::ci::text::{Repository, label, organization, revision};
use crate::ci::{Project, Said, Variables};
use crate::error::{Error, Result};
use crate::run::BuildFacts;
use serde::Deserialize;

/// What is read of the event; everything may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    pull_request: Option<PullRequest>,
    head_commit: Option<Commit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PullRequest {
    title: Option<String>,
    head: Head,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    sha: Option<String>,
    /// `null` once the fork is deleted.
    repo: Option<HeadRepository>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HeadRepository {
    full_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Commit {
    message: Option<String>,
}

pub(in crate::ci) fn said(variables: &Variables, event: Option<&str>) -> Result<Said> {
    let full_name = variables.required("GITHUB_REPOSITORY")?;
    let (org, name) = full_name.split_once('/').ok_or_else(|| {
        Error::Usage("GITHUB_REPOSITORY: expected OWNER/NAME; set LARDER_PROJECT".to_owned())
    })?;
    // An event that cannot be read says nothing; the rest is in the variables.
    let event: Event = event
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let server = variables.text("GITHUB_SERVER_URL");
    let run = variables.required("GITHUB_RUN_ID")?;
    Ok(Said {
        // A company's own GitHub is one too, and so is Gitea, which speaks the same variables.
        project: Project {
            vcs: "github",
            org: organization(org),
            name: name.to_owned(),
        },
        fork: event
            .pull_request
            .as_ref()
            .is_some_and(|it| it.is_of_fork(full_name)),
        facts: facts(variables, &event),
        // Not the attempt: what is run again belongs to the same build.
        build: vec![run.to_owned()],
        job: variables.label("GITHUB_JOB"),
        node: (None, None),
        url: server.and_then(|server| label(&format!("{server}/{full_name}/actions/runs/{run}"))),
    })
}

fn facts(variables: &Variables, event: &Event) -> BuildFacts {
    let name = variables.label("GITHUB_REF_NAME");
    let is_tag = variables.text("GITHUB_REF_TYPE") == Some("tag");
    let (branch, tag) = if is_tag { (None, name) } else { (name, None) };
    let pull_request = event.pull_request.as_ref();
    // Of a pull request GITHUB_SHA is the trial merge, which nobody pushed.
    let head = pull_request.and_then(|it| it.head.sha.as_deref());
    let message = match pull_request {
        Some(pull_request) => pull_request.title.as_deref(),
        None => event
            .head_commit
            .as_ref()
            .and_then(|it| it.message.as_deref()),
    };
    BuildFacts {
        branch: variables.label("GITHUB_HEAD_REF").or(branch),
        revision: head
            .and_then(revision)
            .or_else(|| variables.text("GITHUB_SHA").and_then(revision)),
        tag,
        message: message.and_then(label),
        ..BuildFacts::default()
    }
}

impl PullRequest {
    fn is_of_fork(&self, here: &str) -> bool {
        let theirs = self
            .head
            .repo
            .as_ref()
            .and_then(|repo| repo.full_name.as_deref());
        theirs.is_none_or(|theirs| {
            !Repository::is_same(
                &format!("https://github/{theirs}"),
                &format!("https://github/{here}"),
            )
        })
    }
}
