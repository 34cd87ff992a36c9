//! Results of tests, report by report.

use crate::api::larder::auth::Caller;
use crate::api::larder::error::Error;
use crate::api::larder::extract::{Id as _, Json, Path, Query, page_size, words};
use crate::http::state::App;
use axum::extract::State;
use axum::http::StatusCode;
use larder_core::model::{JobId, TestOutcome, TestPlace, TestResult};
use larder_protocol::{TestBody, TestList, TestReport, TestResult as ResultWord};
use serde::Deserialize;

/// Results on a page unless asked otherwise, and at most.
const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;

/// `PUT /larder/v1/jobs/{id}/tests/{report}`: the same report again replaces it.
pub(super) async fn keep(
    State(app): State<App>,
    Caller(who): Caller,
    Path((id, report)): Path<(String, String)>,
    Json(given): Json<TestReport>,
) -> Result<StatusCode, Error> {
    let job = JobId::of(&id)?;
    let report = report.parse().map_err(|_| {
        Error::invalid(format!(
            "report: `{report}` is not the number of a report, which is counted from 0"
        ))
    })?;
    let results = given.tests.into_iter().map(test_result).collect();
    let kept = &app.larder().test_results;
    kept.keep(&who, job, report, results).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which results of a job.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    result: Option<String>,
    after: Option<String>,
    limit: Option<u32>,
}

/// `GET /larder/v1/jobs/{id}/tests?result=&after=&limit=`
pub(super) async fn of_job(
    State(app): State<App>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<TestList>, Error> {
    let found = app.larder().jobs.seen(&who, JobId::of(&id)?).await?;
    let known = "failure, error, skipped, success";
    let outcomes = words(
        "result",
        wanted.result.as_deref(),
        TestOutcome::parse,
        known,
    )?;
    let after = wanted.after.as_deref().map(place).transpose()?;
    let limit = page_size(wanted.limit, PAGE, PAGE_MAX)?;
    let kept = &app.larder().test_results;
    let page = kept
        .of_job(&who, &found.build, &found.job, &outcomes, after, limit)
        .await?;
    Ok(Json(TestList {
        tests: page.results.into_iter().map(test_body).collect(),
        next: page.next.map(TestPlace::encode),
    }))
}

fn place(after: &str) -> Result<TestPlace, Error> {
    TestPlace::parse(after)
        .ok_or_else(|| Error::invalid("after: give the `next` of the page before as it is"))
}

fn test_result(given: TestBody) -> TestResult {
    TestResult {
        name: given.name,
        classname: given.classname,
        file: given.file,
        outcome: match given.result {
            ResultWord::Failure => TestOutcome::Failure,
            ResultWord::Error => TestOutcome::Error,
            ResultWord::Skipped => TestOutcome::Skipped,
            ResultWord::Success => TestOutcome::Success,
        },
        run_time_ms: given.run_time_ms,
        message: given.message,
    }
}

fn test_body(result: TestResult) -> TestBody {
    TestBody {
        name: result.name,
        classname: result.classname,
        file: result.file,
        result: match result.outcome {
            TestOutcome::Failure => ResultWord::Failure,
            TestOutcome::Error => ResultWord::Error,
            TestOutcome::Skipped => ResultWord::Skipped,
            TestOutcome::Success => ResultWord::Success,
        },
        run_time_ms: result.run_time_ms,
        message: result.message,
    }
}
