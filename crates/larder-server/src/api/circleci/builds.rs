//! Builds of v1 and v1.1: recent ones, those of a branch, and one with its steps.

use super::auth::Caller;
use super::error::{Error, Form};
use super::extract::{Parameters, Path};
use super::json::Spelling;
use super::lookup::{Filter, JobPath, ProjectPath};
use super::steps;
use super::summary::{self, BuildBody};
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use larder_core::RecentJobs;
use larder_core::model::{Principal, Project};
use serde::{Deserialize, Serialize};

/// Builds of a list where the caller names no limit, as documented.
const LIMIT_DEFAULT: u32 = 30;
/// Most builds of a list, as documented: a greater limit means this.
const LIMIT_MAX: u32 = 100;

/// A project's path and a branch of it.
#[derive(Debug, Deserialize)]
pub(super) struct BranchPath {
    #[serde(flatten)]
    project: ProjectPath,
    branch: String,
}

/// `GET /api/v1.1/recent-builds`: of all projects of the caller. It has no `filter`.
pub(super) async fn recent(
    State(app): State<App>,
    Caller(who): Caller,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    let builds = list(&app, &who, None, None, None, &parameters).await;
    let answer = builds.and_then(|builds| spelling.answer(&builds));
    answer.map_err(|cause| Error::new(Form::Account, cause))
}

/// `GET /api/v1.1/project/:vcs-type/:username/:project`
pub(super) async fn of_project(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<ProjectPath>,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    let filter = Filter::of(&parameters)?;
    let project = path.project(&app, &who).await?;
    let builds = list(&app, &who, Some(project), None, filter, &parameters).await?;
    Ok(spelling.answer(&builds)?)
}

/// `GET /api/v1.1/project/:vcs-type/:username/:project/tree/:branch`; the branch's slashes may be encoded or not.
pub(super) async fn of_branch(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<BranchPath>,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    let filter = Filter::of(&parameters)?;
    let project = path.project.project(&app, &who).await?;
    let branch = Some(path.branch);
    let builds = list(&app, &who, Some(project), branch, filter, &parameters).await?;
    Ok(spelling.answer(&builds)?)
}

async fn list(
    app: &App,
    who: &Principal,
    project: Option<Project>,
    branch: Option<String>,
    filter: Option<Filter>,
    parameters: &Parameters,
) -> Result<Vec<BuildBody>, larder_core::Error> {
    let wanted = RecentJobs {
        project,
        branch,
        outcomes: filter.map(|filter| filter.outcomes().to_vec()),
        skip: parameters.number("offset", 0)?,
        limit: parameters.number("limit", LIMIT_DEFAULT)?.min(LIMIT_MAX),
    };
    let jobs = app.larder().jobs.recent(who, wanted).await?;
    Ok(jobs.iter().map(|nodes| BuildBody::of(app, nodes)).collect())
}

#[derive(Serialize)]
struct DetailedBody {
    #[serde(flatten)]
    summary: BuildBody,
    steps: Vec<steps::StepBody>,
}

/// `GET /api/v1.1/project/:vcs-type/:username/:project/:build_num`
pub(super) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<JobPath>,
    spelling: Spelling,
) -> Result<Response, Error> {
    let nodes = summary::readable(&app, &who, &path).await?;
    let body = DetailedBody {
        summary: BuildBody::of(&app, &nodes),
        steps: steps::of_nodes(&app, &who, &nodes).await?,
    };
    Ok(spelling.answer(&body)?)
}
