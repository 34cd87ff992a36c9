//! Builds: announced by whoever starts them, read by all who may.

use crate::api::larder::auth::Caller;
use crate::api::larder::error::Error;
use crate::api::larder::extract::{
    Id as _, JSON_BYTES_MAX, Json, Path, Query, cursor, page_size, parse_json, whole, words,
};
use crate::api::larder::jobs::job_body;
use crate::http::encode_segment;
use crate::http::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use larder_core::model::{Build, BuildId, BuildState, Job, NewBuild, NewJob, ProjectSlug};
use larder_core::{AnnouncedNode, BuildFilter};
use larder_protocol::{
    AddJobs, AnnounceBuild, AnnounceJob, AnnouncedBuild, AnnouncedJob, AnnouncedJobs, BuildBody,
    BuildList,
};
use serde::Deserialize;
use std::collections::HashSet;

/// Builds on a page unless asked otherwise, and at most.
const PAGE: u32 = 30;
const PAGE_MAX: u32 = 100;

/// `POST /larder/v1/projects/{vcs}/{org}/{name}/builds`
pub(super) async fn announce(
    State(app): State<App>,
    Caller(who): Caller,
    Path((vcs, org, name)): Path<(String, String, String)>,
    Json(given): Json<AnnounceBuild>,
) -> Result<(StatusCode, Json<AnnouncedBuild>), Error> {
    let slug = ProjectSlug::from_parts(&vcs, &org, &name)?;
    let jobs = new_jobs(&given.jobs, given.queued)?;
    let announced = app
        .larder()
        .builds
        .announce(&who, &slug, new_build(given)?, jobs)
        .await?;
    let answer = AnnouncedBuild {
        id: announced.build.id.to_string(),
        number: announced.build.number,
        url: build_url(&app, &announced.build),
        jobs: announced.nodes.into_iter().map(announced_job).collect(),
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `POST /larder/v1/builds/{id}/jobs`: a list of jobs in `jobs`, or one job by itself.
pub(super) async fn add_jobs(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    body: Body,
) -> Result<Json<AnnouncedJobs>, Error> {
    let id = BuildId::of(&id)?;
    let bytes = whole("The JSON body", body, JSON_BYTES_MAX).await?;
    let jobs = new_jobs(&one_or_many(&bytes)?, false)?;
    let nodes = app.larder().builds.add_jobs(&who, id, jobs).await?;
    Ok(Json(AnnouncedJobs {
        jobs: nodes.into_iter().map(announced_job).collect(),
    }))
}

/// `GET /larder/v1/builds/{id}`
pub(super) async fn build(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<BuildBody>, Error> {
    let build = app.larder().builds.build(&who, BuildId::of(&id)?).await?;
    let jobs = app.larder().jobs.of_build(&who, &build).await?;
    Ok(Json(build_body(&app, &build, &jobs)))
}

/// `DELETE /larder/v1/builds/{id}`
pub(super) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    app.larder().builds.delete(&who, BuildId::of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which builds of a project.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    state: Option<String>,
    branch: Option<String>,
    tag: Option<String>,
    before: Option<String>,
    limit: Option<u32>,
}

/// `GET /larder/v1/projects/{vcs}/{org}/{name}/builds?branch=&tag=&state=&before=&limit=`
pub(super) async fn of_project(
    State(app): State<App>,
    Caller(who): Caller,
    Path((vcs, org, name)): Path<(String, String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<BuildList>, Error> {
    let (filter, limit) = (wanted.filter()?, page_size(wanted.limit, PAGE, PAGE_MAX)?);
    let before = cursor("before", wanted.before.as_deref())?;
    let larder = app.larder();
    let project = larder
        .projects
        .by_slug(&who, &ProjectSlug::from_parts(&vcs, &org, &name)?)
        .await?;
    let mut found = larder
        .builds
        .of_project(&who, &project, &filter, before, limit + 1)
        .await?;
    let is_last = found.len() <= limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| !is_last)
        .map(|build| build.cursor().encode());
    let mut builds = Vec::new();
    for build in &found {
        builds.push(build_body(
            &app,
            build,
            &larder.jobs.of_build(&who, build).await?,
        ));
    }
    Ok(Json(BuildList { builds, next }))
}

impl Wanted {
    fn filter(&self) -> Result<BuildFilter, Error> {
        let known = "running, passed, failed, canceled";
        Ok(BuildFilter {
            states: words("state", self.state.as_deref(), BuildState::parse, known)?,
            branches: self
                .branch
                .iter()
                .filter(|branch| !branch.is_empty())
                .cloned()
                .collect(),
            tag: self.tag.clone().filter(|tag| !tag.is_empty()),
            ..BuildFilter::default()
        })
    }
}

fn new_build(given: AnnounceBuild) -> Result<NewBuild, Error> {
    // An unset variable in a script would make all of its builds one.
    if given.external_id.as_deref() == Some("") {
        return Err(Error::invalid(
            "external_id: is empty; leave it out or give each build its own",
        ));
    }
    Ok(NewBuild {
        branch: given.branch,
        tag: given.tag,
        revision: given.revision,
        message: given.message,
        fork: given.fork,
        external_id: given.external_id,
    })
}

fn new_jobs(given: &[AnnounceJob], queued: bool) -> Result<Vec<NewJob>, Error> {
    let mut names = HashSet::new();
    if let Some(twice) = given.iter().find(|job| !names.insert(&job.name)) {
        return Err(Error::invalid(format!(
            "jobs: two are named `{}`; for nodes of one job use parallelism",
            twice.name
        )));
    }
    let job = |job: &AnnounceJob| NewJob {
        name: job.name.clone(),
        parallelism: job.parallelism,
        queued: queued || job.queued,
    };
    Ok(given.iter().map(job).collect())
}

/// Tried apart, so that the error is about the form that was meant.
fn one_or_many(bytes: &[u8]) -> Result<Vec<AnnounceJob>, Error> {
    let value: serde_json::Value = parse_json(bytes)?;
    if value.get("jobs").is_some() {
        return parse_json::<AddJobs>(bytes).map(|many| many.jobs);
    }
    parse_json(bytes).map(|one| vec![one])
}

fn announced_job(node: AnnouncedNode) -> AnnouncedJob {
    AnnouncedJob {
        id: node.job.id.to_string(),
        name: node.job.name,
        number: node.job.number,
        index: node.job.index,
        token: node.token,
    }
}

fn build_body(app: &App, build: &Build, jobs: &[Job]) -> BuildBody {
    BuildBody {
        id: build.id.to_string(),
        number: build.number,
        project: build.project.slug().to_string(),
        url: build_url(app, build),
        state: build.state.word().to_owned(),
        branch: build.branch.clone(),
        revision: build.revision.clone(),
        tag: build.tag.clone(),
        message: build.message.clone(),
        fork: build.fork,
        created_at: build.created_at.rfc3339(),
        finished_at: build
            .finished_at
            .map(larder_core::clock::Timestamp::rfc3339),
        artifact_count: build.artifact_count,
        total_bytes: build.total_bytes,
        jobs: jobs.iter().map(job_body).collect(),
    }
}

/// The page of a build.
fn build_url(app: &App, build: &Build) -> String {
    let ProjectSlug { vcs, org, name } = build.project.slug();
    let (org, name) = (encode_segment(&org), encode_segment(&name));
    format!(
        "{}/{vcs}/{org}/{name}/builds/{}",
        app.public_url(),
        build.number
    )
}
