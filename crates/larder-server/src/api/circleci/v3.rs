//! Artifacts of v3, which the official command line reads.

use super::artifacts::url_of;
use super::auth::Caller;
use super::error::{Error, Form};
use super::extract::Path;
use crate::http::state::App;
use axum::Json;
use axum::extract::State;
use larder_core::What;
use larder_core::model::JobId;
use serde::Serialize;

/// A page of things, of which there is only one.
#[derive(Serialize)]
pub(super) struct PageBody {
    data: Vec<ItemBody>,
    page: NextBody,
}

#[derive(Serialize)]
struct NextBody {
    next: Option<String>,
}

#[derive(Serialize)]
struct ItemBody {
    id: String,
    attributes: AttributesBody,
}

/// `execution` is what the older generations call `node_index`.
#[derive(Serialize)]
struct AttributesBody {
    path: String,
    url: String,
    execution: u32,
}

/// `GET /api/v3/jobs/:id/artifacts`: of all nodes of the job, whichever node's id is given.
pub(super) async fn artifacts(
    State(app): State<App>,
    Caller(who): Caller,
    Path(job): Path<String>,
) -> Result<Json<PageBody>, Error> {
    let refuse = |cause| Error::new(Form::V3, cause);
    let job = JobId::parse(&job).ok_or(larder_core::Error::NotFound(What::Job));
    let job = job.map_err(refuse)?;
    let nodes = app.larder().jobs.nodes_beside(&who, job).await;
    let nodes = nodes.map_err(refuse)?;
    let artifacts = app.larder().artifacts.of_nodes(&who, &nodes).await;
    let artifacts = artifacts.map_err(refuse)?;
    let data = artifacts.iter().map(|artifact| ItemBody {
        id: artifact.id.to_string(),
        attributes: AttributesBody {
            path: artifact.path.to_string(),
            url: url_of(&app, &nodes.build.project, artifact),
            execution: artifact.job_index,
        },
    });
    Ok(Json(PageBody {
        data: data.collect(),
        page: NextBody { next: None },
    }))
}
