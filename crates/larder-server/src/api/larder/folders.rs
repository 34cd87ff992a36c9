//! Empty folders of jobs: what a directory that is uploaded would lose.

use crate::api::larder::auth::Caller;
use crate::api::larder::error::Error;
use crate::api::larder::extract::{Id as _, Json, Path};
use crate::api::larder::file_headers::mode;
use crate::http::state::App;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use larder_core::Holder;
use larder_core::model::{ArtifactPath, BuildId, Folder, JobId};
use larder_protocol::{FolderBody, FolderList};

/// `PUT /larder/v1/jobs/{id}/folders/{*path}`: 201 for what is new, 200 for what was there already.
pub(super) async fn keep(
    State(app): State<App>,
    Caller(who): Caller,
    Path((job, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<FolderBody>), Error> {
    let (job, mode) = (JobId::of(&job)?, mode(&headers)?);
    let path = ArtifactPath::parse(&path)?;
    let artifacts = &app.larder().artifacts;
    let (folder, fresh) = artifacts.keep_folder(&who, job, path, mode).await?;
    let status = if fresh {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(folder_body(&folder))))
}

/// `GET /larder/v1/jobs/{id}/folders`
pub(super) async fn of_job(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<FolderList>, Error> {
    let found = app.larder().jobs.seen(&who, JobId::of(&id)?).await?;
    let holder = Holder::Job(&found.build, &found.job);
    let folders = app.larder().artifacts.folders(&who, holder).await?;
    Ok(Json(folder_list(&folders)))
}

/// `GET /larder/v1/builds/{id}/folders`
pub(super) async fn of_build(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<FolderList>, Error> {
    let build = app.larder().builds.seen(&who, BuildId::of(&id)?).await?;
    let artifacts = &app.larder().artifacts;
    let folders = artifacts.folders(&who, Holder::Build(&build)).await?;
    Ok(Json(folder_list(&folders)))
}

fn folder_list(folders: &[Folder]) -> FolderList {
    FolderList {
        folders: folders.iter().map(folder_body).collect(),
    }
}

fn folder_body(folder: &Folder) -> FolderBody {
    FolderBody {
        job_id: folder.job_id.to_string(),
        path: folder.path.as_str().to_owned(),
        mode: folder.mode.map(|mode| mode.to_string()),
    }
}
