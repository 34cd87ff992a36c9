//! A workflow from end to end: what its jobs hand on to each other, what is kept of them, and how they end, as the
//! real server then tells it.

use std::fs;

use serde_json::Value;

use crate::support::{Finished, PROJECT, ServeProcess, Store, larder, output_within};
use std::time::Duration;

/// On a machine that others use too.
const PATIENCE: Duration = Duration::from_mins(3);

/// Fans out and in; one job fails, and what requires it is not run.
const CONFIG: &str = "version: 2.1
jobs:
  make:
    machine: true
    steps:
      - restore_cache: {keys: [deps-v1]}
      - run: |
          test -e ~/deps/list || { mkdir -p ~/deps; echo fetched > ~/deps/list; echo cold; }
          mkdir -p out; echo made > out/base
      - save_cache: {key: deps-v1, paths: [~/deps]}
      - persist_to_workspace: {root: ., paths: [out]}
  test:
    machine: true
    parallelism: 2
    steps:
      - attach_workspace: {at: .}
      - run: |
          cp out/base out/test-$CIRCLE_NODE_INDEX
          mkdir -p reports
          echo '<testsuite name=\"s\"><testcase classname=\"c\" name=\"case-'$CIRCLE_NODE_INDEX'\" time=\"0.5\"/></testsuite>' > reports/r.xml
      - store_test_results: {path: reports}
      - persist_to_workspace: {root: ., paths: ['out/test-*']}
  lint:
    machine: true
    steps:
      - attach_workspace: {at: .}
      - run: cp out/base out/lint
      - persist_to_workspace: {root: ., paths: [out/lint]}
  audit:
    machine: true
    steps:
      - run: echo found something; exit 3
      - run: {command: echo told, when: on_fail}
  gather:
    machine: true
    steps:
      - attach_workspace: {at: .}
      - run: ls out > out/all
      - store_artifacts: {path: out}
  deploy:
    machine: true
    steps:
      - run: echo never
workflows:
  all:
    jobs:
      - make
      - test: {requires: [make]}
      - lint: {requires: [make]}
      - audit: {requires: [make]}
      - gather: {requires: [test, lint]}
      - deploy: {requires: [gather, audit]}
";

#[test]
fn a_workflow_fans_out_and_in_and_the_server_tells_how_each_job_ended() {
    let store = Store::new();
    let server = store.serve().start();
    let here = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::write(here.path().join("c.yml"), CONFIG).unwrap();
    let scene = Scene {
        token: server.token(),
        server,
        here,
    };
    scene.run().is(1);
    let first = scene.build(1);
    check_ends(&first);
    assert_eq!(first["state"], "failed", "{first}");
    check_kept(&scene, &first);
    check_tests(&scene, &first);
    check_vendor(&scene, &first);
    assert_eq!(scene.output(job(&first, "make", 0), 1), "cold\n");

    // The cache of the first run is there in the second.
    scene.run().is(1);
    let second = scene.build(2);
    check_ends(&second);
    assert_eq!(scene.output(job(&second, "make", 0), 1), "");
    scene.server.admin(&["check", "--strict"]).is(0);
}

/// Name, node, state and exit status of every job.
fn check_ends(build: &Value) {
    let expected = [
        ("make", 0, "passed", None),
        ("test", 0, "passed", None),
        ("test", 1, "passed", None),
        ("lint", 0, "passed", None),
        ("audit", 0, "failed", Some(3)),
        ("gather", 0, "passed", None),
        ("deploy", 0, "canceled", None),
    ];
    for (name, index, state, exit_status) in expected {
        let job = job(build, name, index);
        assert_eq!(job["state"], state, "{job}");
        assert_eq!(job["exit_status"].as_i64(), exit_status, "{job}");
        assert!(job["finished_at"].is_string(), "{job}");
        // Only what ran has a number.
        assert_eq!(job["number"].is_null(), name == "deploy", "{job}");
    }
    assert_eq!(build["jobs"].as_array().unwrap().len(), expected.len());
}

fn check_kept(scene: &Scene, build: &Value) {
    let id = build["id"].as_str().unwrap();
    let listed = scene.get(&format!("/larder/v1/builds/{id}/artifacts?state=finished"));
    let artifacts = listed["artifacts"].as_array().unwrap();
    let mut paths: Vec<_> = artifacts
        .iter()
        .map(|artifact| artifact["path"].as_str().unwrap())
        .collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "out/all",
            "out/base",
            "out/lint",
            "out/test-0",
            "out/test-1"
        ]
    );
    let gather = job(build, "gather", 0)["id"].as_str().unwrap();
    let all = format!("/larder/v1/jobs/{gather}/artifacts/out/all");
    let all = scene
        .server
        .client()
        .get(&all, &scene.token)
        .unwrap()
        .is(200);
    assert_eq!(all.body, b"all\nbase\nlint\ntest-0\ntest-1\n");
}

fn check_tests(scene: &Scene, build: &Value) {
    let number = job(build, "test", 0)["number"].as_i64().unwrap();
    assert_eq!(job(build, "test", 1)["number"], number);
    let tests = format!("/api/v2/project/github/acme/demo/{number}/tests");
    let (mut names, mut page) = (Vec::new(), tests.clone());
    loop {
        let told = scene.get(&page);
        let items = told["items"].as_array().unwrap().iter();
        names.extend(items.map(|test| test["name"].as_str().unwrap().to_owned()));
        let Some(next) = told["next_page_token"].as_str() else {
            break;
        };
        page = format!("{tests}?page-token={next}");
    }
    assert_eq!(names, ["case-0", "case-1"]);
}

/// The vendor's words for how a build ended.
fn check_vendor(scene: &Scene, build: &Value) {
    for (name, status) in [
        ("make", "success"),
        ("audit", "failed"),
        ("gather", "success"),
    ] {
        let number = job(build, name, 0)["number"].as_i64().unwrap();
        let told = scene.get(&format!("/api/v1.1/project/github/acme/demo/{number}"));
        assert_eq!(told["status"], status, "{told}");
    }
}

fn job<'a>(build: &'a Value, name: &str, index: u64) -> &'a Value {
    let jobs = build["jobs"].as_array().unwrap().iter();
    let mut found = jobs.filter(|job| job["name"] == name && job["index"] == index);
    found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {build}"))
}

struct Scene {
    server: ServeProcess,
    token: String,
    here: tempfile::TempDir,
}

impl Scene {
    fn run(&self) -> Finished {
        let mut command = larder(&["run", "c.yml", "--project", PROJECT]);
        command
            .current_dir(self.here.path())
            .env("XDG_CACHE_HOME", self.here.path().join("caches"))
            .env("LARDER_URL", &self.server.url)
            .env("LARDER_TOKEN", &self.token);
        output_within(PATIENCE, &mut command)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.server.client().get(path, &self.token);
        answer.unwrap().is(200).json()
    }

    fn build(&self, number: i64) -> Value {
        let list = self.get(&format!("/larder/v1/projects/{PROJECT}/builds"));
        let builds = list["builds"].as_array().unwrap().iter();
        let mut found = builds.filter(|build| build["number"] == number);
        found.next().unwrap_or_else(|| panic!("{list}")).clone()
    }

    fn output(&self, job: &Value, seq: u32) -> String {
        let id = job["id"].as_str().unwrap();
        let path = format!("/larder/v1/jobs/{id}/steps/{seq}/output");
        let answer = self
            .server
            .client()
            .get(&path, &self.token)
            .unwrap()
            .is(200);
        String::from_utf8(answer.body).unwrap()
    }
}
