//! `store_test_results` and `$CIRCLE_TEST_REPORTS`: which files of JUnit XML are kept as results.

use super::context::Context;
use super::output::Output;
use crate::artifacts::{Collect, Found, View, junit};
use crate::error::{Error, Result};
use larder_protocol::{StepState, TestBody};
use std::io;
use std::path::{Path, PathBuf};

/// More files than this in one step are a mistake.
const FILES_MAX: usize = 10_000;
/// All files of one step together.
const BYTES_MAX: u64 = 100 * 1024 * 1024;

/// Carries out `store_test_results`. A path where nothing is does not fail the step.
pub(super) async fn store(context: &Context, path: &str, output: &mut Output) -> Result<StepState> {
    let folders = &context.folders;
    let seen = folders.expand(path, &folders.working_directory);
    collect(context, &seen, output).await
}

/// Whether a job put anything into `$CIRCLE_TEST_REPORTS`.
pub(super) fn has_leftovers(context: &Context) -> bool {
    let host = context.folders.view.host(&context.folders.test_reports);
    std::fs::read_dir(host).is_ok_and(|mut entries| entries.next().is_some())
}

/// Keeps what is in `$CIRCLE_TEST_REPORTS`.
pub(super) async fn sweep(context: &Context, output: &mut Output) -> Result<StepState> {
    collect(context, &context.folders.test_reports, output).await
}

async fn collect(context: &Context, seen: &Path, output: &mut Output) -> Result<StepState> {
    let (view, path) = (context.folders.view.clone(), seen.to_owned());
    let working_directory = context.folders.working_directory.clone();
    let (files, warnings) = tokio::task::spawn_blocking(move || {
        let allowed = view
            .resolve(&working_directory)
            .unwrap_or(working_directory);
        let mut collect = Collect::new(&view, vec![allowed], false);
        take(&mut collect, &path);
        let files = within_limits(std::mem::take(&mut collect.files), &mut collect.warnings);
        (files, collect.warnings)
    })
    .await
    .map_err(|error| Error::io("look for test results")(io::Error::other(error)))?;
    for warning in warnings {
        output.line(&format!("  {warning}")).await;
        context.warn(warning);
    }
    if files.is_empty() {
        let line = format!("No test results (*.xml) found at {}", seen.display());
        output.line(&line).await;
        return Ok(StepState::Passed);
    }
    keep_test_results(context, files, output).await
}

fn take(collect: &mut Collect<'_>, seen: &Path) {
    let Ok(resolved) = collect.view.resolve(seen) else {
        return;
    };
    let Ok(metadata) = collect.view.host(&resolved).symlink_metadata() else {
        return;
    };
    if metadata.is_dir() {
        collect.folder(&resolved, "");
    } else if metadata.is_file() {
        collect.file(&resolved, seen.display().to_string());
    }
}

/// Those that are XML, as many and as large as one step may have.
fn within_limits(files: Vec<Found>, warnings: &mut Vec<String>) -> Vec<PathBuf> {
    let mut taken = Vec::new();
    let mut bytes: u64 = 0;
    for file in files {
        let is_xml = file
            .local
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("xml"));
        if !is_xml {
            continue;
        }
        let size = file.local.metadata().map_or(0, |metadata| metadata.len());
        bytes = bytes.saturating_add(size);
        if taken.len() == FILES_MAX || bytes > BYTES_MAX {
            warnings.push(format!(
                "{} and more: a step takes at most {FILES_MAX} files and {BYTES_MAX} bytes of test results",
                file.path
            ));
            break;
        }
        taken.push(file.local);
    }
    taken
}

/// Reads the files and keeps what they say with the job. A file that cannot be read is a warning: the
/// job did its work.
async fn keep_test_results(
    context: &Context,
    files: Vec<PathBuf>,
    output: &mut Output,
) -> Result<StepState> {
    let count = files.len();
    let view = context.folders.view.clone();
    let (tests, warnings) = tokio::task::spawn_blocking(move || read_all(&view, &files))
        .await
        .map_err(|error| Error::io("read test results")(io::Error::other(error)))?;
    for warning in warnings {
        output.line(&format!("  {warning}")).await;
        context.warn(warning);
    }
    let line = format!("{} test results in {count} files", tests.len());
    output.line(&line).await;
    for report in junit::reports(tests) {
        let number = context.next_report();
        let job = &context.job().id;
        match context.server.put_tests(job, number, &report).await {
            Err(Error::Refused { message, .. }) => {
                let warning = format!("Test results are not kept: {message}");
                output.line(&warning).await;
                context.warn(warning);
            }
            other => other?,
        }
    }
    Ok(StepState::Passed)
}

fn read_all(view: &View, files: &[PathBuf]) -> (Vec<TestBody>, Vec<String>) {
    let (mut tests, mut warnings) = (Vec::new(), Vec::new());
    for file in files {
        let read = std::fs::read(file)
            .map_err(|error| error.to_string())
            .and_then(|bytes| junit::read(&bytes));
        match read {
            Ok(more) => tests.extend(more),
            Err(error) => warnings.push(format!(
                "{}: no test results: {error}",
                view.seen(file).display()
            )),
        }
    }
    (tests, warnings)
}
