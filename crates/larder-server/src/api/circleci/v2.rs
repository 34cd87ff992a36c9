//! v2: artifacts of a job, the job itself, and the jobs of a workflow. A workflow is one of our builds. A project's slug
//! comes as three segments or as one with its slashes encoded.

use super::artifacts::url_of;
use super::auth::Caller;
use super::error::{Error, Form};
use super::extract::{Parameters, Path};
use super::json::Spelling;
use super::lookup::JobPath;
use super::summary::{self, status, url_of_job, url_of_project};
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use larder_core::clock::Timestamp;
use larder_core::model::{
    Artifact, BuildId, Job, JobOutcome, JobState, Principal, Project, ProjectSlug, Vcs,
};
use larder_core::{JobNodes, What};
use serde::{Deserialize, Serialize};

/// Artifacts of one page. Known clients read only the first page, so it is a large one.
const PAGE_ITEMS: usize = 1_000;

/// A page of things.
#[derive(Serialize)]
pub(super) struct PageBody<T> {
    pub(super) items: Vec<T>,
    pub(super) next_page_token: Option<String>,
}

/// No `pretty_path` here.
#[derive(Serialize)]
struct ArtifactBody<'a> {
    path: &'a str,
    node_index: u32,
    url: String,
}

/// `:project-slug/:job-number` with the slug's slashes encoded.
#[derive(Debug, Deserialize)]
pub(super) struct SlugPath {
    slug: String,
    number: String,
}

impl SlugPath {
    /// The same in parts. What is no slug becomes one that no project has.
    pub(super) fn parts(self) -> JobPath {
        let slug = ProjectSlug::parse(&self.slug).ok();
        let (vcs, username, project) = match slug {
            Some(slug) => (slug.vcs.word().to_owned(), slug.org, slug.name),
            None => (String::new(), String::new(), String::new()),
        };
        JobPath {
            vcs,
            username,
            project,
            number: self.number,
        }
    }
}

/// `GET /api/v2/project/gh/acme/demo/:job-number/artifacts`
pub(super) async fn artifacts(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<JobPath>,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    let page = page_of_artifacts(&app, &who, &path, &parameters, spelling).await;
    page.map_err(|cause| Error::new(Form::V2, cause))
}

/// `GET /api/v2/project/gh%2Facme%2Fdemo/:job-number/artifacts`
pub(super) async fn artifacts_of_slug(
    app: State<App>,
    caller: Caller,
    Path(path): Path<SlugPath>,
    parameters: Parameters,
    spelling: Spelling,
) -> Result<Response, Error> {
    artifacts(app, caller, Path(path.parts()), parameters, spelling).await
}

async fn page_of_artifacts(
    app: &App,
    who: &Principal,
    path: &JobPath,
    parameters: &Parameters,
    spelling: Spelling,
) -> Result<Response, larder_core::Error> {
    let after = parameters
        .text("page-token")
        .map(parse_page_token)
        .transpose()?;
    let nodes = path.numbered(app, who).await?;
    let artifacts = app.larder().artifacts.of_nodes(who, &nodes).await?;
    let start = after.map_or(0, |after| {
        artifacts.partition_point(|artifact| place(artifact) <= after)
    });
    let page: Vec<_> = artifacts.iter().skip(start).take(PAGE_ITEMS).collect();
    let more = start + page.len() < artifacts.len();
    let last = page.last().filter(|_| more);
    let body = PageBody {
        items: page
            .iter()
            .map(|artifact| ArtifactBody {
                path: artifact.path.as_str(),
                node_index: artifact.job_index,
                url: url_of(app, &nodes.build.project, artifact),
            })
            .collect(),
        next_page_token: last.map(|last| page_token(last)),
    };
    spelling.answer(&body)
}

/// Where an artifact stands in the list of its job.
fn place(artifact: &Artifact) -> (u32, String) {
    (artifact.job_index, artifact.path.to_string())
}

fn page_token(last: &Artifact) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{}", last.job_index, last.path))
}

fn parse_page_token(token: &str) -> Result<(u32, String), larder_core::Error> {
    let text = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let place = text.as_deref().and_then(|text| text.split_once('/'));
    let place = place.and_then(|(index, path)| Some((index.parse().ok()?, path.to_owned())));
    place.ok_or_else(|| {
        larder_core::Error::invalid(
            "page-token",
            "must be a next_page_token that this list gave",
        )
    })
}

#[derive(Serialize)]
struct JobBody {
    number: i64,
    name: String,
    status: &'static str,
    started_at: Option<String>,
    stopped_at: Option<String>,
    created_at: String,
    queued_at: String,
    duration: Option<i64>,
    web_url: String,
    parallelism: u32,
    parallel_runs: Vec<RunBody>,
    project: ProjectBody,
    organization: NamedBody,
    pipeline: IdBody,
    latest_workflow: WorkflowBody,
    contexts: [String; 0],
    messages: [String; 0],
}

#[derive(Serialize)]
struct RunBody {
    index: u32,
    status: &'static str,
}

#[derive(Serialize)]
struct ProjectBody {
    id: String,
    slug: String,
    name: String,
    external_url: String,
}

#[derive(Serialize)]
struct NamedBody {
    name: String,
}

#[derive(Serialize)]
struct IdBody {
    id: String,
}

#[derive(Serialize)]
struct WorkflowBody {
    id: String,
    name: &'static str,
}

/// `GET /api/v2/project/gh/acme/demo/job/:job-number`
pub(super) async fn job(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<JobPath>,
    spelling: Spelling,
) -> Result<Response, Error> {
    let nodes = summary::readable(&app, &who, &path).await;
    let answer = nodes.and_then(|nodes| spelling.answer(&JobBody::of(&app, &nodes)));
    answer.map_err(|cause| Error::new(Form::V2, cause))
}

/// `GET /api/v2/project/gh%2Facme%2Fdemo/job/:job-number`
pub(super) async fn job_of_slug(
    app: State<App>,
    caller: Caller,
    Path(path): Path<SlugPath>,
    spelling: Spelling,
) -> Result<Response, Error> {
    job(app, caller, Path(path.parts()), spelling).await
}

impl JobBody {
    fn of(app: &App, nodes: &JobNodes) -> Self {
        let times = summary::Times::of(&nodes.nodes);
        let project = &nodes.build.project;
        Self {
            number: nodes.number,
            name: nodes
                .nodes
                .first()
                .map(|node| node.name.clone())
                .unwrap_or_default(),
            status: status(nodes.outcome()),
            started_at: times.started.map(Timestamp::rfc3339),
            stopped_at: times.stopped.map(Timestamp::rfc3339),
            created_at: nodes.build.created_at.rfc3339(),
            queued_at: nodes.build.created_at.rfc3339(),
            duration: times.millis(),
            web_url: url_of_job(app, project, nodes.number),
            parallelism: u32::try_from(nodes.nodes.len()).unwrap_or(u32::MAX),
            parallel_runs: nodes.nodes.iter().map(RunBody::of).collect(),
            project: ProjectBody {
                id: project.id.to_string(),
                slug: short_slug(project),
                name: project.name.clone(),
                external_url: url_of_project(app, project),
            },
            organization: NamedBody {
                name: project.organization.name.clone(),
            },
            pipeline: IdBody {
                id: nodes.build.id.to_string(),
            },
            latest_workflow: WorkflowBody {
                id: nodes.build.id.to_string(),
                name: "build",
            },
            contexts: [],
            messages: [],
        }
    }
}

impl RunBody {
    fn of(node: &Job) -> Self {
        Self {
            index: node.index,
            status: status(JobOutcome::of([node.state])),
        }
    }
}

/// `gh/acme/demo`, as v2 writes it.
fn short_slug(project: &Project) -> String {
    let vcs: Vcs = project.organization.vcs;
    format!(
        "{}/{}/{}",
        vcs.short(),
        project.organization.name,
        project.name
    )
}

#[derive(Serialize)]
struct WorkflowJobBody {
    id: String,
    name: String,
    job_number: Option<i64>,
    project_slug: String,
    status: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    started_at: Option<String>,
    stopped_at: Option<String>,
    dependencies: [String; 0],
}

/// `GET /api/v2/workflow/:id/job`: an item for each job of the build, named by its first node.
pub(super) async fn workflow_jobs(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    spelling: Spelling,
) -> Result<Response, Error> {
    let answer = jobs_of_workflow(&app, &who, &id, spelling).await;
    answer.map_err(|cause| Error::new(Form::V2, cause))
}

async fn jobs_of_workflow(
    app: &App,
    who: &Principal,
    id: &str,
    spelling: Spelling,
) -> Result<Response, larder_core::Error> {
    let id = BuildId::parse(id).ok_or(larder_core::Error::NotFound(What::Build))?;
    let build = app.larder().builds.build(who, id).await?;
    let nodes = app.larder().jobs.of_build(who, &build).await?;
    let slug = short_slug(&build.project);
    // The nodes of a job were announced together, so they stand together.
    let items = nodes
        .chunk_by(|one, next| one.name == next.name)
        .filter_map(|nodes| WorkflowJobBody::of(nodes, &slug));
    spelling.answer(&PageBody {
        items: items.collect(),
        next_page_token: None,
    })
}

impl WorkflowJobBody {
    fn of(nodes: &[Job], slug: &str) -> Option<Self> {
        let first = nodes.first()?;
        let times = summary::Times::of(nodes);
        let queued = nodes.iter().all(|node| node.state == JobState::Queued);
        let outcome = JobOutcome::of(nodes.iter().map(|node| node.state));
        Some(Self {
            id: first.id.to_string(),
            name: first.name.clone(),
            job_number: first.number,
            project_slug: slug.to_owned(),
            status: if queued { "queued" } else { status(outcome) },
            kind: "build",
            started_at: times.started.map(Timestamp::rfc3339),
            stopped_at: times.stopped.map(Timestamp::rfc3339),
            dependencies: [],
        })
    }
}
