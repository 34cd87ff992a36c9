//! Jobs: one parallel node each.

use crate::api::larder::auth::Caller;
use crate::api::larder::error::Error;
use crate::api::larder::extract::{Id as _, Json, Path};
use crate::http::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use larder_core::clock::Timestamp;
use larder_core::model::{EndState, Job, JobId, JobState};
use larder_protocol::{FinishJob, JobBody, JobState as StateWord};

/// `GET /larder/v1/jobs/{id}`
pub(super) async fn job(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Json<JobBody>, Error> {
    let found = app.larder().jobs.job(&who, JobId::of(&id)?).await?;
    Ok(Json(job_body(&found.job)))
}

/// `PATCH /larder/v1/jobs/{id}`: ends a job, or starts a queued one.
pub(super) async fn change(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(given): Json<FinishJob>,
) -> Result<Json<JobBody>, Error> {
    let id = JobId::of(&id)?;
    let jobs = &app.larder().jobs;
    let job = match change_meant(&given)? {
        Change::Start => jobs.start(&who, id).await?,
        Change::End(end) => jobs.finish(&who, id, end, given.exit_status).await?,
    };
    Ok(Json(job_body(&job)))
}

/// `POST /larder/v1/jobs/{id}/heartbeat`: the job is alive.
pub(super) async fn hear(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    app.larder().jobs.hear(&who, JobId::of(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

enum Change {
    Start,
    End(EndState),
}

fn change_meant(given: &FinishJob) -> Result<Change, Error> {
    Ok(match given.state {
        StateWord::Passed => Change::End(EndState::Passed),
        StateWord::Failed => Change::End(EndState::Failed),
        StateWord::Canceled => Change::End(EndState::Canceled),
        StateWord::TimedOut => Change::End(EndState::TimedOut),
        StateWord::Running if given.exit_status.is_some() => {
            return Err(Error::invalid(
                "exit_status: a job that starts has none yet",
            ));
        }
        StateWord::Running => Change::Start,
        StateWord::Queued => {
            let known = "running, passed, failed, canceled, timed_out";
            return Err(Error::invalid(format!(
                "state: a job cannot be queued again; it can become one of {known}"
            )));
        }
    })
}

/// A node on the wire.
pub(super) fn job_body(job: &Job) -> JobBody {
    JobBody {
        id: job.id.to_string(),
        build_id: job.build_id.to_string(),
        name: job.name.clone(),
        number: job.number,
        index: job.index,
        parallelism: job.parallelism,
        state: state_word(job.state),
        exit_status: job.exit_status,
        created_at: job.created_at.rfc3339(),
        started_at: job.started_at.map(Timestamp::rfc3339),
        finished_at: job.finished_at.map(Timestamp::rfc3339),
        artifact_count: job.artifact_count,
        total_bytes: job.total_bytes,
    }
}

fn state_word(state: JobState) -> StateWord {
    match state {
        JobState::Queued => StateWord::Queued,
        JobState::Running => StateWord::Running,
        JobState::Passed => StateWord::Passed,
        JobState::Failed => StateWord::Failed,
        JobState::Canceled => StateWord::Canceled,
        JobState::TimedOut => StateWord::TimedOut,
    }
}
