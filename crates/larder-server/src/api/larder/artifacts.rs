//! Artifacts: kept by a plain PUT, listed, sent, deleted.

use crate::api::larder::auth::Caller;
use crate::api::larder::error::{Error, range_not_satisfiable};
use crate::api::larder::extract::{Id as _, Json, Path, Query, cursor, page_size, words};
use crate::api::larder::file_headers::new_artifact;
use crate::http::download::{self, Wish};
use crate::http::state::App;
use crate::http::upload::{counted, incoming};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use larder_core::clock::Timestamp;
use larder_core::model::{Artifact, ArtifactId, ArtifactState, BuildId, JobId, Principal};
use larder_core::{ArtifactFilter, DeletingScope, Holder, Readable};
use larder_protocol::{ArtifactBody, ArtifactList, ArtifactState as StateWord};
use serde::Deserialize;

/// Artifacts on a page unless asked otherwise, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

/// `PUT /larder/v1/jobs/{id}/artifacts/{*path}`: 201 for what is new, 200 for what was there already.
pub(super) async fn keep(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, path)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<ArtifactBody>), Error> {
    let job = JobId::of(&job)?;
    let new = new_artifact(&path, &headers)?;
    let kept = app
        .larder()
        .artifacts
        .keep(&who, job, new, incoming(&headers, body)?)
        .await;
    let kept = counted(kept).map_err(Error::of_upload)?;
    let status = if kept.fresh {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(artifact_body(&app, &kept.artifact))))
}

/// `GET /larder/v1/jobs/{id}/artifacts/{*path}`: the bytes of the newest finished one of that path or alias.
pub(super) async fn content_by_path(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, path)): Path<(String, String)>,
    wish: Wish,
) -> Result<Response, Error> {
    let found = app.larder().jobs.seen(&who, JobId::of(&job)?).await?;
    let readable = app
        .larder()
        .artifacts
        .readable_by_path(&who, &found.build, &found.job, &path)
        .await?;
    send(&app, &wish, &readable).await
}

/// `DELETE /larder/v1/jobs/{id}/artifacts/{*path}`: the newest finished one of that path or alias.
pub(super) async fn delete_by_path(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, path)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let found = app.larder().jobs.seen(&who, JobId::of(&job)?).await?;
    let artifacts = &app.larder().artifacts;
    artifacts
        .delete_by_path(&who, &found.build, &found.job, &path, DeletingScope::Delete)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /larder/v1/artifacts/{id}`
pub(super) async fn artifact(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<ArtifactBody>, Error> {
    let (artifact, _) = app
        .larder()
        .artifacts
        .artifact(&who, ArtifactId::of(&id)?)
        .await?;
    Ok(Json(artifact_body(&app, &artifact)))
}

/// `GET /larder/v1/artifacts/{id}/content`
pub(super) async fn content(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    wish: Wish,
) -> Result<Response, Error> {
    let readable = app
        .larder()
        .artifacts
        .readable(&who, ArtifactId::of(&id)?)
        .await?;
    send(&app, &wish, &readable).await
}

/// `DELETE /larder/v1/artifacts/{id}`; needs `delete_artifacts`.
pub(super) async fn delete(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    app.larder()
        .artifacts
        .delete(&who, ArtifactId::of(&id)?, DeletingScope::Delete)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /larder/v1/builds/{id}/artifacts?state=&path=&after=&limit=`
pub(super) async fn of_build(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<ArtifactList>, Error> {
    let build = app.larder().builds.seen(&who, BuildId::of(&id)?).await?;
    Ok(Json(
        page(&app, &who, Holder::Build(&build), &wanted).await?,
    ))
}

/// `GET /larder/v1/jobs/{id}/artifacts?state=&path=&after=&limit=`
pub(super) async fn of_job(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<ArtifactList>, Error> {
    let found = app.larder().jobs.seen(&who, JobId::of(&id)?).await?;
    Ok(Json(
        page(&app, &who, Holder::Job(&found.build, &found.job), &wanted).await?,
    ))
}

/// Which artifacts of a build or job.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    state: Option<String>,
    path: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

async fn send(app: &App, wish: &Wish, readable: &Readable) -> Result<Response, Error> {
    let response = download::send(app, wish, readable).await?;
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(range_not_satisfiable(&response));
    }
    Ok(response)
}

async fn page(
    app: &App,
    who: &Principal,
    holder: Holder<'_>,
    wanted: &Wanted,
) -> Result<ArtifactList, Error> {
    let known = "new, error, finished, deleted, expired";
    let filter = ArtifactFilter {
        states: words(
            "state",
            wanted.state.as_deref(),
            ArtifactState::parse,
            known,
        )?,
        path: wanted.path.clone().filter(|path| !path.is_empty()),
    };
    let limit = page_size(wanted.limit, PAGE, PAGE_MAX)?;
    let after = cursor("after", wanted.after.as_deref())?;
    let mut found = app
        .larder()
        .artifacts
        .after(who, holder, &filter, after, limit + 1)
        .await?;
    let is_last = found.len() <= limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| !is_last)
        .map(|artifact| artifact.cursor().encode());
    Ok(ArtifactList {
        artifacts: found
            .iter()
            .map(|artifact| artifact_body(app, artifact))
            .collect(),
        next,
    })
}

/// An artifact on the wire.
pub(super) fn artifact_body(app: &App, artifact: &Artifact) -> ArtifactBody {
    // Before the bytes have come there are only claims.
    let is_measured = artifact.finished_at.is_some();
    ArtifactBody {
        id: artifact.id.to_string(),
        number: artifact.number,
        job_id: artifact.job_id.to_string(),
        build_id: artifact.build_id.to_string(),
        path: artifact.path.as_str().to_owned(),
        alias: artifact.alias.clone(),
        state: state_word(artifact.state),
        size: i64::try_from(artifact.size).unwrap_or(i64::MAX),
        content_type: artifact.content_type.clone(),
        sha1: artifact
            .sha1
            .filter(|_| is_measured)
            .map(|digest| digest.hex()),
        sha256: artifact
            .sha256
            .filter(|_| is_measured)
            .map(|digest| digest.hex()),
        mode: artifact.mode.map(|mode| mode.to_string()),
        created_at: artifact.created_at.rfc3339(),
        finished_at: artifact.finished_at.map(Timestamp::rfc3339),
        url: format!(
            "{}/larder/v1/artifacts/{}/content",
            app.public_url(),
            artifact.id
        ),
    }
}

fn state_word(state: ArtifactState) -> StateWord {
    match state {
        ArtifactState::New => StateWord::New,
        ArtifactState::Finished => StateWord::Finished,
        ArtifactState::Error => StateWord::Error,
        ArtifactState::Deleted => StateWord::Deleted,
        ArtifactState::Expired => StateWord::Expired,
    }
}
