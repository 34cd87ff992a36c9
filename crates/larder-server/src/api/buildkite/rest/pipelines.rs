//! Pipelines, which are our projects.

use crate::api::buildkite::rest::addresses::{self, graphql_id};
use crate::api::buildkite::rest::answer::{Empty, Json, Null};
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::pages::Pages;
use crate::api::buildkite::rest::place::Place;
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use larder_core::model::{Principal, Project, Scope, Vcs};
use larder_core::{Error as CoreError, Lack};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct PipelineBody {
    id: String,
    graphql_id: String,
    url: String,
    web_url: String,
    name: String,
    slug: String,
    repository: String,
    default_branch: Null,
    description: Null,
    branch_configuration: Null,
    provider: ProviderBody,
    builds_url: String,
    badge_url: Null,
    created_at: String,
    archived_at: Null,
    skip_queued_branch_builds: bool,
    cancel_running_branch_builds: bool,
    visibility: &'static str,
    steps: [Null; 0],
    env: Empty,
}

#[derive(Serialize)]
struct ProviderBody {
    id: &'static str,
    settings: Empty,
}

/// `GET /v2/organizations/{org}/pipelines`
pub(super) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
    pages: Pages,
) -> Result<Response, Error> {
    let all = app
        .larder()
        .projects
        .of_organization(&who, &place.org)
        .await?;
    pages.answer_of_all(&app, &all, |project| body(&app, project))
}

/// `GET /v2/organizations/{org}/pipelines/{pipeline}`
pub(super) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
) -> Result<Json<PipelineBody>, Error> {
    let project = place.project(&app, &who).await?;
    require_read(&who)?;
    Ok(Json(body(&app, &project)))
}

/// The body of a pipeline, alone or in a build.
pub(super) fn body(app: &App, project: &Project) -> PipelineBody {
    let url = addresses::pipeline(app, project);
    PipelineBody {
        id: project.id.to_string(),
        graphql_id: graphql_id("Pipeline", project.id),
        web_url: addresses::pipeline_page(app, project),
        name: project.name.clone(),
        slug: project.name.clone(),
        repository: repository(project),
        default_branch: (),
        description: (),
        branch_configuration: (),
        // `go-buildkite` wants more of the providers that it knows by name.
        provider: ProviderBody {
            id: "git",
            settings: Empty {},
        },
        builds_url: format!("{url}/builds"),
        badge_url: (),
        created_at: project.created_at.rfc3339(),
        archived_at: (),
        skip_queued_branch_builds: false,
        cancel_running_branch_builds: false,
        visibility: if project.public_at.is_some() {
            "public"
        } else {
            "private"
        },
        steps: [],
        env: Empty {},
        url,
    }
}

fn require_read(who: &Principal) -> Result<(), CoreError> {
    match who {
        Principal::Job(_) => Err(CoreError::Forbidden(Lack::JobToken)),
        who if who.has_scope(Scope::ReadPipelines) => Ok(()),
        _ => Err(CoreError::Forbidden(Lack::Scope(Scope::ReadPipelines))),
    }
}

/// Where the code is fetched from, as far as the name of the project says it.
fn repository(project: &Project) -> String {
    let host = match project.organization.vcs {
        Vcs::Github => "github.com",
        Vcs::Bitbucket => "bitbucket.org",
        Vcs::Gitlab => "gitlab.com",
        Vcs::Circleci | Vcs::Local => return String::new(),
    };
    format!(
        "https://{host}/{}/{}.git",
        project.organization.name, project.name
    )
}
