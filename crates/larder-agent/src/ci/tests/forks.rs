//! Pull requests: which of them come from other people's copies.

use super::*;

/// What a CI says, what differs from its usual variables, whether that is a fork, and the branch.
type ForkRow = (
    &'static [(&'static str, &'static str)],
    &'static [(&'static str, &'static str)],
    bool,
    &'static str,
);

fn assert_forks(rows: &[ForkRow]) {
    for &(set, changes, fork, branch) in rows {
        let build = detect(set, changes);
        assert_eq!(build.fork, fork, "{changes:?}");
        assert_eq!(build.facts.branch.as_deref(), Some(branch), "{changes:?}");
    }
}

#[test]
fn circleci_and_buildkite_tell_pull_requests_of_forks_from_those_of_branches() {
    assert_forks(&[
        (
            CIRCLECI,
            &[
                ("CIRCLE_BRANCH", "pull/12"),
                ("CIRCLE_PR_NUMBER", "12"),
                ("CIRCLE_PR_USERNAME", "eve"),
            ],
            true,
            "pull/12",
        ),
        (
            CIRCLECI,
            &[
                ("CIRCLE_BRANCH", "fix"),
                (
                    "CIRCLE_PULL_REQUEST",
                    "https://github.com/acme/demo/pull/12",
                ),
            ],
            false,
            "fix",
        ),
        (
            BUILDKITE,
            &[
                ("BUILDKITE_BRANCH", "eve:fix"),
                ("BUILDKITE_PULL_REQUEST", "12"),
                (
                    "BUILDKITE_PULL_REQUEST_REPO",
                    "https://github.com/eve/demo.git",
                ),
            ],
            true,
            "eve:fix",
        ),
        (
            BUILDKITE,
            &[
                ("BUILDKITE_BRANCH", "fix"),
                ("BUILDKITE_PULL_REQUEST", "12"),
                (
                    "BUILDKITE_PULL_REQUEST_REPO",
                    "git://github.com/acme/demo.git",
                ),
            ],
            false,
            "fix",
        ),
    ]);
}

#[test]
fn gitlab_and_jenkins_tell_pull_requests_of_forks_from_those_of_branches() {
    assert_forks(&[
        (
            GITLAB,
            &[
                ("CI_COMMIT_BRANCH", ""),
                ("CI_COMMIT_REF_NAME", "refs/merge-requests/1/head"),
                ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix"),
                ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "eve/demo"),
                ("CI_MERGE_REQUEST_PROJECT_PATH", "acme/demo"),
            ],
            true,
            "fix",
        ),
        (
            GITLAB,
            &[
                ("CI_COMMIT_BRANCH", ""),
                ("CI_COMMIT_REF_NAME", "fix"),
                ("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "fix"),
                ("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "acme/demo"),
                ("CI_MERGE_REQUEST_PROJECT_PATH", "acme/demo"),
            ],
            false,
            "fix",
        ),
        (
            JENKINS,
            &[
                ("BRANCH_NAME", "PR-12"),
                ("CHANGE_BRANCH", "fix"),
                ("CHANGE_FORK", "eve"),
                ("CHANGE_ID", "12"),
            ],
            true,
            "fix",
        ),
        (
            JENKINS,
            &[
                ("BRANCH_NAME", "PR-12"),
                ("CHANGE_BRANCH", "fix"),
                ("CHANGE_ID", "12"),
            ],
            false,
            "fix",
        ),
        (
            JENKINS,
            &[("BRANCH_NAME", ""), ("GIT_BRANCH", "origin/feature/x")],
            false,
            "feature/x",
        ),
    ]);
}

#[test]
fn github_tells_forks_in_its_event() {
    let of_pull_request = [
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_HEAD_REF", "fix"),
        ("GITHUB_REF_NAME", "12/merge"),
    ];
    let pushed = "89abcdef0123456789abcdef0123456789abcdef";
    let event = |repo: &str| {
        format!(
            r#"{{"action":"opened","pull_request":{{"title":"Fix the door","head":{{"sha":"{pushed}","repo":{repo}}}}}}}"#
        )
    };
    for (repo, fork) in [
        (r#"{"full_name":"eve/demo","fork":true}"#, true),
        // A repository that is itself a fork of another.
        (r#"{"full_name":"acme/demo","fork":true}"#, false),
        ("null", true),
    ] {
        let build = CiBuild::detect(&with(GITHUB, &of_pull_request), Some(&event(repo)));
        let build = build.unwrap().unwrap();
        assert_eq!(build.fork, fork, "{repo}");
        assert_eq!(build.facts.branch.as_deref(), Some("fix"));
        assert_eq!(build.facts.revision.as_deref(), Some(pushed));
        assert_eq!(build.facts.message.as_deref(), Some("Fix the door"));
    }
    let push = r#"{"head_commit":{"message":"Add a door\n\nIt opens."}}"#;
    let build = CiBuild::detect(&with(GITHUB, &[]), Some(push))
        .unwrap()
        .unwrap();
    assert_eq!(build.facts.message.as_deref(), Some("Add a door"));
    for nonsense in ["", "{", "[]", r#"{"pull_request":7}"#] {
        let build = CiBuild::detect(&with(GITHUB, &[]), Some(nonsense))
            .unwrap()
            .unwrap();
        assert_eq!(build.facts.revision.as_deref(), Some(SHA), "{nonsense}");
    }
}
