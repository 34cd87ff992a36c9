//! What an address names. Every ancestor in it must be the thing's own, and the caller's to see: otherwise the first one
//! that is not there is named.

use crate::api::buildkite::rest::error::Error;
use crate::http::state::App;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use larder_core::model::{ArtifactId, Build, JobId, Principal, Project};
use larder_core::{Error as CoreError, JobOfBuild, What};
use serde::Deserialize;

/// The parts of an address, as far as its form has them.
#[derive(Debug, Deserialize)]
pub(super) struct Place {
    /// Slug of the organization.
    pub(super) org: String,
    pipeline: Option<String>,
    number: Option<String>,
    job: Option<String>,
    id: Option<String>,
}

impl FromRequestParts<App> for Place {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let place = Path::<Self>::from_request_parts(parts, app).await;
        // What is not UTF-8 names nothing of ours.
        place
            .map(|Path(place)| place)
            .map_err(|_| Error::no(What::Organization))
    }
}

impl Place {
    /// The pipeline.
    pub(super) async fn project(&self, app: &App, who: &Principal) -> Result<Project, Error> {
        let pipeline = self.pipeline.as_deref().unwrap_or_default();
        Ok(app
            .larder()
            .projects
            .by_pipeline(who, &self.org, pipeline)
            .await?)
    }

    /// The build; what is not a number names none.
    pub(super) async fn build(&self, app: &App, who: &Principal) -> Result<Build, Error> {
        let project = self.project(app, who).await?;
        let number = self.number.as_deref().unwrap_or_default();
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| number.parse().ok()).flatten();
        let number = number.ok_or(Error::no(What::Build))?;
        Ok(app
            .larder()
            .builds
            .seen_by_number(who, &project, number)
            .await?)
    }

    /// The job, by the address of its build or of its organization alone.
    pub(super) async fn job(&self, app: &App, who: &Principal) -> Result<JobOfBuild, Error> {
        if self.pipeline.is_some() {
            let build = self.build(app, who).await?;
            let found = self.job_anywhere(app, who).await?;
            return found
                .filter(|found| found.build.id == build.id)
                .ok_or(Error::no(What::Job));
        }
        let found = self.job_anywhere(app, who).await?;
        if let Some(found) = found.filter(|found| found.build.project.organization.slug == self.org)
        {
            return Ok(found);
        }
        app.larder()
            .projects
            .seen_organization(who, &self.org)
            .await?;
        Err(Error::no(What::Job))
    }

    /// The id of an artifact that the job of the address made.
    pub(super) async fn artifact(&self, app: &App, who: &Principal) -> Result<ArtifactId, Error> {
        let JobOfBuild { job, .. } = self.job(app, who).await?;
        let id = self
            .id
            .as_deref()
            .and_then(ArtifactId::parse)
            .ok_or(Error::no(What::Artifact))?;
        let maker = app.larder().artifacts.maker(who, id).await?;
        if maker == job.id {
            Ok(id)
        } else {
            Err(Error::no(What::Artifact))
        }
    }

    async fn job_anywhere(&self, app: &App, who: &Principal) -> Result<Option<JobOfBuild>, Error> {
        let Some(id) = self.job.as_deref().and_then(JobId::parse) else {
            return Ok(None);
        };
        match app.larder().jobs.seen(who, id).await {
            Ok(found) => Ok(Some(found)),
            Err(CoreError::NotFound(_)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }
}
