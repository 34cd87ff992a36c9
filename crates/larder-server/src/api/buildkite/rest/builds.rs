//! Builds.

use crate::api::buildkite::rest::addresses::{self, graphql_id};
use crate::api::buildkite::rest::answer::{Empty, Json, Null};
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::jobs::{self, JobBody};
use crate::api::buildkite::rest::pages::Pages;
use crate::api::buildkite::rest::pipelines::{self, PipelineBody};
use crate::api::buildkite::rest::place::Place;
use crate::api::buildkite::rest::query::Query;
use crate::http::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use larder_core::BuildFilter;
use larder_core::model::{Build, BuildState, Job, Principal, Project, Scope};
use serde::Serialize;

/// The words that the document accepts in `state`. `finished` stands for all that have ended; most others are of states
/// that our builds never have.
const STATES: [&str; 14] = [
    "creating",
    "scheduled",
    "running",
    "passed",
    "failing",
    "failed",
    "blocked",
    "canceling",
    "canceled",
    "skipped",
    "not_run",
    "waiting",
    "waiting_failed",
    "finished",
];

#[derive(Serialize)]
pub(super) struct BuildBody {
    id: String,
    graphql_id: String,
    url: String,
    web_url: String,
    number: i64,
    state: &'static str,
    blocked: bool,
    message: Option<String>,
    commit: Option<String>,
    branch: Option<String>,
    tag: Option<String>,
    env: Empty,
    source: &'static str,
    creator: Option<CreatorBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<Vec<JobBody>>,
    created_at: String,
    scheduled_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    meta_data: Empty,
    pull_request: Null,
    rebuilt_from: Null,
    #[serde(skip_serializing_if = "Option::is_none")]
    pipeline: Option<PipelineBody>,
}

/// A build knows its creator by name only.
#[derive(Serialize)]
struct CreatorBody {
    id: Null,
    graphql_id: Null,
    name: String,
    email: Null,
    avatar_url: Null,
    created_at: Null,
}

/// `GET /v2/builds`
pub(super) async fn of_all(
    State(app): State<App>,
    Caller(who): Caller,
    pages: Pages,
) -> Result<Response, Error> {
    list(&app, &who, None, &pages).await
}

/// `GET /v2/organizations/{org}/builds`
pub(super) async fn of_organization(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
    pages: Pages,
) -> Result<Response, Error> {
    let organization = app
        .larder()
        .projects
        .seen_organization(&who, &place.org)
        .await?;
    let mut projects = app.larder().projects.list(&who, Scope::ReadBuilds).await?;
    projects.retain(|project| project.organization.id == organization.id);
    list(&app, &who, Some(&projects), &pages).await
}

/// `GET /v2/organizations/{org}/pipelines/{pipeline}/builds`
pub(super) async fn of_pipeline(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
    pages: Pages,
) -> Result<Response, Error> {
    let project = place.project(&app, &who).await?;
    list(&app, &who, Some(&[project]), &pages).await
}

/// `GET …/builds/{number}`
pub(super) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
    pages: Pages,
) -> Result<Json<BuildBody>, Error> {
    let build = place.build(&app, &who).await?;
    let jobs = app.larder().jobs.of_build(&who, &build).await?;
    Ok(Json(body(&app, &build, &jobs, &pages.query)))
}

async fn list(
    app: &App,
    who: &Principal,
    projects: Option<&[Project]>,
    pages: &Pages,
) -> Result<Response, Error> {
    let offset = pages.offset()?;
    let (filter, possible) = filter(&pages.query)?;
    let projects = if possible { projects } else { Some(&[][..]) };
    let page = app
        .larder()
        .builds
        .page(who, projects, &filter, offset)
        .await?;
    let mut items = Vec::new();
    for build in &page.items {
        let jobs = app.larder().jobs.of_build(who, build).await?;
        items.push(body(app, build, &jobs, &pages.query));
    }
    Ok(pages.answer(app, &items, page.total))
}

/// Which builds are wanted; `false` if only such states are that no build of ours is ever in.
fn filter(query: &Query) -> Result<(BuildFilter, bool), Error> {
    let words = query.all("state");
    let mut states = Vec::new();
    for word in &words {
        match *word {
            "finished" => {
                states.extend([BuildState::Passed, BuildState::Failed, BuildState::Canceled]);
            }
            word if STATES.contains(&word) => states.extend(BuildState::parse(word)),
            word => {
                return Err(Error::unknown_state(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    word,
                    &STATES,
                ));
            }
        }
    }
    let filter = BuildFilter {
        branches: query.all("branch").into_iter().map(str::to_owned).collect(),
        tag: None,
        revision: query.first("commit").map(str::to_owned),
        created_from: query.time("created_from")?,
        created_to: query.time("created_to")?,
        finished_from: query.time("finished_from")?,
        states,
    };
    let possible = words.is_empty() || !filter.states.is_empty();
    Ok((filter, possible))
}

fn body(app: &App, build: &Build, jobs: &[Job], query: &Query) -> BuildBody {
    let started = jobs.iter().filter_map(|job| job.started_at).min();
    let with_jobs = !query.is_true("exclude_jobs");
    let with_pipeline = !query.is_true("exclude_pipeline");
    BuildBody {
        id: build.id.to_string(),
        graphql_id: graphql_id("Build", build.id),
        url: addresses::build(app, &build.project, build.number),
        web_url: addresses::build_page(app, build),
        number: build.number,
        state: build.state.word(),
        blocked: false,
        message: build.message.clone(),
        commit: build.revision.clone(),
        branch: build.branch.clone(),
        tag: build.tag.clone(),
        env: Empty {},
        source: "api",
        creator: build.creator.clone().map(creator),
        jobs: with_jobs.then(|| jobs.iter().map(|job| jobs::body(app, build, job)).collect()),
        created_at: build.created_at.rfc3339(),
        scheduled_at: build.created_at.rfc3339(),
        started_at: started.map(larder_core::clock::Timestamp::rfc3339),
        finished_at: build
            .finished_at
            .map(larder_core::clock::Timestamp::rfc3339),
        meta_data: Empty {},
        pull_request: (),
        rebuilt_from: (),
        pipeline: with_pipeline.then(|| pipelines::body(app, &build.project)),
    }
}

fn creator(name: String) -> CreatorBody {
    CreatorBody {
        id: (),
        graphql_id: (),
        name,
        email: (),
        avatar_url: (),
        created_at: (),
    }
}
