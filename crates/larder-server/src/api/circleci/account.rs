//! Who the caller is, and which projects the caller has: `/me` and `/projects` of v1 and v1.1.

use super::auth::Caller;
use super::error::{Error, Form};
use super::json::Spelling;
use super::summary::{Times, status, url_of_project};
use crate::http::encode_segment;
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use larder_core::model::{JobOutcome, Principal, Project, Scope};
use larder_core::{JobNodes, Lack, RecentJobs};
use serde::Serialize;
use std::collections::BTreeMap;

/// Newest jobs of a project that `/projects` sums up.
const RECENT_OF_PROJECT: u32 = 30;
/// Newest builds of a branch that `/projects` shows, as documented.
const RECENT_OF_BRANCH: usize = 5;

/// Times that are not known are left out: clients parse what is there.
#[derive(Serialize)]
struct MeBody {
    login: String,
    name: String,
    admin: bool,
    created_at: String,
    all_emails: [String; 0],
    projects: Empty,
    identities: Empty,
}

#[derive(Serialize)]
struct Empty {}

/// `GET /api/v1.1/me`: for personal tokens.
pub(super) async fn me(Caller(who): Caller, spelling: Spelling) -> Result<Response, Error> {
    let body = MeBody::of(&who);
    let answer = body.and_then(|body| spelling.answer(&body));
    answer.map_err(|cause| Error::new(Form::Account, cause))
}

impl MeBody {
    fn of(who: &Principal) -> Result<Self, larder_core::Error> {
        let user = match who {
            Principal::Anonymous => return Err(larder_core::Error::Unauthenticated),
            Principal::User(user) if user.is_personal() => &user.user,
            Principal::User(_) => {
                return Err(larder_core::Error::Forbidden(Lack::Scope(Scope::ReadUser)));
            }
            Principal::Job(_) | Principal::Operator => {
                return Err(larder_core::Error::Forbidden(Lack::JobToken));
            }
        };
        Ok(Self {
            login: user.name.clone(),
            name: user.name.clone(),
            admin: user.admin,
            created_at: user.created_at.rfc3339(),
            all_emails: [],
            projects: Empty {},
            identities: Empty {},
        })
    }
}

#[derive(Serialize)]
struct ProjectBody {
    vcs_url: String,
    vcs_type: &'static str,
    username: String,
    reponame: String,
    default_branch: String,
    followed: bool,
    following: bool,
    oss: bool,
    branches: BTreeMap<String, BranchBody>,
}

#[derive(Default, Serialize)]
struct BranchBody {
    pusher_logins: Vec<String>,
    running_builds: Vec<BriefBody>,
    recent_builds: Vec<BriefBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<BriefBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_non_success: Option<BriefBody>,
}

#[derive(Clone, Serialize)]
struct BriefBody {
    build_num: i64,
    outcome: Option<&'static str>,
    status: &'static str,
    vcs_revision: Option<String>,
    pushed_at: String,
    added_at: String,
}

/// `GET /api/v1.1/projects`: those on which the caller has a role.
pub(super) async fn projects(
    State(app): State<App>,
    Caller(who): Caller,
    spelling: Spelling,
) -> Result<Response, Error> {
    let projects = list(&app, &who).await;
    let answer = projects.and_then(|projects| spelling.answer(&projects));
    answer.map_err(|cause| Error::new(Form::Account, cause))
}

async fn list(app: &App, who: &Principal) -> Result<Vec<ProjectBody>, larder_core::Error> {
    let projects = app.larder().projects.list(who, Scope::ReadBuilds).await?;
    let mut bodies = Vec::with_capacity(projects.len());
    for project in &projects {
        bodies.push(ProjectBody::of(app, who, project).await?);
    }
    Ok(bodies)
}

impl ProjectBody {
    /// A project with its branches; the builds are those among its newest jobs.
    async fn of(app: &App, who: &Principal, project: &Project) -> Result<Self, larder_core::Error> {
        let jobs = &app.larder().jobs;
        let names = jobs.branches(who, project).await?;
        let default_branch = default_branch(&names);
        let recent = RecentJobs {
            project: Some(project.clone()),
            limit: RECENT_OF_PROJECT,
            ..RecentJobs::default()
        };
        let mut branches: BTreeMap<String, BranchBody> = names
            .iter()
            .map(|name| (encode_segment(name), BranchBody::default()))
            .collect();
        for nodes in jobs.recent(who, recent).await? {
            if let Some(branch) = &nodes.build.branch {
                let body = branches.entry(encode_segment(branch)).or_default();
                body.add(&nodes);
            }
        }
        Ok(Self {
            vcs_url: url_of_project(app, project),
            vcs_type: project.organization.vcs.word(),
            username: project.organization.name.clone(),
            reponame: project.name.clone(),
            default_branch,
            followed: true,
            following: true,
            oss: project.public_at.is_some(),
            branches,
        })
    }
}

/// The branch that a project's code most likely starts from: none is told to the larder.
fn default_branch(names: &[String]) -> String {
    let usual = ["main", "master"];
    let known = usual
        .into_iter()
        .find(|usual| names.iter().any(|name| name == usual));
    let first = names.first().map(String::as_str);
    known.or(first).unwrap_or("main").to_owned()
}

impl BranchBody {
    /// Adds a job that is older than those added before.
    fn add(&mut self, nodes: &JobNodes) {
        let (brief, outcome) = (BriefBody::of(nodes), nodes.outcome());
        if let Some(creator) = &nodes.build.creator
            && !self.pusher_logins.contains(creator)
        {
            self.pusher_logins.push(creator.clone());
        }
        match outcome {
            JobOutcome::Running => {
                self.running_builds.push(brief);
                return;
            }
            JobOutcome::Passed => {
                self.last_success.get_or_insert_with(|| brief.clone());
            }
            JobOutcome::Failed | JobOutcome::Canceled | JobOutcome::TimedOut => {
                self.last_non_success.get_or_insert_with(|| brief.clone());
            }
        }
        if self.recent_builds.len() < RECENT_OF_BRANCH {
            self.recent_builds.push(brief);
        }
    }
}

impl BriefBody {
    fn of(nodes: &JobNodes) -> Self {
        let outcome = nodes.outcome();
        let started = Times::of(&nodes.nodes).started;
        let pushed = nodes.build.created_at;
        Self {
            build_num: nodes.number,
            outcome: (outcome != JobOutcome::Running).then(|| status(outcome)),
            status: status(outcome),
            vcs_revision: nodes.build.revision.clone(),
            pushed_at: pushed.rfc3339(),
            added_at: started.unwrap_or(pushed).rfc3339(),
        }
    }
}
