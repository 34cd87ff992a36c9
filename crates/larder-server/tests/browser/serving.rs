//! A server over a store with a build in it.

use larder_core::model::{
    ArtifactPath, EndState, Job, JobId, NewArtifact, NewBuild, NewJob, NewStep, Principal,
    ProjectSlug, Role, Scopes, StepState, TestOutcome, TestResult,
};
use larder_core::{Incoming, Larder, NewTokenRequest};
use larder_server::Server;
use larder_server::config::{Config, Overrides};
use tokio_util::sync::CancellationToken;

pub(crate) const SUMMARY: &str = "12 passed, 1 failed\n";
const OPERATOR: &Principal = &Principal::Operator;

/// A server that ends with the test.
pub(crate) struct Serving {
    pub(crate) url: String,
    larder: Larder,
    running: Option<JobId>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

impl Serving {
    /// Ada reads the project `acme/demo`, Bob sees nothing.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let overrides = Overrides {
            data: Some(folder.path().join("data").display().to_string()),
            listen: Some("127.0.0.1:0".to_owned()),
            ..Overrides::default()
        };
        let config = Config::from_layers(None, [], &overrides).unwrap();
        let server = Server::open(config, None).await.unwrap();
        let (url, larder) = (server.public_url().to_owned(), server.larder().clone());
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(stop.clone()));
        let mut serving = Self {
            url,
            larder,
            running: None,
            stop,
            _folder: folder,
        };
        serving.fill().await;
        serving
    }

    /// A fresh link that signs a user in.
    pub(crate) async fn link(&self, user: &str, to: &str) -> String {
        let access = &self.larder.access;
        let secret = access.sign_in_link(OPERATOR, user, to).await.unwrap();
        format!("{}/sign-in/{secret}", self.url)
    }

    pub(crate) async fn token(&self, user: &str, scopes: &str) -> String {
        let request = NewTokenRequest {
            user: user.into(),
            description: "sign in".into(),
            scopes: Scopes::parse(scopes).unwrap(),
            project: None,
            expires_at: None,
        };
        let issued = self.larder.access.issue_token(OPERATOR, request).await;
        issued.unwrap().secret
    }

    /// The documented address of a file.
    pub(crate) fn file(&self, project: &str) -> String {
        let url = &self.url;
        format!(
            "{url}/api/v1.1/project/github/acme/{project}/1/artifacts/0/test-results/summary.txt"
        )
    }

    async fn fill(&mut self) {
        let slug = ProjectSlug::parse("github/acme/demo").unwrap();
        let new = NewBuild {
            branch: Some("fix/oven".into()),
            revision: Some("5e1f0b3c9a7d42e6".into()),
            message: Some("Bake bread at the right temperature".into()),
            ..NewBuild::default()
        };
        let job = |name: &str, parallelism| NewJob {
            name: name.into(),
            parallelism,
            queued: false,
        };
        let jobs = vec![job("test", 2), job("docs", 1)];
        let builds = &self.larder.builds;
        let announced = builds
            .announce(OPERATOR, &slug, new.clone(), jobs)
            .await
            .unwrap();
        let nodes: Vec<_> = announced.nodes.into_iter().map(|node| node.job).collect();
        self.report(&nodes).await;
        let running = vec![job("test", 1)];
        let running = builds.announce(OPERATOR, &slug, new, running).await;
        let running = running.unwrap().nodes[0].job.id;
        let bake = NewStep {
            name: "Bake".into(),
            command: Some("make bread".into()),
            state: StepState::Running,
            exit_status: None,
        };
        let steps = &self.larder.steps;
        steps.report(OPERATOR, running, 0, bake).await.unwrap();
        self.running = Some(running);
        let access = &self.larder.access;
        for user in ["ada", "bob"] {
            access.create_user(OPERATOR, user, false).await.unwrap();
        }
        access
            .grant(OPERATOR, "ada", &slug, Role::Reader)
            .await
            .unwrap();
    }

    async fn report(&self, nodes: &[Job]) {
        let css = "body { color: teal }\n".repeat(4_000);
        for (node, path, bytes) in [
            (0, "test-results/summary.txt", SUMMARY),
            (0, "test-results/junit/oven.xml", "<testsuite/>\n"),
            (1, "screenshots/crust at 220°.txt", "brown\n"),
            (2, "site/index.html", "<h1>Bread</h1>\n"),
            (2, "site/style.css", &css),
        ] {
            self.keep(&nodes[node], path, bytes).await;
        }
        let output = "\u{1b}[32mok\u{1b}[0m    oven::heats\n\u{1b}[31mFAILED\u{1b}[0m oven::cools\n\n12 passed, 1 failed\n";
        self.step(&nodes[0], 0, "Checkout code", None, "At 5e1f0b3c9a\n", 0)
            .await;
        self.step(
            &nodes[0],
            1,
            "Run tests",
            Some("cargo test --workspace"),
            output,
            101,
        )
        .await;
        self.step(&nodes[2], 0, "Build the site", Some("mdbook build"), "", 0)
            .await;
        self.tests(&nodes[0]).await;
        let ends = [
            (EndState::Failed, 101),
            (EndState::Passed, 0),
            (EndState::Passed, 0),
        ];
        for (node, (end, exit)) in nodes.iter().zip(ends) {
            let jobs = &self.larder.jobs;
            jobs.finish(OPERATOR, node.id, end, Some(exit))
                .await
                .unwrap();
        }
    }

    /// A runner's report whose texts would be markup if they were not written as text.
    async fn tests(&self, node: &Job) {
        let result = |name: &str, outcome, message: Option<&str>| TestResult {
            name: name.into(),
            classname: Some("oven".into()),
            file: Some("tests/oven.rs".into()),
            outcome,
            run_time_ms: 1_250,
            message: message.map(str::to_owned),
        };
        let trap = "<img src=x onerror=\"document.title='trapped'\">";
        let said = format!("assertion failed: {trap}\n  left: 180\n right: 220");
        let mut results = vec![
            result("cools", TestOutcome::Failure, Some(&said)),
            result(trap, TestOutcome::Error, None),
            result("rises", TestOutcome::Skipped, Some("no yeast")),
        ];
        results.extend((0..120).map(|at| {
            let name = format!("heats to {at} degrees");
            result(&name, TestOutcome::Success, None)
        }));
        let kept = &self.larder.test_results;
        kept.keep(OPERATOR, node.id, 0, results).await.unwrap();
    }

    /// Prints more in the running step of build 2.
    pub(crate) async fn print(&self, at: i64, text: &str) -> i64 {
        let steps = &self.larder.steps;
        let chunk = text.to_owned().into();
        let printed = steps.append(OPERATOR, self.running(), 0, at, chunk).await;
        printed.unwrap()
    }

    /// Ends the running step of build 2.
    pub(crate) async fn end_step(&self) {
        let step = NewStep {
            name: "Bake".into(),
            command: Some("make bread".into()),
            state: StepState::Passed,
            exit_status: Some(0),
        };
        let steps = &self.larder.steps;
        let ended = steps.report(OPERATOR, self.running(), 0, step).await;
        ended.unwrap();
    }

    /// The job of build 2, which runs.
    pub(crate) fn running(&self) -> JobId {
        self.running.expect("the store is filled")
    }

    async fn keep(&self, node: &Job, path: &str, bytes: &str) {
        let kind = if bytes.starts_with("<h1>") {
            "text/html"
        } else {
            "text/plain"
        };
        let new = NewArtifact::new(ArtifactPath::parse(path).unwrap(), kind);
        let incoming = Incoming::from_bytes(bytes.to_owned());
        let artifacts = &self.larder.artifacts;
        artifacts
            .keep(OPERATOR, node.id, new, incoming)
            .await
            .unwrap();
    }

    async fn step(
        &self,
        node: &Job,
        seq: u32,
        name: &str,
        command: Option<&str>,
        output: &str,
        exit: i32,
    ) {
        let steps = &self.larder.steps;
        let step = |state, exit_status| NewStep {
            name: name.into(),
            command: command.map(str::to_owned),
            state,
            exit_status,
        };
        let begun = step(StepState::Running, None);
        steps.report(OPERATOR, node.id, seq, begun).await.unwrap();
        steps
            .append(OPERATOR, node.id, seq, 0, output.to_owned().into())
            .await
            .unwrap();
        let state = if exit == 0 {
            StepState::Passed
        } else {
            StepState::Failed
        };
        let ended = step(state, Some(exit));
        steps.report(OPERATOR, node.id, seq, ended).await.unwrap();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
