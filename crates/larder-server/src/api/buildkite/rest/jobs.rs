//! Jobs.

use crate::api::buildkite::rest::addresses::{self, graphql_id};
use crate::api::buildkite::rest::answer::{Json, Null};
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::pages::Pages;
use crate::api::buildkite::rest::place::Place;
use crate::api::buildkite::rest::query::Query;
use crate::http::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use larder_core::model::{Build, Job, JobId, JobState};
use serde::Serialize;

/// The words that the document accepts in `state`; most are of states that our jobs never have.
const STATES: [&str; 21] = [
    "pending",
    "waiting",
    "waiting_failed",
    "blocked",
    "blocked_failed",
    "unblocked",
    "unblocked_failed",
    "scheduled",
    "assigned",
    "accepted",
    "running",
    "passed",
    "failed",
    "timed_out",
    "timing_out",
    "canceled",
    "canceling",
    "skipped",
    "broken",
    "expired",
    "limited",
];

#[derive(Serialize)]
pub(super) struct JobBody {
    id: String,
    graphql_id: String,
    r#type: &'static str,
    name: String,
    label: String,
    step_key: String,
    state: &'static str,
    build_url: String,
    web_url: String,
    log_url: Null,
    raw_log_url: Null,
    artifacts_url: String,
    command: Null,
    exit_status: Option<i32>,
    soft_failed: bool,
    artifact_paths: &'static str,
    agent: Null,
    created_at: String,
    scheduled_at: String,
    runnable_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    retried: bool,
    retried_in_job_id: Null,
    retries_count: Null,
    parallel_group_index: Option<u32>,
    parallel_group_total: Option<u32>,
}

/// This list alone leads on by its body.
#[derive(Serialize)]
pub(super) struct JobsBody {
    items: Vec<JobBody>,
    links: LinksBody,
}

#[derive(Serialize)]
struct LinksBody {
    #[serde(rename = "self")]
    this: String,
    next: Option<String>,
}

/// `GET …/builds/{number}/jobs`
pub(super) async fn of_build(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
    pages: Pages,
) -> Result<Json<JobsBody>, Error> {
    let build = place.build(&app, &who).await?;
    let jobs = app.larder().jobs.of_build(&who, &build).await?;
    let wanted = Wanted::read(&pages.query)?;
    let rest = after(jobs, pages.query.first("after"))?;
    let mut rest = rest.into_iter().filter(|job| wanted.holds(job));
    let limit = pages.limit();
    let page: Vec<Job> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let next = page
        .last()
        .filter(|_| more)
        .map(|last| pages.after(&app, &last.id.to_string()));
    let items = page.iter().map(|job| body(&app, &build, job)).collect();
    let links = LinksBody {
        this: pages.this(&app),
        next,
    };
    Ok(Json(JobsBody { items, links }))
}

/// `GET …/jobs/{job}`
pub(super) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
) -> Result<Json<JobBody>, Error> {
    let seen = place.job(&app, &who).await?;
    let found = app.larder().jobs.job(&who, seen.job.id).await?;
    Ok(Json(body(&app, &found.build, &found.job)))
}

/// The body of a job, alone or in a build.
pub(super) fn body(app: &App, build: &Build, job: &Job) -> JobBody {
    let time = |time: larder_core::clock::Timestamp| time.rfc3339();
    let parallel = job.parallelism > 1;
    JobBody {
        id: job.id.to_string(),
        graphql_id: graphql_id("Job", job.id),
        r#type: "script",
        name: job.name.clone(),
        label: job.name.clone(),
        step_key: job.name.clone(),
        state: word(job.state),
        build_url: addresses::build(app, &build.project, build.number),
        web_url: format!("{}#{}", addresses::build_page(app, build), job.id),
        log_url: (),
        raw_log_url: (),
        artifacts_url: format!("{}/artifacts", addresses::job(app, build, job.id)),
        command: (),
        exit_status: job.exit_status,
        soft_failed: false,
        artifact_paths: "",
        agent: (),
        created_at: time(job.created_at),
        scheduled_at: time(job.created_at),
        runnable_at: time(job.created_at),
        started_at: job.started_at.map(time),
        finished_at: job.finished_at.map(time),
        retried: false,
        retried_in_job_id: (),
        retries_count: (),
        parallel_group_index: parallel.then_some(job.index),
        parallel_group_total: parallel.then_some(job.parallelism),
    }
}

/// Buildkite's word for a job's state.
fn word(state: JobState) -> &'static str {
    match state {
        JobState::Queued => "scheduled",
        JobState::Running => "running",
        JobState::Passed => "passed",
        JobState::Failed => "failed",
        JobState::Canceled => "canceled",
        JobState::TimedOut => "timed_out",
    }
}

/// Which jobs are wanted; what is empty does not restrict.
struct Wanted {
    states: Vec<String>,
    steps: Vec<String>,
}

impl Wanted {
    fn read(query: &Query) -> Result<Self, Error> {
        let owned = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let states = owned(query.all("state"));
        match states
            .iter()
            .find(|state| !STATES.contains(&state.as_str()))
        {
            // 400 here and 422 for artifacts: so the two documents say.
            Some(state) => Err(Error::unknown_state(
                StatusCode::BAD_REQUEST,
                state,
                &STATES,
            )),
            None => Ok(Self {
                states,
                steps: owned(query.all("step_key")),
            }),
        }
    }

    fn holds(&self, job: &Job) -> bool {
        let has = |values: &[String], value: &str| {
            values.is_empty() || values.iter().any(|one| one == value)
        };
        has(&self.states, word(job.state)) && has(&self.steps, &job.name)
    }
}

/// What follows a cursor, which is the id of a job of this build.
fn after(jobs: Vec<Job>, cursor: Option<&str>) -> Result<Vec<Job>, Error> {
    let Some(cursor) = cursor else {
        return Ok(jobs);
    };
    let id = JobId::parse(cursor);
    let place = jobs.iter().position(|job| Some(job.id) == id);
    let place = place.ok_or_else(|| {
        let message = format!("Invalid after: {cursor}. Use the next link of the page before.");
        Error::Mistaken(StatusCode::BAD_REQUEST, message)
    })?;
    Ok(jobs.into_iter().skip(place + 1).collect())
}
