//! Buildkite's APIs.

mod access;
mod artifacts;
mod builds;
mod download;
mod pages;

use crate::support::TestLarder;
use larder_core::model::{Artifact, JobId, NewBuild, Role};

/// What most tests look at: build 1 of `github/acme/demo` with the jobs `build` and `test`, and two artifacts.
struct Sample {
    larder: TestLarder,
    build_job: JobId,
    test_job: JobId,
    /// Secret of the job `build`.
    job_token: String,
    /// Of the job `build`: `dist/app.tar.gz`.
    app: Artifact,
    /// Of the job `test`: `log.txt`.
    log: Artifact,
    /// Of `ada`, a writer, with every scope.
    token: String,
}

impl Sample {
    async fn new() -> Self {
        let larder = TestLarder::start().await;
        larder.project("github/acme/demo", false).await;
        larder.user("ada", Role::Writer, "github/acme/demo").await;
        let token = larder.token("ada", "admin").await;
        let jobs = [("build", 1), ("test", 1)];
        let announced = larder
            .build("github/acme/demo", NewBuild::default(), &jobs)
            .await;
        let [build, test] = announced.nodes.as_slice() else {
            panic!("two jobs");
        };
        let app = larder
            .keep(build.job.id, "dist/app.tar.gz", b"an archive")
            .await;
        let log = larder.keep(test.job.id, "log.txt", b"all is well").await;
        Self {
            build_job: build.job.id,
            test_job: test.job.id,
            job_token: build.token.clone(),
            app,
            log,
            token,
            larder,
        }
    }

    /// Both addresses of the job `build`.
    fn job_addresses(&self) -> [String; 2] {
        [
            format!("{BUILD}/jobs/{}", self.build_job),
            format!("/v2/organizations/acme/jobs/{}", self.build_job),
        ]
    }
}

const BUILD: &str = "/v2/organizations/acme/pipelines/demo/builds/1";
