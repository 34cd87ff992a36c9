//! Organizations.

use crate::api::buildkite::rest::addresses::{self, graphql_id};
use crate::api::buildkite::rest::answer::Json;
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::pages::Pages;
use crate::api::buildkite::rest::place::Place;
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use larder_core::model::Organization;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct OrganizationBody {
    id: String,
    graphql_id: String,
    url: String,
    web_url: String,
    name: String,
    slug: String,
    pipelines_url: String,
    agents_url: String,
    emojis_url: String,
    created_at: String,
}

/// `GET /v2/organizations`
pub(super) async fn list(
    State(app): State<App>,
    Caller(who): Caller,
    pages: Pages,
) -> Result<Response, Error> {
    let all = app.larder().projects.organizations(&who).await?;
    pages.answer_of_all(&app, &all, |organization| body(&app, organization))
}

/// `GET /v2/organizations/{org}`
pub(super) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
) -> Result<Json<OrganizationBody>, Error> {
    let organization = app.larder().projects.organization(&who, &place.org).await?;
    Ok(Json(body(&app, &organization)))
}

fn body(app: &App, organization: &Organization) -> OrganizationBody {
    let url = addresses::organization(app, organization);
    OrganizationBody {
        id: organization.id.to_string(),
        graphql_id: graphql_id("Organization", organization.id),
        web_url: addresses::organization_page(app, organization),
        name: organization.name.clone(),
        slug: organization.slug.clone(),
        pipelines_url: format!("{url}/pipelines"),
        agents_url: format!("{url}/agents"),
        emojis_url: format!("{url}/emojis"),
        created_at: organization.created_at.rfc3339(),
        url,
    }
}
