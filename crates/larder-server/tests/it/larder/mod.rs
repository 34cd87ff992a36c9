//! The native API, `docs/api/larder.md`.

mod access;
mod artifacts;
mod builds;
mod folders;
mod jobs;
mod lists;
mod parts;
mod steps;
mod tests;
pub(crate) mod uploads;

use crate::support::{DEMO, TestLarder};
use serde_json::{Value, json};

/// A larder with a running job, its token, and the token of a writer.
struct Running {
    test: TestLarder,
    build: String,
    job: String,
    job_token: String,
    /// All scopes, role writer.
    writer: String,
}

impl Running {
    async fn start() -> Self {
        Self::over(TestLarder::with_demo().await).await
    }

    async fn over(test: TestLarder) -> Self {
        let writer = test
            .member("ada", larder_core::model::Role::Writer, DEMO, "admin")
            .await;
        let announced = announce(
            &test,
            &writer,
            &json!({ "branch": "main", "jobs": [{ "name": "build" }] }),
        )
        .await;
        let string = |value: &Value| value.as_str().unwrap().to_owned();
        let job = &announced["jobs"][0];
        let (id, token) = (string(&job["id"]), string(&job["token"]));
        Self {
            test,
            build: string(&announced["id"]),
            job: id,
            job_token: token,
            writer,
        }
    }

    /// The address of one of the job's artifacts.
    fn artifact(&self, path: &str) -> String {
        format!("/larder/v1/jobs/{}/artifacts/{path}", self.job)
    }

    /// Keeps a file by the job's token.
    async fn keep(&self, path: &str, bytes: &'static str) -> Value {
        let answer = self
            .test
            .put(&self.job_token, &self.artifact(path), bytes)
            .await;
        assert!(answer.status.is_success(), "{:?}", answer.body);
        answer.json()
    }

    /// Ends the job.
    async fn finish(&self) {
        let path = format!("/larder/v1/jobs/{}", self.job);
        self.test
            .patch(&self.job_token, &path, r#"{"state":"passed"}"#)
            .await
            .is(200);
    }
}

async fn announce(test: &TestLarder, token: &str, body: &Value) -> Value {
    let path = format!("/larder/v1/projects/{DEMO}/builds");
    test.post(token, &path, body.to_string())
        .await
        .is(201)
        .json()
}

/// A UUID of which nothing is known.
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";
