//! Inside five CIs: what `larder upload` and `larder build` find out by themselves, and the blocks of `docs/ci.md`, run by
//! `sh` as they are printed.

use std::process::Command;

use serde_json::Value;

use crate::support::{Finished, PATIENCE, ServeProcess, Store, larder, output_within};

const DOCUMENT: &str = include_str!("../../../../docs/ci.md");
const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
/// A branch that wants to be more than a name.
const BRANCH: &str = "fix/$(touch pwned)';touch pwned;\"";

/// A CI as its jobs see it: the second of three shards.
struct Ci {
    heading: &'static str,
    project: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

const CIS: [Ci; 5] = [
    Ci {
        heading: "CircleCI",
        project: "github/acme/demo",
        variables: &[
            ("CIRCLECI", "true"),
            ("CIRCLE_BRANCH", BRANCH),
            ("CIRCLE_JOB", "test"),
            ("CIRCLE_NODE_INDEX", "1"),
            ("CIRCLE_NODE_TOTAL", "3"),
            ("CIRCLE_PROJECT_REPONAME", "demo"),
            ("CIRCLE_PROJECT_USERNAME", "acme"),
            ("CIRCLE_REPOSITORY_URL", "git@github.com:acme/demo.git"),
            ("CIRCLE_SHA1", SHA),
            ("CIRCLE_WORKFLOW_ID", "b8a4ab8d-a262-4e68-9e9e-1ce2d5ee07c5"),
        ],
    },
    Ci {
        heading: "Buildkite",
        project: "github/acme/demo",
        variables: &[
            ("BUILDKITE", "true"),
            ("BUILDKITE_BRANCH", BRANCH),
            ("BUILDKITE_BUILD_ID", "01990c6e-7b1c-4000-8000-000000000001"),
            ("BUILDKITE_COMMIT", SHA),
            ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
            ("BUILDKITE_PARALLEL_JOB", "1"),
            ("BUILDKITE_PARALLEL_JOB_COUNT", "3"),
            ("BUILDKITE_PIPELINE_SLUG", "demo"),
            ("BUILDKITE_REPO", "git@github.com:acme/demo.git"),
            ("BUILDKITE_STEP_KEY", "test"),
        ],
    },
    Ci {
        heading: "GitHub Actions",
        project: "github/acme/demo",
        variables: &[
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_JOB", "test"),
            ("GITHUB_REF_NAME", BRANCH),
            ("GITHUB_REF_TYPE", "branch"),
            ("GITHUB_REPOSITORY", "acme/demo"),
            ("GITHUB_RUN_ID", "1658821493"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_SHA", SHA),
            ("LARDER_NODE_INDEX", "1"),
            ("LARDER_NODE_TOTAL", "3"),
        ],
    },
    Ci {
        heading: "GitLab",
        project: "gitlab/acme/demo",
        variables: &[
            ("GITLAB_CI", "true"),
            ("CI_COMMIT_BRANCH", BRANCH),
            ("CI_COMMIT_REF_NAME", BRANCH),
            ("CI_COMMIT_SHA", SHA),
            ("CI_JOB_NAME", "test 2/3"),
            ("CI_NODE_INDEX", "2"),
            ("CI_NODE_TOTAL", "3"),
            ("CI_PIPELINE_ID", "1000"),
            ("CI_PROJECT_PATH", "acme/demo"),
            ("CI_SERVER_HOST", "gitlab.example"),
        ],
    },
    Ci {
        heading: "Jenkins",
        project: "github/acme/demo",
        variables: &[
            ("BRANCH_NAME", BRANCH),
            ("BUILD_NUMBER", "7"),
            ("GIT_COMMIT", SHA),
            ("GIT_URL", "https://github.com/acme/demo.git"),
            ("JENKINS_URL", "https://ci.example/"),
            ("JOB_NAME", "acme/demo/fix"),
            ("LARDER_NODE_INDEX", "1"),
            ("LARDER_NODE_TOTAL", "3"),
            ("STAGE_NAME", "test"),
        ],
    },
];

#[test]
fn the_upload_of_each_ci_lands_in_one_build_with_its_shards_and_retries() {
    let place = Place::new();
    for ci in &CIS {
        // Twice at once: whoever is first announces, and the second finds the same.
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let mut upload = larder(&["upload", "coverage.xml"]);
                place.prepare(&mut upload, ci, &[]);
                scope.spawn(move || output_within(PATIENCE, &mut upload).is(0));
            }
        });
        let build = place.only_build(ci);
        assert_eq!(build["branch"], BRANCH, "{}", ci.heading);
        assert_eq!(build["revision"], SHA);
        assert_eq!(
            jobs_of(&build),
            [
                "test 0/3 running 0",
                "test 1/3 running 1",
                "test 2/3 running 0"
            ],
            "{}",
            ci.heading
        );

        // Finished, and then run again: the same build, another job, which is the one that is finished then.
        place
            .run(ci, &[], &["build", "finish", "--status", "3"])
            .is(0);
        place
            .run(ci, &[], &["build", "finish", "--status", "3"])
            .is(0);
        place.run(ci, &[], &["upload", "coverage.xml"]).is(0);
        place
            .run(ci, &[], &["upload", "--finish", "other.txt"])
            .is(0);
        let build = place.only_build(ci);
        assert_eq!(
            jobs_of(&build),
            [
                "test 0/3 running 0",
                "test 1/3 failed 1",
                "test 2/3 running 0",
                "test[1] (2) 0/1 passed 2"
            ],
            "{}",
            ci.heading
        );
    }
    assert!(!place.store.beside("pwned").exists());
}

#[test]
fn a_build_that_is_started_in_a_ci_is_the_one_that_uploads_find() {
    let place = Place::new();
    let ci = &CIS[2];
    let script =
        r#"eval "$("$0" build start)" && "$0" upload coverage.xml && "$0" build finish --status 0"#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_larder")]);
    let finished = output_within(PATIENCE, place.prepare(&mut shell, ci, &[]));
    finished.is(0).says(&["build 1: "]);
    assert_eq!(
        jobs_of(&place.only_build(ci)),
        [
            "test 0/3 running 0",
            "test 1/3 passed 1",
            "test 2/3 running 0"
        ]
    );
    let env = place
        .run(ci, &[], &["build", "start", "--format", "env"])
        .is(0);
    let names: Vec<_> = env
        .stdout
        .lines()
        .map(|line| line.split_once('=').unwrap().0)
        .collect();
    assert_eq!(
        names,
        [
            "LARDER_URL",
            "LARDER_PROJECT",
            "LARDER_BUILD",
            "LARDER_JOB",
            "LARDER_TOKEN"
        ]
    );
    assert!(!place.store.beside("pwned").exists());
}

#[test]
fn shards_that_disagree_and_projects_that_are_not_there_are_told_what_to_do() {
    let place = Place::new();
    let ci = &CIS[2];
    place
        .run(
            ci,
            &[("LARDER_NODE_INDEX", "0"), ("LARDER_NODE_TOTAL", "1")],
            &["upload", "coverage.xml"],
        )
        .is(0);
    place
        .run(ci, &[], &["upload", "coverage.xml"])
        .is(2)
        .says(&["LARDER_JOB_NAME", "node 1"]);
    place
        .run(
            ci,
            &[("LARDER_NODE_TOTAL", "")],
            &["upload", "coverage.xml"],
        )
        .is(2)
        .says(&["LARDER_NODE_TOTAL"]);
    let arguments = [
        "token",
        "create",
        "--user",
        "ci",
        "--scopes",
        "write_builds,write_artifacts",
    ];
    place.server.admin(&["user", "create", "ci"]).is(0);
    let token = place.server.admin(&arguments).is(0).stdout;
    place
        .run(
            ci,
            &[
                ("LARDER_TOKEN", token.trim()),
                ("LARDER_PROJECT", "github/acme/other"),
            ],
            &["upload", "coverage.xml"],
        )
        .is(1)
        .says(&[
            "github/acme/other",
            "LARDER_PROJECT",
            "admin project create",
        ]);
}

#[test]
fn the_token_of_the_document_is_enough() {
    let place = Place::new();
    let (project, ci) = (CIS[0].project, &CIS[0]);
    let lines = DOCUMENT.split("```text\n").nth(2).unwrap();
    let lines = lines
        .split("```")
        .next()
        .unwrap()
        .replace("github/acme/demo", project);
    let mut token = String::new();
    for command in lines.lines().flat_map(|line| line.split(" && ")) {
        let words: Vec<_> = command.split_whitespace().collect();
        assert_eq!(words[..2], ["larder", "admin"], "{command}");
        token = place.server.admin(&words[2..]).is(0).stdout;
    }
    let as_ci = [("LARDER_TOKEN", token.trim())];
    place.run(ci, &as_ci, &["upload", "coverage.xml"]).is(0);
    place.run(ci, &as_ci, &["build", "finish"]).is(0);
    assert_eq!(jobs_of(&place.only_build(ci))[1], "test 1/3 passed 1");
}

#[test]
fn an_upload_outside_of_any_ci_announces_a_build_and_ends_it() {
    let place = Place::new();
    let nowhere = Ci {
        heading: "",
        project: "local/ada/work",
        variables: &[("USER", "ada")],
    };
    place
        .run(&nowhere, &[], &["upload", "coverage.xml"])
        .is(0)
        .says(&["build 1: "]);
    let build = place.only_build(&nowhere);
    assert_eq!(build["state"], "passed");
    assert_eq!(jobs_of(&build), ["build 0/1 passed 1"]);
    // Patterns that mean nothing are no build, unless one is to be finished, which has failed.
    let nothing = ["upload", "nothing-*", "--finish"];
    place.run(&nowhere, &[], &nothing[..2]).is(2);
    assert_eq!(place.newest_build(&nowhere)["number"], 1);
    place.run(&nowhere, &[], &nothing).is(2);
    assert_eq!(place.newest_build(&nowhere)["number"], 2);
    assert_eq!(place.newest_build(&nowhere)["state"], "failed");
    // What only looks changes nothing.
    place
        .run(&nowhere, &[], &["upload", "--dry-run", "coverage.xml"])
        .is(0);
    assert_eq!(place.newest_build(&nowhere)["number"], 2);
    place
        .run(&nowhere, &[], &["build", "finish"])
        .is(2)
        .says(&["LARDER_JOB"]);
}

#[test]
#[ignore = "needs curl"]
fn the_recipe_of_each_ci_keeps_a_file_where_the_upload_of_the_same_job_does() {
    let place = Place::new();
    for ci in &CIS {
        place.run(ci, &[], &["upload", "other.txt"]).is(0);
        let script = format!("set -eu\n{}", recipe(ci.heading));
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        output_within(PATIENCE, place.prepare(&mut shell, ci, &[])).is(0);
        let build = place.only_build(ci);
        assert_eq!(build["branch"], BRANCH);
        assert_eq!(
            jobs_of(&build),
            [
                "test 0/3 running 0",
                "test 1/3 passed 2",
                "test 2/3 running 0"
            ],
            "{}",
            ci.heading
        );
    }
    assert!(!place.store.beside("pwned").exists());
}

/// The block in plain `sh` of a CI's section.
fn recipe(heading: &str) -> &'static str {
    let (_, section) = DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    block.split("```").next().unwrap()
}

/// `name index/parallelism state artifacts` of each job, in order.
fn jobs_of(build: &Value) -> Vec<String> {
    let mut jobs: Vec<_> = build["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| {
            let word = |name: &str| job[name].as_str().unwrap().to_owned();
            let (name, state) = (word("name"), word("state"));
            let (index, nodes, kept) = (&job["index"], &job["parallelism"], &job["artifact_count"]);
            format!("{name} {index}/{nodes} {state} {kept}")
        })
        .collect();
    jobs.sort();
    jobs
}

/// A server, and a folder with something to keep.
struct Place {
    store: Store,
    server: ServeProcess,
    token: String,
}

impl Place {
    fn new() -> Self {
        let store = Store::new();
        let server = store.serve().start();
        let token = server.token();
        let folder = store.beside("work");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("coverage.xml"), "<coverage/>\n").unwrap();
        std::fs::write(folder.join("other.txt"), "other\n").unwrap();
        Self {
            store,
            server,
            token,
        }
    }

    fn run(&self, ci: &Ci, more: &[(&str, &str)], arguments: &[&str]) -> Finished {
        output_within(PATIENCE, self.prepare(&mut larder(arguments), ci, more))
    }

    /// In the CI's environment and in the folder.
    fn prepare<'a>(
        &self,
        command: &'a mut Command,
        ci: &Ci,
        more: &[(&str, &str)],
    ) -> &'a mut Command {
        for name in [
            "CIRCLECI",
            "BUILDKITE",
            "GITHUB_ACTIONS",
            "GITLAB_CI",
            "JOB_NAME",
            "LARDER_JOB",
        ] {
            command.env_remove(name);
        }
        command.current_dir(self.store.beside("work"));
        command
            .env("LARDER_URL", &self.server.url)
            .env("LARDER_TOKEN", &self.token);
        command.env("no_proxy", "*");
        command
            .envs(ci.variables.iter().copied())
            .envs(more.iter().copied())
    }

    /// The builds of the CI's project, newest first, with their jobs.
    #[track_caller]
    fn builds(&self, ci: &Ci) -> Vec<Value> {
        let client = self.server.client();
        let path = format!("/larder/v1/projects/{}/builds", ci.project);
        let list = client.get(&path, &self.token).unwrap().is(200).json();
        list["builds"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn newest_build(&self, ci: &Ci) -> Value {
        self.builds(ci).swap_remove(0)
    }

    /// The newest build, which is the only one of this CI: those before it in the table have one each.
    #[track_caller]
    fn only_build(&self, ci: &Ci) -> Value {
        let before = CIS.iter().take_while(|other| other.heading != ci.heading);
        let before = before.filter(|other| other.project == ci.project).count();
        let mut builds = self.builds(ci);
        assert!(
            builds.len() == 1 || builds.len() == before + 1,
            "{}: {} builds",
            ci.heading,
            builds.len()
        );
        builds.swap_remove(0)
    }
}
