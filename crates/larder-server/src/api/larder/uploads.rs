//! Uploads in parts: begin → send each part → finish. After a cut only missing parts are sent again.

use crate::api::larder::artifacts::artifact_body;
use crate::api::larder::auth::Caller;
use crate::api::larder::error::Error;
use crate::api::larder::extract::{Id as _, Json, Path, upload_id};
use crate::api::larder::file_headers::expected_sha256;
use crate::http::content_type::content_type_of;
use crate::http::state::App;
use crate::http::upload::{counted, incoming};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use larder_core::model::{
    ArtifactPath, ArtifactState, FileMode, JobId, NewArtifact, Sha256Digest, Upload,
};
use larder_protocol::{ArtifactBody, BeginUpload, UploadBody};

/// `POST /larder/v1/jobs/{id}/uploads`: 201 for what is new, 200 for what was begun or kept before.
pub(super) async fn begin(
    State(app): State<App>,
    Caller(who): Caller,
    Path(job): Path<String>,
    Json(given): Json<BeginUpload>,
) -> Result<(StatusCode, Json<UploadBody>), Error> {
    let job = JobId::of(&job)?;
    let new = new_artifact(given)?;
    let begun = app.larder().artifacts.begin_upload(&who, job, new).await;
    let begun = begun.map_err(Error::of_upload)?;
    let status = if begun.fresh {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(upload_body(&app, &begun.upload))))
}

/// `GET /larder/v1/jobs/{id}/uploads/{upload}`
pub(super) async fn upload(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, upload)): Path<(String, String)>,
) -> Result<Json<UploadBody>, Error> {
    let (job, upload) = (JobId::of(&job)?, upload_id(&upload)?);
    let upload = app.larder().artifacts.upload(&who, job, upload).await?;
    Ok(Json(upload_body(&app, &upload)))
}

/// `PUT /larder/v1/jobs/{id}/uploads/{upload}/parts/{part}`: the body is the part, whole.
pub(super) async fn receive(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, upload, part)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Error> {
    let (job, upload) = (JobId::of(&job)?, upload_id(&upload)?);
    let part = part.parse().map_err(|_| {
        Error::invalid(format!(
            "part: `{part}` is not the place of a part, which is counted from 0"
        ))
    })?;
    let (expected, incoming) = (expected_sha256(&headers)?, incoming(&headers, body)?);
    let received = app
        .larder()
        .artifacts
        .receive_part(&who, job, upload, part, expected, incoming)
        .await;
    received.map_err(Error::of_upload)?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /larder/v1/jobs/{id}/uploads/{upload}/finish`: 201, and 200 if it was finished before.
pub(super) async fn finish(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, upload)): Path<(String, String)>,
) -> Result<(StatusCode, Json<ArtifactBody>), Error> {
    let (job, upload) = (JobId::of(&job)?, upload_id(&upload)?);
    let artifacts = &app.larder().artifacts;
    let kept = counted(artifacts.finish_upload(&who, job, upload).await);
    let kept = kept.map_err(Error::of_upload)?;
    let status = if kept.fresh {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(artifact_body(&app, &kept.artifact))))
}

/// `DELETE /larder/v1/jobs/{id}/uploads/{upload}`: its uploader gives up.
pub(super) async fn give_up(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, upload)): Path<(String, String)>,
) -> Result<StatusCode, Error> {
    let (job, upload) = (JobId::of(&job)?, upload_id(&upload)?);
    let artifacts = &app.larder().artifacts;
    artifacts.give_up_upload(&who, job, upload).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn new_artifact(given: BeginUpload) -> Result<NewArtifact, Error> {
    let path = ArtifactPath::parse(&given.path)?;
    let sha256 = Sha256Digest::parse_hex(&given.sha256)
        .ok_or_else(|| Error::invalid("sha256: must be 64 hexadecimal digits"))?;
    let content_type = given.content_type.filter(|given| !given.is_empty());
    let content_type = content_type.unwrap_or_else(|| content_type_of(path.as_str()));
    let mode = given.mode.as_deref().map(FileMode::parse).transpose()?;
    Ok(NewArtifact {
        alias: given.alias,
        size: Some(given.size),
        sha256: Some(sha256),
        mode,
        ..NewArtifact::new(path, content_type)
    })
}

fn upload_body(app: &App, upload: &Upload) -> UploadBody {
    let is_finished = upload.artifact.state == ArtifactState::Finished;
    UploadBody {
        id: upload.artifact.id.to_string(),
        part_bytes: upload.part_bytes,
        parts: upload.parts,
        held: upload.held.clone(),
        artifact: is_finished.then(|| artifact_body(app, &upload.artifact)),
    }
}
