//! Projects.

use crate::api::larder::auth::Caller;
use crate::api::larder::error::Error;
use crate::api::larder::extract::{Json, Path};
use crate::http::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use larder_core::model::{Project, ProjectSlug, Scope};
use larder_protocol::{ProjectBody, ProjectList};

/// `GET /larder/v1/projects`; `read_builds` or `read_pipelines` is enough.
pub(super) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
) -> Result<Json<ProjectList>, Error> {
    let scope = if who.has_scope(Scope::ReadPipelines) {
        Scope::ReadPipelines
    } else {
        Scope::ReadBuilds
    };
    let projects = app.larder().projects.list(&who, scope).await?;
    Ok(Json(ProjectList {
        projects: projects.iter().map(project_body).collect(),
    }))
}

/// `GET /larder/v1/projects/{vcs}/{org}/{name}`
pub(super) async fn project(
    State(app): State<App>,
    Caller(who): Caller,
    Path((vcs, org, name)): Path<(String, String, String)>,
) -> Result<Json<ProjectBody>, Error> {
    let slug = ProjectSlug::from_parts(&vcs, &org, &name)?;
    let project = app.larder().projects.by_slug(&who, &slug).await?;
    Ok(Json(project_body(&project)))
}

/// `DELETE /larder/v1/projects/{vcs}/{org}/{name}`
pub(super) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path((vcs, org, name)): Path<(String, String, String)>,
) -> Result<StatusCode, Error> {
    let slug = ProjectSlug::from_parts(&vcs, &org, &name)?;
    app.larder().projects.delete(&who, &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn project_body(project: &Project) -> ProjectBody {
    ProjectBody {
        id: project.id.to_string(),
        slug: project.slug().to_string(),
        public: project.public_at.is_some(),
        created_at: project.created_at.rfc3339(),
    }
}
