//! The variables that every job of the vendor's has.

use super::{Run, folders::NodeFolders};
use crate::plan::StepKind;
use larder_protocol::AnnouncedJob;
use std::ffi::OsString;

/// As `docs/api/circleci.md` lists them; what is unknown here is not set.
pub(super) fn built_in(
    run: &Run,
    job: &AnnouncedJob,
    folders: &NodeFolders,
) -> Vec<(&'static str, String)> {
    let facts = &run.options.facts;
    let mut project = run.options.project.split('/').skip(1).map(str::to_owned);
    let mut variables = vec![
        ("CI", "true".to_owned()),
        ("CIRCLECI", "true".to_owned()),
        ("CIRCLE_JOB", run.plan.job.clone()),
        ("CIRCLE_NODE_INDEX", job.index.to_string()),
        ("CIRCLE_NODE_TOTAL", run.plan.parallelism.to_string()),
        ("CIRCLE_BUILD_URL", run.build.url.clone()),
        ("CIRCLE_WORKFLOW_ID", run.build.id.clone()),
        ("CIRCLE_WORKFLOW_JOB_ID", job.id.clone()),
        ("CIRCLE_WORKFLOW_WORKSPACE_ID", run.build.id.clone()),
    ];
    let working_directory = run.plan.working_directory.clone();
    let test_reports = folders.test_reports.display().to_string();
    let known = [
        ("CIRCLE_WORKING_DIRECTORY", Some(working_directory)),
        ("CIRCLE_TEST_REPORTS", Some(test_reports)),
        ("CIRCLE_PROJECT_USERNAME", project.next()),
        ("CIRCLE_PROJECT_REPONAME", project.next()),
        ("CIRCLE_USERNAME", user(&run.options.caller_environment)),
        ("CIRCLE_BRANCH", facts.branch.clone()),
        ("CIRCLE_TAG", facts.tag.clone()),
        ("CIRCLE_SHA1", facts.revision.clone()),
        ("CIRCLE_REPOSITORY_URL", facts.repository_url.clone()),
        ("CIRCLE_BUILD_NUM", job.number.map(|it| it.to_string())),
        (
            "CIRCLE_PREVIOUS_BUILD_NUM",
            job.number
                .filter(|number| *number > 1)
                .map(|number| (number - 1).to_string()),
        ),
    ];
    variables.extend(
        known
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    variables
}

fn user(caller: &[(OsString, OsString)]) -> Option<String> {
    let (_, name) = caller.iter().find(|(name, _)| name == "USER")?;
    name.to_str().map(str::to_owned)
}

/// The variables that steps set for themselves.
pub(super) fn of_steps(run: &Run) -> impl Iterator<Item = &(String, String)> {
    run.plan.steps.iter().flat_map(|step| match &step.kind {
        StepKind::Run(run) => run.environment.as_slice(),
        _ => &[],
    })
}
