//! Artifacts: the five endpoints, each in the form below the build and in the form below the organization.

use crate::api::buildkite::rest::addresses;
use crate::api::buildkite::rest::answer::{self, Json, Null};
use crate::api::buildkite::rest::auth::Caller;
use crate::api::buildkite::rest::error::Error;
use crate::api::buildkite::rest::pages::Pages;
use crate::api::buildkite::rest::place::Place;
use crate::api::buildkite::rest::query::Query;
use crate::http::state::App;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use larder_core::model::{Artifact, ArtifactState, Principal, Project};
use larder_core::{ArtifactFilter, DeletingScope, Error as CoreError, Holder};
use serde::Serialize;

/// The documented fields in the documented order, then ours.
#[derive(Serialize)]
pub(super) struct ArtifactBody {
    id: String,
    job_id: String,
    url: String,
    download_url: String,
    state: &'static str,
    path: String,
    dirname: String,
    filename: String,
    mime_type: String,
    file_size: u64,
    glob_path: Null,
    original_path: Null,
    sha1sum: Option<String>,
    sha256sum: Option<String>,
    created_at: String,
}

#[derive(Serialize)]
struct DownloadBody<'a> {
    url: &'a str,
}

/// `GET …/builds/{number}/artifacts`
pub(super) async fn of_build(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
    pages: Pages,
) -> Result<Response, Error> {
    let build = place.build(&app, &who).await?;
    list(&app, &who, Holder::Build(&build), &build.project, &pages).await
}

/// `GET …/jobs/{job}/artifacts`
pub(super) async fn of_job(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
    pages: Pages,
) -> Result<Response, Error> {
    let found = place.job(&app, &who).await?;
    let holder = Holder::Job(&found.build, &found.job);
    list(&app, &who, holder, &found.build.project, &pages).await
}

/// `GET …/artifacts/{id}`
pub(super) async fn one(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
) -> Result<Json<ArtifactBody>, Error> {
    let id = place.artifact(&app, &who).await?;
    let (artifact, project) = app.larder().artifacts.artifact(&who, id).await?;
    Ok(Json(body(&app, &project, &artifact)))
}

/// `GET …/artifacts/{id}/download`: 302, whatever the client would accept.
pub(super) async fn download(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
) -> Result<Response, Error> {
    let id = place.artifact(&app, &who).await?;
    let link = app.larder().artifacts.link(&who, id).await?;
    let url = app.link_url(&link);
    let mut response = answer::json(StatusCode::FOUND, &DownloadBody { url: &url });
    let location = HeaderValue::try_from(url);
    let location =
        location.map_err(|error| CoreError::internal("write a link into a header", error))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// `DELETE …/artifacts/{id}`: 204
pub(super) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    place: Place,
) -> Result<Response, Error> {
    let id = place.artifact(&app, &who).await?;
    app.larder()
        .artifacts
        .delete(&who, id, DeletingScope::DeleteOrWrite)
        .await?;
    Ok(answer::no_content())
}

async fn list(
    app: &App,
    who: &Principal,
    holder: Holder<'_>,
    project: &Project,
    pages: &Pages,
) -> Result<Response, Error> {
    let filter = filter(&pages.query)?;
    let page = app
        .larder()
        .artifacts
        .page(who, holder, &filter, pages.offset()?)
        .await?;
    let items: Vec<_> = page
        .items
        .iter()
        .map(|artifact| body(app, project, artifact))
        .collect();
    Ok(pages.answer(app, &items, page.total))
}

fn filter(query: &Query) -> Result<ArtifactFilter, Error> {
    let known = ArtifactState::ALL.map(ArtifactState::word);
    let parse = |word: &str| {
        let unknown = || Error::unknown_state(StatusCode::UNPROCESSABLE_ENTITY, word, &known);
        ArtifactState::parse(word).ok_or_else(unknown)
    };
    Ok(ArtifactFilter {
        states: query
            .all("state")
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()?,
        path: query.first("path").map(str::to_owned),
    })
}

fn body(app: &App, project: &Project, artifact: &Artifact) -> ArtifactBody {
    let url = addresses::artifact(app, project, artifact);
    ArtifactBody {
        id: artifact.id.to_string(),
        job_id: artifact.job_id.to_string(),
        download_url: format!("{url}/download"),
        state: artifact.state.word(),
        path: artifact.path.as_str().to_owned(),
        dirname: artifact.path.dir_name().to_owned(),
        filename: artifact.path.file_name().to_owned(),
        mime_type: artifact.content_type.clone(),
        file_size: artifact.size,
        glob_path: (),
        original_path: (),
        sha1sum: artifact.sha1.map(|digest| digest.hex()),
        sha256sum: artifact.sha256.map(|digest| digest.hex()),
        created_at: artifact.created_at.rfc3339(),
        url,
    }
}
