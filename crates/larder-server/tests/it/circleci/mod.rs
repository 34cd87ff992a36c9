//! CircleCI's artifacts API. Numbers of vectors are those of `docs/api/circleci.md`.

mod account;
mod artifacts;
mod builds;
mod content_host;
mod files;
mod generations;
mod latest;
mod refusals;
mod tests;
mod tokens;

use crate::support::{DEMO, TestLarder};
use larder_core::model::{EndState, Job};

/// Where the first job of the demo project has its list.
const LIST: &str = "/api/v1.1/project/github/acme/demo/1/artifacts";

/// A public project whose job 1 holds what the documents' sample makes.
async fn sample() -> (TestLarder, Job) {
    let larder = TestLarder::start().await;
    let job = keep_sample(&larder, true).await;
    (larder, job)
}

async fn keep_sample(larder: &TestLarder, public: bool) -> Job {
    larder.project(DEMO, public).await;
    let job = larder.job("master").await;
    larder
        .keep(job.id, "artifact-file", "my artifact file\n")
        .await;
    larder
        .keep(
            job.id,
            "tmp/artifacts/artifact-2",
            "my artifact files in a dir\n",
        )
        .await;
    larder.finish(job.id, EndState::Passed, None).await;
    job
}
