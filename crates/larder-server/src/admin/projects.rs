//! What operators do with projects and builds.

use super::{AdminAnswer, ContentsLine, OPERATOR, ProjectLine};
use larder_core::model::{Contents, ProjectSlug, Retention, Scope, SpaceLimit};
use larder_core::{Larder, Result};

pub(super) async fn create(larder: &Larder, slug: &str, public: bool) -> Result<AdminAnswer> {
    let slug = ProjectSlug::parse(slug)?;
    larder.projects.create(OPERATOR, &slug, public).await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn set_retention(
    larder: &Larder,
    project: &str,
    retention: &str,
) -> Result<AdminAnswer> {
    let (slug, retention) = (ProjectSlug::parse(project)?, Retention::parse(retention)?);
    larder
        .projects
        .set_retention(OPERATOR, &slug, retention)
        .await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn list(larder: &Larder) -> Result<AdminAnswer> {
    let projects = larder.projects.list(OPERATOR, Scope::ReadPipelines).await?;
    let lines = projects.into_iter().map(ProjectLine::from).collect();
    Ok(AdminAnswer::Projects(lines))
}

pub(super) async fn rename(larder: &Larder, from: &str, to: &str) -> Result<AdminAnswer> {
    let (from, to) = (ProjectSlug::parse(from)?, ProjectSlug::parse(to)?);
    larder.projects.rename(OPERATOR, &from, &to).await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn set_space_limit(
    larder: &Larder,
    project: &str,
    max_bytes: &str,
) -> Result<AdminAnswer> {
    let (slug, limit) = (ProjectSlug::parse(project)?, SpaceLimit::parse(max_bytes)?);
    let projects = &larder.projects;
    projects.set_space_limit(OPERATOR, &slug, limit).await?;
    Ok(AdminAnswer::Done)
}

pub(super) async fn delete(larder: &Larder, project: &str, yes: bool) -> Result<AdminAnswer> {
    let slug = ProjectSlug::parse(project)?;
    let contents = larder.projects.contents(OPERATOR, &slug).await?;
    let line = ContentsLine::new(slug.to_string(), contents);
    if !yes {
        return Ok(AdminAnswer::WouldDelete(line));
    }
    larder.projects.delete(OPERATOR, &slug).await?;
    Ok(AdminAnswer::Deleted(line))
}

pub(super) async fn delete_build(
    larder: &Larder,
    project: &str,
    number: i64,
    yes: bool,
) -> Result<AdminAnswer> {
    let slug = ProjectSlug::parse(project)?;
    let project = larder.projects.by_slug(OPERATOR, &slug).await?;
    let builds = &larder.builds;
    let build = builds.by_number(OPERATOR, &project, number).await?;
    let contents = Contents {
        builds: 1,
        artifacts: build.artifact_count,
        bytes: build.total_bytes,
    };
    let line = ContentsLine::new(format!("{slug} build {number}"), contents);
    if !yes {
        return Ok(AdminAnswer::WouldDelete(line));
    }
    builds.delete(OPERATOR, build.id).await?;
    Ok(AdminAnswer::Deleted(line))
}
