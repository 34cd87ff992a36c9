//! A build as v1.1 sums it up: which is one of our jobs, with what its build and its nodes say.

use super::lookup::JobPath;
use crate::http::state::App;
use larder_core::JobNodes;
use larder_core::clock::Timestamp;
use larder_core::model::{Job, JobOutcome, Principal, Project, Vcs};
use serde::Serialize;

/// The keys that clients read. What is not known here is `null`, or left out where a client parses it as a time.
#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the keys are the API's, and clients want each"
)]
pub(super) struct BuildBody {
    vcs_url: String,
    vcs_type: &'static str,
    build_url: String,
    build_num: i64,
    branch: Option<String>,
    vcs_tag: Option<String>,
    vcs_revision: Option<String>,
    subject: Option<String>,
    body: String,
    why: &'static str,
    dont_build: Option<String>,
    queued_at: String,
    usage_queued_at: String,
    start_time: Option<String>,
    stop_time: Option<String>,
    build_time_millis: Option<i64>,
    username: String,
    reponame: String,
    lifecycle: &'static str,
    outcome: Option<&'static str>,
    status: &'static str,
    retry_of: Option<i64>,
    retries: Option<Vec<i64>>,
    previous: Option<i64>,
    previous_successful_build: Option<i64>,
    parallel: u32,
    failed: bool,
    canceled: bool,
    timedout: bool,
    infrastructure_fail: bool,
    platform: &'static str,
    user: UserBody,
    pull_requests: [String; 0],
    workflows: WorkflowsBody,
    has_artifacts: bool,
}

#[derive(Serialize)]
struct UserBody {
    login: Option<String>,
    name: Option<String>,
    vcs_type: &'static str,
    is_user: bool,
}

#[derive(Serialize)]
struct WorkflowsBody {
    job_name: String,
    job_id: String,
    workflow_id: String,
    workflow_name: &'static str,
    workspace_id: String,
    upstream_job_ids: [String; 0],
}

impl BuildBody {
    /// The summary of a job.
    pub(super) fn of(app: &App, nodes: &JobNodes) -> Self {
        let (build, project) = (&nodes.build, &nodes.build.project);
        let (outcome, times) = (nodes.outcome(), Times::of(&nodes.nodes));
        let vcs_type = project.organization.vcs.word();
        let (subject, body) = subject_and_body(build.message.as_deref());
        Self {
            vcs_url: url_of_project(app, project),
            vcs_type,
            build_url: url_of_job(app, project, nodes.number),
            build_num: nodes.number,
            branch: build.branch.clone(),
            vcs_tag: build.tag.clone(),
            vcs_revision: build.revision.clone(),
            subject,
            body,
            why: "api",
            dont_build: None,
            queued_at: build.created_at.rfc3339(),
            usage_queued_at: build.created_at.rfc3339(),
            start_time: times.started.map(Timestamp::rfc3339),
            stop_time: times.stopped.map(Timestamp::rfc3339),
            build_time_millis: times.millis(),
            username: project.organization.name.clone(),
            reponame: project.name.clone(),
            lifecycle: lifecycle(outcome),
            outcome: (outcome != JobOutcome::Running).then(|| status(outcome)),
            status: status(outcome),
            retry_of: None,
            retries: None,
            previous: None,
            previous_successful_build: None,
            parallel: u32::try_from(nodes.nodes.len()).unwrap_or(u32::MAX),
            failed: outcome == JobOutcome::Failed,
            canceled: outcome == JobOutcome::Canceled,
            timedout: outcome == JobOutcome::TimedOut,
            infrastructure_fail: false,
            platform: "2.0",
            user: UserBody::of(build.creator.as_deref(), vcs_type),
            pull_requests: [],
            workflows: WorkflowsBody::of(nodes),
            has_artifacts: nodes.nodes.iter().any(|node| node.artifact_count > 0),
        }
    }
}

impl UserBody {
    fn of(creator: Option<&str>, vcs_type: &'static str) -> Self {
        Self {
            login: creator.map(str::to_owned),
            name: creator.map(str::to_owned),
            vcs_type,
            is_user: creator.is_some(),
        }
    }
}

impl WorkflowsBody {
    fn of(nodes: &JobNodes) -> Self {
        let first = nodes.nodes.first();
        let workflow = nodes.build.id.to_string();
        Self {
            job_name: first.map(|node| node.name.clone()).unwrap_or_default(),
            job_id: first.map(|node| node.id.to_string()).unwrap_or_default(),
            workflow_id: workflow.clone(),
            workflow_name: "build",
            workspace_id: workflow,
            upstream_job_ids: [],
        }
    }
}

/// The first line of a message, and the rest.
fn subject_and_body(message: Option<&str>) -> (Option<String>, String) {
    let Some(message) = message else {
        return (None, String::new());
    };
    let (subject, body) = message.split_once('\n').unwrap_or((message, ""));
    (Some(subject.to_owned()), body.trim().to_owned())
}

/// `finished` once every node has ended.
pub(super) fn lifecycle(outcome: JobOutcome) -> &'static str {
    match outcome {
        JobOutcome::Running => "running",
        JobOutcome::Passed | JobOutcome::Failed | JobOutcome::Canceled | JobOutcome::TimedOut => {
            "finished"
        }
    }
}

/// This API's word for how a job stands.
pub(super) fn status(outcome: JobOutcome) -> &'static str {
    match outcome {
        JobOutcome::Running => "running",
        JobOutcome::Passed => "success",
        JobOutcome::Failed => "failed",
        JobOutcome::Canceled => "canceled",
        JobOutcome::TimedOut => "timedout",
    }
}

/// When the first node started and the last one ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) started: Option<Timestamp>,
    pub(super) stopped: Option<Timestamp>,
}

impl Times {
    /// Those of some nodes; not stopped while one runs.
    pub(super) fn of(nodes: &[Job]) -> Self {
        let ended = nodes.iter().all(|node| node.state.has_ended());
        let stopped = nodes.iter().filter_map(|node| node.finished_at).max();
        Self {
            started: nodes.iter().filter_map(|node| node.started_at).min(),
            stopped: stopped.filter(|_| ended),
        }
    }

    /// How long it took, in milliseconds.
    pub(super) fn millis(self) -> Option<i64> {
        Some(self.stopped?.0 - self.started?.0)
    }
}

/// Where the code is; a project outside any host of code has only its page here.
pub(super) fn url_of_project(app: &App, project: &Project) -> String {
    let (org, name) = (&project.organization.name, &project.name);
    match project.organization.vcs {
        Vcs::Github => format!("https://github.com/{org}/{name}"),
        Vcs::Bitbucket => format!("https://bitbucket.org/{org}/{name}"),
        Vcs::Gitlab => format!("https://gitlab.com/{org}/{name}"),
        Vcs::Circleci | Vcs::Local => format!("{}/{}", app.public_url(), project.slug()),
    }
}

/// The page of a job, in the documented form `…/gh/acme/demo/22`.
pub(super) fn url_of_job(app: &App, project: &Project, number: i64) -> String {
    let vcs = project.organization.vcs.short();
    let (org, name) = (&project.organization.name, &project.name);
    format!("{}/{vcs}/{org}/{name}/{number}", app.public_url())
}

/// The job of a path for a caller who may read builds; seeing the project is not enough for it.
pub(super) async fn readable(
    app: &App,
    who: &Principal,
    path: &JobPath,
) -> Result<JobNodes, larder_core::Error> {
    let nodes = path.numbered(app, who).await?;
    app.larder().jobs.of_build(who, &nodes.build).await?;
    Ok(nodes)
}
