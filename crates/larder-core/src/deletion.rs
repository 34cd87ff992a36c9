//! Deleting builds and projects.
//!
//! A deletion is one mark in one transaction: from then on every read is as if nothing were there. The sweeper takes away
//! the rows below it, some at a time, and condemns the bytes to which nothing else points.

use crate::access::{Action, Resource, authorize};
use crate::builds::Builds;
use crate::error::{Error, Result, What};
use crate::larder::Larder;
use crate::metadata::{Room, audit, builds, jobs, projects, removal};
use crate::model::{BuildId, Contents, Principal, Project, ProjectSlug};
use crate::projects::Projects;

/// Rows removed in one transaction, so that no upload waits long for its own.
const BATCH: u64 = 500;

impl Builds {
    /// Deletes a build with all that it holds; its number is not given again. Needs `admin` and the role of an admin on the
    /// project.
    pub async fn delete(&self, who: &Principal, id: BuildId) -> Result<()> {
        let build = self.by_id(who, id, Action::SetUpProject).await?;
        let (project, who, now) = (build.project, who.clone(), self.0.clock.now());
        self.0
            .database
            .write_in(Room::Project(project.number), async move |tx| {
                let deleted = builds::delete(tx, build.pk, now).await?;
                let bytes = deleted.ok_or(Error::NotFound(What::Build))?;
                jobs::take_numbers(tx, build.pk).await?;
                projects::give_back(tx, project.number, bytes).await?;
                let slug = project.slug();
                let what = format!("{slug} build {}", build.number);
                audit::record_in(tx, now, &who, &slug, "delete build", &what).await
            })
            .await
    }
}

impl Projects {
    /// What goes when the project is deleted. Needs what deleting it needs.
    pub async fn contents(&self, who: &Principal, slug: &ProjectSlug) -> Result<Contents> {
        let project = self.set_up(who, slug).await?;
        self.0
            .database
            .scan(async move |tx| builds::contents_of_project(tx, project.number).await)
            .await
    }

    /// Deletes a project with all that it holds; its name can be given again at once. Needs `admin` and the role of an admin
    /// on the project.
    pub async fn delete(&self, who: &Principal, slug: &ProjectSlug) -> Result<()> {
        let project = self.set_up(who, slug).await?;
        let (who, slug, now) = (who.clone(), slug.clone(), self.0.clock.now());
        self.0
            .database
            .write_in(Room::Project(project.number), async move |tx| {
                if !projects::delete(tx, &project, now).await? {
                    return Err(Error::NotFound(What::Project));
                }
                let what = slug.to_string();
                audit::record_in(tx, now, &who, &slug, "delete project", &what).await
            })
            .await
    }

    /// The project of that slug, of which the caller may change what holds for all of it.
    pub(crate) async fn set_up(&self, who: &Principal, slug: &ProjectSlug) -> Result<Project> {
        let project = self.by_slug(who, slug).await?;
        authorize(who, Action::SetUpProject, Resource::project(&project))?;
        Ok(project)
    }
}

impl Larder {
    /// Takes away what is below deleted builds and projects. Safe at any time, and again after a crash in its middle.
    pub(crate) async fn remove_deleted(&self) -> Result<()> {
        let (database, now) = (&self.store.database, self.store.clock.now());
        while let Some((build, project)) = database
            .read(async |tx| removal::build_to_remove(tx).await)
            .await?
        {
            while !database
                .write_in(Room::Project(project), async move |tx| {
                    removal::remove_some_of_build(tx, build, BATCH, now).await
                })
                .await?
            {}
        }
        while let Some(project) = database
            .read(async |tx| removal::project_to_empty(tx).await)
            .await?
        {
            database
                .write_in(Room::Project(project), async move |tx| {
                    removal::empty_project(tx, project, now).await
                })
                .await?;
        }
        Ok(())
    }
}
