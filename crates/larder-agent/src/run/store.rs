//! `store_artifacts` and the sweep of `$CIRCLE_ARTIFACTS`: what is kept, and the lines that say so.

use super::context::Context;
use super::event::Event;
use super::output::Output;
use crate::artifacts::{Collect, Destination, Found, Uploader};
use crate::error::{Error, Result};
use crate::plan::StoreArtifacts;
use futures_util::StreamExt;
use larder_protocol::StepState;
use std::io;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// Keeps the files of a `store_artifacts` step. A path where nothing is does not fail the step; a
/// file that could not be kept does.
pub(super) async fn store(
    context: &Context,
    seq: u32,
    step: &StoreArtifacts,
    output: &mut Output,
) -> Result<StepState> {
    let folders = &context.folders;
    let seen = plain(&folders.expand(&step.path, &folders.working_directory));
    let names = Destination {
        path: &step.path,
        destination: step.destination.as_deref(),
    };
    let shown = match step.destination.as_deref() {
        Some(destination) => destination.to_owned(),
        None => names.of_folder(),
    };
    output
        .line(&format!("Uploading {} to {shown}", seen.display()))
        .await;

    let (view, step) = (folders.view.clone(), step.clone());
    let mut reachable = vec![folders.working_directory.clone(), folders.home.clone()];
    reachable.extend(folders.temporary.clone());
    if context.uses_namespace() {
        reachable.push("/tmp".into());
    }
    let working_directory = folders.working_directory.clone();
    let (include_all, path) = (context.run.options.include_all, seen.clone());
    let (files, warnings) = blocking(move || {
        let names = Destination {
            path: &step.path,
            destination: step.destination.as_deref(),
        };
        let allowed = view
            .resolve(&working_directory)
            .unwrap_or(working_directory);
        let mut collect = Collect::new(&view, vec![allowed], include_all);
        take(&mut collect, &path, names, &reachable);
        (collect.files, collect.warnings)
    })
    .await?;
    if files.is_empty() {
        output
            .line(&format!("  No artifact files found at {}", seen.display()))
            .await;
    }
    let files = files.into_iter().map(|found| (found, None)).collect();
    let end = &context.run.options.cancel;
    keep(context, seq, files, warnings, output, end).await
}

/// Whether a job put anything into `$CIRCLE_ARTIFACTS`.
pub(super) fn has_leftovers(context: &Context) -> bool {
    let host = context.folders.view.host(&context.folders.artifacts);
    std::fs::read_dir(host).is_ok_and(|mut entries| entries.next().is_some())
}

/// Keeps what is in `$CIRCLE_ARTIFACTS`, each file under its absolute path and with the variable's
/// name as its other one.
pub(super) async fn sweep(context: &Context, seq: u32, output: &mut Output) -> Result<StepState> {
    let folder = context.folders.artifacts.clone();
    output
        .line(&format!(
            "Uploading {} ($CIRCLE_ARTIFACTS)",
            folder.display()
        ))
        .await;
    let view = context.folders.view.clone();
    let include_all = context.run.options.include_all;
    let (files, warnings) = blocking(move || {
        let mut collect = Collect::new(&view, Vec::new(), include_all);
        if let Ok(resolved) = view.resolve(&folder) {
            collect.folder(&resolved, "");
        }
        (collect.files, collect.warnings)
    })
    .await?;
    let name = context
        .folders
        .artifacts
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let files = files
        .into_iter()
        .map(|found| {
            let alias = format!("$CIRCLE_ARTIFACTS/{}", found.path);
            let path = format!("tmp/{name}/{}", found.path);
            (Found { path, ..found }, Some(alias))
        })
        .collect();
    // The sweep is what remains to be done after a cancellation: it is not cancelled itself.
    keep(
        context,
        seq,
        files,
        warnings,
        output,
        &CancellationToken::new(),
    )
    .await
}

/// Keeps core files that a step left, by their paths as the step sees them.
pub(super) async fn keep_cores(
    context: &Context,
    seq: u32,
    cores: Vec<PathBuf>,
    output: &mut Output,
) -> Result<StepState> {
    let files = cores
        .iter()
        .filter_map(|core| {
            let name = core.file_name()?.to_str()?;
            let found = Found {
                local: context.folders.view.host(core),
                path: format!("core-dumps/{seq}/{name}"),
            };
            Some((found, None))
        })
        .collect();
    let end = &context.run.options.cancel;
    keep(context, seq, files, Vec::new(), output, end).await
}

fn take(collect: &mut Collect<'_>, seen: &Path, names: Destination<'_>, reachable: &[PathBuf]) {
    let Ok(resolved) = collect.view.resolve(seen) else {
        return;
    };
    // A path that a step turned into a link must not lead out of what is the job's.
    let is_link = resolved != seen;
    let is_reachable = reachable
        .iter()
        .filter_map(|folder| collect.view.resolve(folder).ok())
        .any(|folder| resolved.starts_with(folder));
    if is_link && !is_reachable {
        return collect.warn(format!(
            "{}: leads outside, to {}, skipped",
            seen.display(),
            resolved.display()
        ));
    }
    let Ok(metadata) = collect.view.host(&resolved).symlink_metadata() else {
        return;
    };
    if metadata.is_dir() {
        collect.folder(&resolved, &names.of_folder());
    } else if metadata.is_file() {
        match seen.file_name().and_then(|name| name.to_str()) {
            Some(name) => collect.file(&resolved, names.of_file(name)),
            None => collect.warn(format!(
                "{}: its name is not UTF-8, skipped",
                seen.display()
            )),
        }
    } else {
        collect.warn(format!(
            "{}: neither a file nor a folder, skipped",
            seen.display()
        ));
    }
}

async fn keep(
    context: &Context,
    seq: u32,
    files: Vec<(Found, Option<String>)>,
    warnings: Vec<String>,
    output: &mut Output,
    end: &CancellationToken,
) -> Result<StepState> {
    for warning in warnings {
        output.line(&format!("  {warning}")).await;
        context.warn(warning);
    }
    let uploader = Uploader::new(
        context.server.clone(),
        context.job().id.clone(),
        context.run.options.file_bytes_max,
        context.secrets.clone(),
    );
    let mut state = StepState::Passed;
    let mut answers = uploader.keep_all(files);
    loop {
        let answer = tokio::select! {
            answer = answers.next() => answer,
            () = end.cancelled() => return Ok(StepState::Canceled),
        };
        let Some(answer) = answer else {
            return Ok(state);
        };
        match answer {
            Ok(file) => {
                if let Some(warning) = &file.warning {
                    output.line(&format!("  {warning}")).await;
                    context.warn(warning.clone());
                }
                let seen = context.folders.view.seen(&file.local);
                output
                    .line(&format!(
                        "  Uploading {} ({} B): DONE",
                        seen.display(),
                        file.size
                    ))
                    .await;
                (context.run.events)(Event::Kept {
                    id: &context.job().id,
                    job: context.name(),
                    node: context.index(),
                    seq,
                    file: &file,
                });
                context.add_artifact(file);
            }
            Err(error @ Error::Unreachable { .. }) => return Err(error),
            Err(error) => {
                state = StepState::Failed;
                let problem = error.to_string();
                output.line(&format!("  Error: {problem}")).await;
                context.add_problem(problem);
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::io("look for files")(io::Error::other(error)))
}

/// Without `.`, doubled and trailing `/`, as the log shows it.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}
