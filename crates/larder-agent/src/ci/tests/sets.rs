//! Variables of an ordinary build of `main` in each CI.

use super::SHA;

pub(super) const CIRCLECI: &[(&str, &str)] = &[
    ("CI", "true"),
    ("CIRCLECI", "true"),
    ("CIRCLE_BRANCH", "main"),
    ("CIRCLE_BUILD_NUM", "132"),
    ("CIRCLE_BUILD_URL", "https://circleci.com/gh/acme/demo/132"),
    ("CIRCLE_JOB", "test"),
    ("CIRCLE_NODE_INDEX", "0"),
    ("CIRCLE_NODE_TOTAL", "1"),
    ("CIRCLE_PROJECT_REPONAME", "demo"),
    ("CIRCLE_PROJECT_USERNAME", "acme"),
    ("CIRCLE_REPOSITORY_URL", "git@github.com:acme/demo.git"),
    ("CIRCLE_SHA1", SHA),
    ("CIRCLE_WORKFLOW_ID", "b8a4ab8d-a262-4e68-9e9e-1ce2d5ee07c5"),
    (
        "CIRCLE_WORKFLOW_WORKSPACE_ID",
        "b8a4ab8d-a262-4e68-9e9e-1ce2d5ee07c5",
    ),
];

pub(super) const BUILDKITE: &[(&str, &str)] = &[
    ("CI", "true"),
    ("BUILDKITE", "true"),
    ("BUILDKITE_BRANCH", "main"),
    ("BUILDKITE_BUILD_ID", "01990c6e-7b1c-4000-8000-000000000001"),
    ("BUILDKITE_BUILD_NUMBER", "27"),
    (
        "BUILDKITE_BUILD_URL",
        "https://buildkite.com/acme/demo-pipeline/builds/27",
    ),
    ("BUILDKITE_COMMIT", SHA),
    ("BUILDKITE_LABEL", ":hammer: Tests"),
    ("BUILDKITE_MESSAGE", "Add a door\n\nIt opens."),
    ("BUILDKITE_ORGANIZATION_SLUG", "acme"),
    ("BUILDKITE_PIPELINE_PROVIDER", "github"),
    ("BUILDKITE_PIPELINE_SLUG", "demo-pipeline"),
    ("BUILDKITE_PULL_REQUEST", "false"),
    ("BUILDKITE_PULL_REQUEST_REPO", ""),
    ("BUILDKITE_REPO", "git@github.com:acme/demo.git"),
    ("BUILDKITE_RETRY_COUNT", "0"),
    ("BUILDKITE_STEP_ID", "01990c6e-7b1c-4000-8000-000000000002"),
    ("BUILDKITE_STEP_KEY", "tests"),
    ("BUILDKITE_TAG", ""),
];

pub(super) const GITHUB: &[(&str, &str)] = &[
    ("CI", "true"),
    ("GITHUB_ACTIONS", "true"),
    ("GITHUB_EVENT_NAME", "push"),
    ("GITHUB_HEAD_REF", ""),
    ("GITHUB_JOB", "test"),
    ("GITHUB_REF", "refs/heads/main"),
    ("GITHUB_REF_NAME", "main"),
    ("GITHUB_REF_TYPE", "branch"),
    ("GITHUB_REPOSITORY", "acme/demo"),
    ("GITHUB_RUN_ATTEMPT", "1"),
    ("GITHUB_RUN_ID", "1658821493"),
    ("GITHUB_SERVER_URL", "https://github.com"),
    ("GITHUB_SHA", SHA),
];

pub(super) const GITLAB: &[(&str, &str)] = &[
    ("CI", "true"),
    ("GITLAB_CI", "true"),
    ("CI_COMMIT_BRANCH", "main"),
    ("CI_COMMIT_REF_NAME", "main"),
    ("CI_COMMIT_SHA", SHA),
    ("CI_COMMIT_MESSAGE", "Add a door\n\nIt opens."),
    ("CI_COMMIT_TITLE", "Add a door"),
    ("CI_JOB_NAME", "test"),
    ("CI_NODE_TOTAL", "1"),
    ("CI_PIPELINE_ID", "1000"),
    (
        "CI_PIPELINE_URL",
        "https://gitlab.com/acme/demo/-/pipelines/1000",
    ),
    ("CI_PROJECT_PATH", "acme/demo"),
    ("CI_SERVER_HOST", "gitlab.com"),
];

pub(super) const JENKINS: &[(&str, &str)] = &[
    ("BRANCH_NAME", "main"),
    ("BUILD_NUMBER", "7"),
    ("BUILD_TAG", "jenkins-acme-demo-main-7"),
    (
        "BUILD_URL",
        "https://ci.example/job/acme/job/demo/job/main/7/",
    ),
    ("GIT_BRANCH", "main"),
    ("GIT_COMMIT", SHA),
    ("GIT_URL", "https://github.com/acme/demo.git"),
    ("JENKINS_URL", "https://ci.example/"),
    ("JOB_NAME", "acme/demo/main"),
    ("STAGE_NAME", "Test"),
];
