//! The page of a build. Its first tab has every file of every node.

use super::format::{Moment, counted, duration, size};
use super::page::{self, Frame};
use super::projects::ProjectPath;
use super::visitor::Visitor;
use crate::http::encode_path;
use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use larder_core::model::{Artifact, Build, Job, JobId, TestCounts, Vcs};
use larder_core::{Error, JobNodes, What};
use serde::Deserialize;
use std::collections::HashMap;

/// Files on one page: a browser shows so many without trouble.
const FILES_MAX: usize = 5_000;
/// Digits of a commit that people read.
const REVISION_DIGITS: usize = 10;

/// `/{vcs}/{org}/{project}/builds/{number}`
#[derive(Debug, Deserialize)]
pub(super) struct BuildPath {
    #[serde(flatten)]
    project: ProjectPath,
    number: String,
}

/// `/{vcs}/{org}/{project}/{number}`
#[derive(Debug, Deserialize)]
pub(super) struct JobPath {
    #[serde(flatten)]
    project: ProjectPath,
    number: String,
}

/// A build in a list.
pub(super) struct BuildRow {
    pub(super) slug: String,
    pub(super) number: i64,
    pub(super) state: &'static str,
    pub(super) title: String,
    pub(super) branch: String,
    pub(super) created: Moment,
    pub(super) files: String,
}

/// What stands above the tabs of a build.
pub(super) struct Heading {
    pub(super) slug: String,
    pub(super) number: i64,
    pub(super) state: &'static str,
    pub(super) message: String,
    pub(super) branch: Option<String>,
    pub(super) tag: Option<String>,
    pub(super) revision: Option<String>,
    pub(super) creator: Option<String>,
    pub(super) created: Moment,
    pub(super) took: Option<String>,
}

/// The tabs of a build: which one is open, and what the third says, which only builds with results of tests have.
pub(super) struct Tabs {
    pub(super) open: &'static str,
    pub(super) tests: Option<String>,
}

#[derive(Template)]
#[template(path = "build_artifacts.html")]
struct ArtifactsPage {
    frame: Frame,
    build: Heading,
    tabs: Tabs,
    summary: String,
    nodes: Vec<NodeFiles>,
    /// The query of the page with the files that follow.
    more: Option<String>,
}

struct NodeFiles {
    title: String,
    state: &'static str,
    summary: String,
    files: Vec<File>,
}

struct File {
    href: String,
    folder: String,
    name: String,
    size: String,
}

impl BuildPath {
    /// The build, if the visitor may see it.
    pub(super) async fn build(&self, visitor: &Visitor) -> Result<Build, Error> {
        let project = self.project.project(visitor).await?;
        let number = number(&self.number).ok_or_else(|| visitor.missing(What::Build))?;
        let builds = &visitor.app.larder().builds;
        builds.by_number(&visitor.who, &project, number).await
    }
}

/// The node of a build that an address names.
pub(super) fn node_of<'a>(nodes: &'a [Job], id: &str) -> Result<&'a Job, Error> {
    let id = JobId::parse(id);
    let node = nodes.iter().find(|node| Some(node.id) == id);
    node.ok_or(Error::NotFound(What::Job))
}

/// `GET /{vcs}/{org}/{project}/builds/{number}`
pub(super) async fn artifacts(
    visitor: Visitor,
    Path(path): Path<BuildPath>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    let from = query.iter().find(|(name, _)| name == "from");
    let from = from.and_then(|(_, from)| from.parse().ok()).unwrap_or(0);
    visitor.answer(artifacts_page(&visitor, &path, from).await)
}

/// `GET /{vcs}/{org}/{project}/{number}`: where CircleCI shows a job; here it leads to the page of its build.
pub(super) async fn of_job(visitor: Visitor, Path(path): Path<JobPath>) -> Response {
    if Vcs::parse(path.project.vcs()).is_none() {
        return page::nothing_here().await;
    }
    match build_of_job(&visitor, &path).await {
        Ok(build) => {
            let base = visitor.app.base_path();
            let target = format!("{base}/{}/builds/{}", build.project.slug(), build.number);
            (StatusCode::FOUND, [(header::LOCATION, target)]).into_response()
        }
        Err(error) => visitor.refuse(&error),
    }
}

async fn build_of_job(visitor: &Visitor, path: &JobPath) -> Result<Build, Error> {
    let project = path.project.project(visitor).await?;
    let number = number(&path.number).ok_or_else(|| visitor.missing(What::Job))?;
    let jobs = &visitor.app.larder().jobs;
    Ok(jobs.nodes(&visitor.who, &project, number).await?.build)
}

async fn artifacts_page(
    visitor: &Visitor,
    path: &BuildPath,
    from: usize,
) -> Result<ArtifactsPage, Error> {
    let build = path.build(visitor).await?;
    let larder = visitor.app.larder();
    let jobs = larder.jobs.of_build(&visitor.who, &build).await?;
    let all = JobNodes {
        number: 0,
        build: build.clone(),
        nodes: jobs,
    };
    let artifacts = larder.artifacts.of_nodes(&visitor.who, &all).await?;
    let shown: Vec<_> = artifacts.iter().skip(from).take(FILES_MAX).collect();
    let base = visitor.app.base_path();
    let end = from.saturating_add(FILES_MAX);
    Ok(ArtifactsPage {
        frame: visitor.frame(),
        tabs: Tabs::of(visitor, &build, &all.nodes, "artifacts").await?,
        summary: totals(&artifacts),
        nodes: by_node(base, &all.nodes, &shown),
        more: (artifacts.len() > end).then(|| format!("?from={end}")),
        build: Heading::of(&build),
    })
}

/// The files of each node that has some of them; they come in the order of the nodes.
fn by_node(base: &str, jobs: &[Job], artifacts: &[&Artifact]) -> Vec<NodeFiles> {
    let jobs: HashMap<_, _> = jobs.iter().map(|job| (job.id, job)).collect();
    let of_node = |files: &[&Artifact]| {
        let job = jobs.get(&files[0].job_id)?;
        let total = files.iter().map(|file| file.size).sum();
        Some(NodeFiles {
            title: node_title(job),
            state: job.state.word(),
            summary: summary(files.len(), total),
            files: files.iter().map(|file| File::of(base, file)).collect(),
        })
    };
    let nodes = artifacts.chunk_by(|a, b| a.job_id == b.job_id);
    nodes.filter_map(of_node).collect()
}

fn totals(artifacts: &[Artifact]) -> String {
    summary(
        artifacts.len(),
        artifacts.iter().map(|artifact| artifact.size).sum(),
    )
}

fn summary(count: usize, bytes: u64) -> String {
    let count = counted(i64::try_from(count).unwrap_or(i64::MAX), "file");
    format!("{count}, {}", size(bytes))
}

/// `build`, and `test · node 1 of 4` where there are several.
pub(super) fn node_title(job: &Job) -> String {
    if job.parallelism > 1 {
        format!("{} · node {} of {}", job.name, job.index, job.parallelism)
    } else {
        job.name.clone()
    }
}

fn number(text: &str) -> Option<i64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

impl File {
    fn of(base: &str, artifact: &Artifact) -> Self {
        let path = artifact.path.as_str();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        Self {
            href: format!(
                "{base}/output/job/{}/artifacts/{}/{}",
                artifact.job_id,
                artifact.job_index,
                encode_path(path)
            ),
            folder: if folder.is_empty() {
                String::new()
            } else {
                format!("{folder}/")
            },
            name: name.to_owned(),
            size: size(artifact.size),
        }
    }
}

impl Tabs {
    /// The tabs above a page of a build with these nodes.
    pub(super) async fn of(
        visitor: &Visitor,
        build: &Build,
        nodes: &[Job],
        open: &'static str,
    ) -> Result<Self, Error> {
        let kept = &visitor.app.larder().test_results;
        let counts = kept.counts(&visitor.who, build, nodes).await?;
        let counts = counts
            .into_iter()
            .fold(TestCounts::default(), TestCounts::plus);
        let bad = counts.failures + counts.errors;
        let tests = match (counts.total(), bad) {
            (0, _) => None,
            (total, 0) => Some(total.to_string()),
            (_, bad) => Some(format!("{bad} failed")),
        };
        Ok(Self { open, tests })
    }
}

impl BuildRow {
    /// A build in a list.
    pub(super) fn of(build: &Build) -> Self {
        let heading = Heading::of(build);
        Self {
            slug: heading.slug,
            number: build.number,
            state: heading.state,
            title: heading.message,
            branch: heading.branch.or(heading.tag).unwrap_or_default(),
            created: heading.created,
            files: counted(build.artifact_count, "file"),
        }
    }
}

impl Heading {
    /// What stands above the tabs of this build.
    pub(super) fn of(build: &Build) -> Self {
        let message = build.message.as_deref().unwrap_or_default();
        let revision = build.revision.as_deref();
        Self {
            slug: build.project.slug().to_string(),
            number: build.number,
            state: build.state.word(),
            message: message.lines().next().unwrap_or_default().to_owned(),
            branch: build.branch.clone(),
            tag: build.tag.clone(),
            revision: revision.map(|revision| revision.chars().take(REVISION_DIGITS).collect()),
            creator: build.creator.clone(),
            created: build.created_at.into(),
            took: build
                .finished_at
                .map(|finished| duration(build.created_at, finished)),
        }
    }
}
