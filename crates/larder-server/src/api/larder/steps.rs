//! Steps of jobs and what they printed.

use crate::api::larder::auth::Caller;
use crate::api::larder::error::Error;
use crate::api::larder::extract::{Id as _, Json, Path, Query, whole};
use crate::http::content_encoding::require_plain;
use crate::http::state::App;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use larder_core::clock::Timestamp;
use larder_core::model::{JobId, NewStep, Step, StepState};
use larder_protocol::{
    OUTPUT_CHUNK_BYTES_MAX, OutputKept, StepBody, StepList, StepReport, StepState as StateWord,
};
use serde::Deserialize;

/// `GET /larder/v1/jobs/{id}/steps`
pub(super) async fn of_job(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<StepList>, Error> {
    let found = app.larder().jobs.seen(&who, JobId::of(&id)?).await?;
    let steps = app
        .larder()
        .steps
        .of_job(&who, &found.build, &found.job)
        .await?;
    Ok(Json(StepList {
        steps: steps.iter().map(step_body).collect(),
    }))
}

/// `PUT /larder/v1/jobs/{id}/steps/{seq}`
pub(super) async fn report(
    State(app): State<App>,
    Caller(who): Caller,
    Path((id, seq)): Path<(String, String)>,
    Json(given): Json<StepReport>,
) -> Result<Json<StepBody>, Error> {
    let step = app
        .larder()
        .steps
        .report(&who, JobId::of(&id)?, place_of(&seq)?, new_step(given))
        .await?;
    Ok(Json(step_body(&step)))
}

/// Where a chunk begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    offset: u64,
}

/// `POST /larder/v1/jobs/{id}/steps/{seq}/output?offset=`: the body is the chunk.
pub(super) async fn append(
    State(app): State<App>,
    Caller(who): Caller,
    Path((id, seq)): Path<(String, String)>,
    Query(From { offset }): Query<From>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<OutputKept>, Error> {
    require_plain(&headers)?;
    let job = JobId::of(&id)?;
    let chunk = whole("The chunk of output", body, OUTPUT_CHUNK_BYTES_MAX).await?;
    let output_bytes = app
        .larder()
        .steps
        .append(&who, job, place_of(&seq)?, place(offset)?, chunk)
        .await?;
    Ok(Json(OutputKept { output_bytes }))
}

/// Where to read from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadFrom {
    #[serde(default)]
    offset: u64,
}

/// `GET /larder/v1/jobs/{id}/steps/{seq}/output?offset=`: at most 1 MiB; nothing at the end.
pub(super) async fn output(
    State(app): State<App>,
    Caller(who): Caller,
    Path((id, seq)): Path<(String, String)>,
    Query(ReadFrom { offset }): Query<ReadFrom>,
) -> Result<Response, Error> {
    let found = app.larder().jobs.seen(&who, JobId::of(&id)?).await?;
    let (seq, offset) = (place_of(&seq)?, place(offset)?);
    let output = app
        .larder()
        .steps
        .output(&who, &found.build, &found.job, seq, offset)
        .await?;
    // Whatever a step printed, a browser shows it as text and runs nothing.
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox"),
    ];
    Ok((headers, output).into_response())
}

fn place_of(seq: &str) -> Result<u32, Error> {
    seq.parse().map_err(|_| {
        Error::invalid(format!(
            "seq: `{seq}` is not the place of a step, which is counted from 0"
        ))
    })
}

fn place(offset: u64) -> Result<i64, Error> {
    i64::try_from(offset).map_err(|_| Error::invalid("offset: is larger than any output"))
}

fn new_step(given: StepReport) -> NewStep {
    NewStep {
        name: given.name,
        command: given.command,
        state: match given.state {
            StateWord::Running => StepState::Running,
            StateWord::Passed => StepState::Passed,
            StateWord::Failed => StepState::Failed,
            StateWord::Canceled => StepState::Canceled,
            StateWord::TimedOut => StepState::TimedOut,
            StateWord::Skipped => StepState::Skipped,
        },
        exit_status: given.exit_status,
    }
}

fn step_body(step: &Step) -> StepBody {
    StepBody {
        seq: step.seq,
        name: step.name.clone(),
        command: step.command.clone(),
        state: match step.state {
            StepState::Running => StateWord::Running,
            StepState::Passed => StateWord::Passed,
            StepState::Failed => StateWord::Failed,
            StepState::Canceled => StateWord::Canceled,
            StepState::TimedOut => StateWord::TimedOut,
            StepState::Skipped => StateWord::Skipped,
        },
        exit_status: step.exit_status,
        started_at: step.started_at.rfc3339(),
        finished_at: step.finished_at.map(Timestamp::rfc3339),
        output_bytes: step.output_bytes,
    }
}
