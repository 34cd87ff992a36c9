//! A table for each CI: variable sets as their jobs have them, and what is read from them.

mod sets;

mod forks;

use super::*;
use sets::{BUILDKITE, CIRCLECI, GITHUB, GITLAB, JENKINS};

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";
const DOCUMENT: &str = include_str!("../../../../docs/ci.md");

/// A set with some variables changed; an empty value takes one away.
fn with(set: &[(&str, &str)], changes: &[(&str, &str)]) -> Variables {
    set.iter()
        .chain(changes)
        .copied()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}

#[track_caller]
fn detect(set: &[(&str, &str)], changes: &[(&str, &str)]) -> CiBuild {
    CiBuild::detect(&with(set, changes), None).unwrap().unwrap()
}

#[track_caller]
fn refusal(set: &[(&str, &str)], changes: &[(&str, &str)]) -> String {
    let error = CiBuild::detect(&with(set, changes), None).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn node(index: u32, total: u32) -> CiNode {
    CiNode { index, total }
}

#[test]
fn each_ci_is_told_by_its_variables() {
    let rows = [
        (
            CIRCLECI,
            Vendor::Circleci,
            "github/acme/demo",
            "test",
            "circleci/b8a4ab8d-a262-4e68-9e9e-1ce2d5ee07c5",
        ),
        (
            BUILDKITE,
            Vendor::Buildkite,
            "github/acme/demo-pipeline",
            "tests",
            "buildkite/01990c6e-7b1c-4000-8000-000000000001",
        ),
        (
            GITHUB,
            Vendor::GithubActions,
            "github/acme/demo",
            "test",
            "github-actions/1658821493",
        ),
        (
            GITLAB,
            Vendor::Gitlab,
            "gitlab/acme/demo",
            "test",
            "gitlab/gitlab.com/1000",
        ),
        (
            JENKINS,
            Vendor::Jenkins,
            "github/acme/demo",
            "Test",
            "jenkins/ci.example/acme/demo/main/7",
        ),
    ];
    for (set, vendor, project, job, external_id) in rows {
        let build = detect(set, &[]);
        assert_eq!(build.vendor, vendor);
        assert_eq!(build.project, project, "{vendor:?}");
        assert_eq!(build.job, job, "{vendor:?}");
        assert_eq!(build.external_id, external_id, "{vendor:?}");
        assert_eq!(build.node, node(0, 1), "{vendor:?}");
        assert_eq!(build.facts.branch.as_deref(), Some("main"), "{vendor:?}");
        assert_eq!(build.facts.revision.as_deref(), Some(SHA), "{vendor:?}");
        assert_eq!(build.facts.tag, None, "{vendor:?}");
        assert!(!build.fork, "{vendor:?}");
        let url = build.url.unwrap();
        let message = build.facts.message.unwrap();
        assert!(
            message == "Add a door" || message.ends_with(&url),
            "{vendor:?}: {message}"
        );
    }
    for other in [
        &[] as &[_],
        &[("CI", "true")],
        &[("JOB_NAME", "x"), ("BUILD_NUMBER", "1")],
        &[("CIRCLECI", "false")],
    ] {
        assert_eq!(CiBuild::detect(&with(other, &[]), None).unwrap(), None);
    }
}

#[test]
fn a_tag_is_no_branch() {
    let rows: [(&[_], &[_]); 5] = [
        (CIRCLECI, &[("CIRCLE_BRANCH", ""), ("CIRCLE_TAG", "v1.2")]),
        (
            BUILDKITE,
            &[("BUILDKITE_TAG", "v1.2"), ("BUILDKITE_BRANCH", "")],
        ),
        (
            GITHUB,
            &[
                ("GITHUB_REF", "refs/tags/v1.2"),
                ("GITHUB_REF_NAME", "v1.2"),
                ("GITHUB_REF_TYPE", "tag"),
            ],
        ),
        (
            GITLAB,
            &[
                ("CI_COMMIT_BRANCH", ""),
                ("CI_COMMIT_REF_NAME", "v1.2"),
                ("CI_COMMIT_TAG", "v1.2"),
            ],
        ),
        (
            JENKINS,
            &[
                ("BRANCH_NAME", "v1.2"),
                ("GIT_BRANCH", "v1.2"),
                ("TAG_NAME", "v1.2"),
            ],
        ),
    ];
    for (set, changes) in rows {
        let build = detect(set, changes);
        assert_eq!(
            build.facts.tag.as_deref(),
            Some("v1.2"),
            "{:?}",
            build.vendor
        );
        assert_eq!(build.facts.branch, None, "{:?}", build.vendor);
    }
}

#[test]
fn parallel_shards_are_nodes_of_one_job_in_one_build() {
    let rows: [(&[_], &[_], &[_]); 5] = [
        (
            CIRCLECI,
            &[("CIRCLE_NODE_INDEX", "0"), ("CIRCLE_NODE_TOTAL", "3")],
            &[("CIRCLE_NODE_INDEX", "2"), ("CIRCLE_NODE_TOTAL", "3")],
        ),
        (
            BUILDKITE,
            &[
                ("BUILDKITE_PARALLEL_JOB", "0"),
                ("BUILDKITE_PARALLEL_JOB_COUNT", "3"),
            ],
            &[
                ("BUILDKITE_PARALLEL_JOB", "2"),
                ("BUILDKITE_PARALLEL_JOB_COUNT", "3"),
            ],
        ),
        (
            GITHUB,
            &[("LARDER_NODE_INDEX", "0"), ("LARDER_NODE_TOTAL", "3")],
            &[("LARDER_NODE_INDEX", "2"), ("LARDER_NODE_TOTAL", "3")],
        ),
        (
            GITLAB,
            &[
                ("CI_JOB_NAME", "test 1/3"),
                ("CI_NODE_INDEX", "1"),
                ("CI_NODE_TOTAL", "3"),
            ],
            &[
                ("CI_JOB_NAME", "test 3/3"),
                ("CI_NODE_INDEX", "3"),
                ("CI_NODE_TOTAL", "3"),
            ],
        ),
        (
            JENKINS,
            &[("LARDER_NODE_INDEX", "0"), ("LARDER_NODE_TOTAL", "3")],
            &[("LARDER_NODE_INDEX", "2"), ("LARDER_NODE_TOTAL", "3")],
        ),
    ];
    for (set, first, last) in rows {
        let (first, last) = (detect(set, first), detect(set, last));
        assert_eq!(first.node, node(0, 3));
        assert_eq!(last.node, node(2, 3));
        assert_eq!(
            (&first.job, &first.external_id),
            (&last.job, &last.external_id)
        );
    }
    // Jobs of a matrix are jobs of their own.
    let matrix = [
        ("CI_JOB_NAME", "test: [linux, x64]"),
        ("CI_NODE_INDEX", "2"),
        ("CI_NODE_TOTAL", "4"),
    ];
    let build = detect(GITLAB, &matrix);
    assert_eq!(
        (build.job.as_str(), build.node),
        ("test: [linux, x64]", node(0, 1))
    );
}

#[test]
fn a_retry_belongs_to_the_build_of_the_first_attempt() {
    let rows: [(&[_], &[_]); 4] = [
        // A rerun has a workflow of its own and the workspace of the first.
        (
            CIRCLECI,
            &[
                ("CIRCLE_WORKFLOW_ID", "11111111-a262-4e68-9e9e-1ce2d5ee07c5"),
                ("CIRCLE_BUILD_NUM", "133"),
            ],
        ),
        (
            BUILDKITE,
            &[
                ("BUILDKITE_RETRY_COUNT", "1"),
                ("BUILDKITE_JOB_ID", "01990c6e-7b1c-4000-8000-000000000009"),
            ],
        ),
        (GITHUB, &[("GITHUB_RUN_ATTEMPT", "2")]),
        (GITLAB, &[("CI_JOB_ID", "2000")]),
    ];
    for (set, changes) in rows {
        let (first, again) = (detect(set, &[]), detect(set, changes));
        assert_eq!(first.external_id, again.external_id);
        assert_eq!(first.job, again.job);
    }
    let elsewhere: [(&[_], &[_]); 5] = [
        (
            CIRCLECI,
            &[(
                "CIRCLE_WORKFLOW_WORKSPACE_ID",
                "22222222-a262-4e68-9e9e-1ce2d5ee07c5",
            )],
        ),
        (
            BUILDKITE,
            &[("BUILDKITE_BUILD_ID", "01990c6e-7b1c-4000-8000-000000000003")],
        ),
        (GITHUB, &[("GITHUB_RUN_ID", "1658821494")]),
        (GITLAB, &[("CI_SERVER_HOST", "gitlab.example")]),
        (JENKINS, &[("BUILD_NUMBER", "8")]),
    ];
    for (set, changes) in elsewhere {
        assert_ne!(
            detect(set, &[]).external_id,
            detect(set, changes).external_id,
            "{changes:?}"
        );
    }
}

#[test]
fn projects_have_three_parts_wherever_their_code_lives() {
    let rows: [(&[_], &[_], &str); 11] = [
        (
            CIRCLECI,
            &[("CIRCLE_REPOSITORY_URL", "https://bitbucket.org/acme/demo")],
            "bitbucket/acme/demo",
        ),
        (
            CIRCLECI,
            &[("CIRCLE_REPOSITORY_URL", "")],
            "circleci/acme/demo",
        ),
        (
            BUILDKITE,
            &[("BUILDKITE_PIPELINE_PROVIDER", "gitlab_ee")],
            "gitlab/acme/demo-pipeline",
        ),
        (
            BUILDKITE,
            &[
                ("BUILDKITE_PIPELINE_PROVIDER", "private"),
                ("BUILDKITE_REPO", "/srv/git/demo.git"),
            ],
            "local/acme/demo-pipeline",
        ),
        (
            BUILDKITE,
            &[
                ("BUILDKITE_PIPELINE_PROVIDER", ""),
                (
                    "BUILDKITE_REPO",
                    "ssh://git@gitlab.example:2222/acme/demo.git",
                ),
            ],
            "gitlab/acme/demo-pipeline",
        ),
        (
            GITLAB,
            &[("CI_PROJECT_PATH", "acme/platform/tools/demo")],
            "gitlab/acme--platform--tools/demo",
        ),
        (
            JENKINS,
            &[("GIT_URL", "git@gitlab.example:acme/platform/demo.git")],
            "gitlab/acme--platform/demo",
        ),
        (
            JENKINS,
            &[("GIT_URL", "https://me:s3cret@git.example/acme/demo.git")],
            "local/acme/demo",
        ),
        (JENKINS, &[("GIT_URL", "")], "local/jenkins/acme--demo"),
        (
            JENKINS,
            &[
                ("GIT_URL", ""),
                ("BRANCH_NAME", ""),
                ("JOB_NAME", "My job; rm -rf"),
            ],
            "local/jenkins/My-job--rm--rf",
        ),
        (
            JENKINS,
            &[("GIT_URL", ""), ("LARDER_PROJECT", "local/acme/mine")],
            "local/acme/mine",
        ),
    ];
    for (set, changes, project) in rows {
        assert_eq!(detect(set, changes).project, project, "{changes:?}");
    }
}

#[test]
fn hostile_values_are_cleaned() {
    let long = "x".repeat(5_000);
    let build = detect(
        GITHUB,
        &[
            ("GITHUB_REF_NAME", "a\u{1b}]0;title\u{7}b\nsecond"),
            ("GITHUB_JOB", &long),
            ("GITHUB_SHA", "$(touch x)"),
        ],
    );
    assert_eq!(build.facts.branch.as_deref(), Some("a ]0;title b"));
    assert_eq!(build.job.len(), 200);
    assert_eq!(build.facts.revision, None);
    assert_eq!(
        detect(GITHUB, &[("GITHUB_REF_NAME", &long)])
            .facts
            .branch
            .unwrap()
            .len(),
        1_000
    );
    assert_eq!(
        detect(GITHUB, &[("GITHUB_RUN_ID", "1 2\n$(x)")]).external_id,
        "github-actions/1-2---x-"
    );
}

#[test]
fn values_that_cannot_be_used_are_refused_by_name() {
    let long = "x".repeat(5_000);
    let long_group = format!("{}/demo", "g/".repeat(60).trim_end_matches('/'));
    let rows: [(&[_], &[_], &str); 12] = [
        (
            GITHUB,
            &[("GITHUB_REPOSITORY", "acme")],
            "GITHUB_REPOSITORY",
        ),
        (
            GITHUB,
            &[("GITHUB_REPOSITORY", "acme/..")],
            "LARDER_PROJECT",
        ),
        (
            GITHUB,
            &[("GITHUB_REPOSITORY", "acme/a b")],
            "LARDER_PROJECT",
        ),
        (
            GITLAB,
            &[("CI_PROJECT_PATH", &long_group)],
            "LARDER_PROJECT",
        ),
        (GITHUB, &[("GITHUB_RUN_ID", "")], "GITHUB_RUN_ID"),
        (GITHUB, &[("GITHUB_RUN_ID", &long)], "longer than"),
        (
            CIRCLECI,
            &[("CIRCLE_NODE_INDEX", "two")],
            "CIRCLE_NODE_INDEX",
        ),
        (
            CIRCLECI,
            &[("CIRCLE_NODE_INDEX", "3"), ("CIRCLE_NODE_TOTAL", "3")],
            "node 3 of 3",
        ),
        (CIRCLECI, &[("CIRCLE_NODE_TOTAL", "257")], "at most 256"),
        (CIRCLECI, &[("CIRCLE_NODE_TOTAL", "0")], "node 0 of 0"),
        (GITHUB, &[("LARDER_NODE_INDEX", "1")], "LARDER_NODE_TOTAL"),
        (
            GITLAB,
            &[
                ("CI_JOB_NAME", "t 0/3"),
                ("CI_NODE_INDEX", "0"),
                ("CI_NODE_TOTAL", "3"),
            ],
            "counts from 1",
        ),
    ];
    for (set, changes, says) in rows {
        let message = refusal(set, changes);
        assert!(message.contains(says), "{message}");
        assert!(
            message.len() < 600 && !message.contains('\u{1b}'),
            "{message}"
        );
    }
}

#[test]
fn the_document_names_every_variable_that_is_read() {
    let sources = [
        include_str!("mod.rs"),
        include_str!("vendor/circleci.rs"),
        include_str!("vendor/buildkite.rs"),
        include_str!("vendor/github.rs"),
        include_str!("vendor/gitlab.rs"),
        include_str!("vendor/jenkins.rs"),
    ];
    let mut read = 0;
    for literal in sources
        .iter()
        .flat_map(|source| source.split('"').skip(1).step_by(2))
    {
        let is_name = literal.len() > 3
            && literal
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
        if is_name {
            read += 1;
            assert!(
                DOCUMENT.contains(&format!("`{literal}`")),
                "docs/ci.md does not name {literal}"
            );
        }
    }
    assert!(read > 60, "{read}");
}
