//! `/output/job/:id/artifacts/:index/path`: the address that a job computes before it uploads, from
//! `$CIRCLE_WORKFLOW_JOB_ID` and `$CIRCLE_NODE_INDEX`. The id of any node means the job, and the index picks the node.

use super::artifacts;
use super::auth::Caller;
use super::error::{Error, invalid_build_specification};
use super::extract::Path;
use crate::http::download::Wish;
use crate::http::state::App;
use axum::extract::State;
use axum::response::Response;
use larder_core::model::JobId;
use serde::Deserialize;

/// What such an address holds.
#[derive(Debug, Deserialize)]
pub(super) struct OutputPath {
    job: String,
    index: String,
    path: String,
}

/// Sends the file.
pub(super) async fn file(
    State(app): State<App>,
    Caller(who): Caller,
    Path(path): Path<OutputPath>,
    wish: Wish,
) -> Result<Response, Error> {
    let (Some(job), Ok(_)) = (JobId::parse(&path.job), path.index.parse::<u32>()) else {
        return Ok(invalid_build_specification());
    };
    let nodes = app.larder().jobs.nodes_beside(&who, job).await?;
    Ok(artifacts::send(&app, &who, &nodes, &path.index, &path.path, &wish).await?)
}

/// Any other address below `/output`.
pub(super) async fn elsewhere() -> Response {
    invalid_build_specification()
}
