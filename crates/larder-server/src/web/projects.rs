//! The first page, and the page of a project: lists of builds.

use super::build::BuildRow;
use super::page::{self, Frame};
use super::visitor::Visitor;
use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use larder_core::model::{Cursor, Offset, Project, ProjectSlug, Scope, Vcs};
use larder_core::{BuildFilter, Error, What};
use serde::Deserialize;

/// Builds on the first page.
const NEWEST: u32 = 20;
/// Builds on a page of a project.
const PAGE: u32 = 50;

/// `/{vcs}/{org}/{project}`
#[derive(Debug, Deserialize)]
pub(super) struct ProjectPath {
    vcs: String,
    org: String,
    project: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    projects: Vec<String>,
    builds: Vec<BuildRow>,
}

#[derive(Template)]
#[template(path = "project.html")]
struct ProjectPage {
    frame: Frame,
    slug: String,
    public: bool,
    builds: Vec<BuildRow>,
    /// The query of the page of older builds.
    older: Option<String>,
}

impl ProjectPath {
    /// The word that should name a host of code.
    pub(super) fn vcs(&self) -> &str {
        &self.vcs
    }

    /// The project, if the visitor may see it. An address that begins with no host of code is none of these.
    pub(super) async fn project(&self, visitor: &Visitor) -> Result<Project, Error> {
        if Vcs::parse(&self.vcs).is_none() {
            return Err(Error::NotFound(What::Project));
        }
        let slug = ProjectSlug::from_parts(&self.vcs, &self.org, &self.project);
        let slug = slug.map_err(|_| visitor.missing(What::Project))?;
        let projects = &visitor.app.larder().projects;
        projects.by_slug(&visitor.who, &slug).await
    }
}

/// `GET /`
pub(super) async fn home(visitor: Visitor) -> Response {
    visitor.answer(home_page(&visitor).await)
}

/// `GET /{vcs}/{org}/{project}`
pub(super) async fn builds(
    visitor: Visitor,
    Path(path): Path<ProjectPath>,
    Query(query): Query<Vec<(String, String)>>,
) -> Response {
    if Vcs::parse(&path.vcs).is_none() {
        return page::nothing_here().await;
    }
    let before = query.iter().find(|(name, _)| name == "before");
    let before = before.and_then(|(_, cursor)| Cursor::parse(cursor));
    visitor.answer(project_page(&visitor, &path, before).await)
}

async fn home_page(visitor: &Visitor) -> Result<HomePage, Error> {
    let larder = visitor.app.larder();
    let projects = larder
        .projects
        .list(&visitor.who, Scope::ReadPipelines)
        .await?;
    let offset = Offset {
        skip: 0,
        limit: NEWEST,
    };
    let newest = larder
        .builds
        .page(&visitor.who, None, &BuildFilter::default(), offset)
        .await?;
    Ok(HomePage {
        frame: visitor.frame(),
        projects: projects
            .iter()
            .map(|project| project.slug().to_string())
            .collect(),
        builds: newest.items.iter().map(BuildRow::of).collect(),
    })
}

async fn project_page(
    visitor: &Visitor,
    path: &ProjectPath,
    before: Option<Cursor>,
) -> Result<ProjectPage, Error> {
    let project = path.project(visitor).await?;
    let builds = &visitor.app.larder().builds;
    let filter = BuildFilter::default();
    let mut found = builds
        .of_project(&visitor.who, &project, &filter, before, PAGE + 1)
        .await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let last = found.last().filter(|_| more);
    Ok(ProjectPage {
        frame: visitor.frame(),
        slug: project.slug().to_string(),
        public: project.public_at.is_some(),
        older: last.map(|build| format!("?before={}", build.cursor().encode())),
        builds: found.iter().map(BuildRow::of).collect(),
    })
}
