//! What a step's crashes left: its core files under their documented names, a word on those that
//! are missing, and the files themselves where the user wants them kept.

use super::context::Context;
use super::core_dumps::{self, Missing, Search};
use super::output::Output;
use super::store;
use crate::error::{Error, Result};
use larder_protocol::StepState;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A program to which the kernel pipes cores gets this long to write one down.
const SPOOL_PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks into its folder.
const SPOOL_PAUSE: Duration = Duration::from_millis(100);

/// A `run` step that has ended.
pub(super) struct Aftermath {
    pub(super) seq: u32,
    /// Where it ran, as it saw it.
    pub(super) directory: PathBuf,
    /// When it began, by the clock of the file system.
    pub(super) since: SystemTime,
    /// The session of its processes.
    pub(super) session: Option<i32>,
    pub(super) exit_status: i32,
    /// Its command sets limits itself.
    pub(super) sets_limits: bool,
}

/// Links the step's cores, keeps them if that is wanted, and explains a missing one. Answers how
/// the keeping went.
pub(super) async fn look_after(
    context: &Context,
    step: &Aftermath,
    output: &mut Output,
) -> Result<StepState> {
    let pattern = core_dumps::pattern();
    let deadline = Instant::now() + SPOOL_PATIENCE;
    let linked = loop {
        let linked = link(context, step, pattern.clone()).await?;
        let may_come = core_dumps::may_come_later(step.exit_status, &pattern);
        if !linked.is_empty() || !may_come || Instant::now() >= deadline {
            break linked;
        }
        tokio::time::sleep(SPOOL_PAUSE).await;
    };
    for link in &linked {
        output.line(&format!("Core file: {}", link.display())).await;
    }
    let is_kept = context.run.options.core_dumps;
    if linked.is_empty() {
        let missing = Missing {
            exit_status: step.exit_status,
            limits: core_dumps::limits(is_kept),
            sets_limits: step.sets_limits,
            since: step.since,
        };
        if let Some(reason) = core_dumps::why_none(&missing, &pattern) {
            output.line(&reason).await;
            context.warn(reason);
        }
        return Ok(StepState::Passed);
    }
    if is_kept {
        return store::keep_cores(context, step.seq, linked, output).await;
    }
    Ok(StepState::Passed)
}

async fn link(context: &Context, step: &Aftermath, pattern: String) -> Result<Vec<PathBuf>> {
    let view = context.folders.view.clone();
    let (directory, since, session) = (step.directory.clone(), step.since, step.session);
    tokio::task::spawn_blocking(move || {
        // The step's own path may lead through links; the walk must not depend on where to.
        let directory = view.resolve(&directory).unwrap_or(directory);
        let search = Search {
            view: &view,
            directory: &directory,
            since,
            session,
        };
        core_dumps::link(&search, &pattern)
    })
    .await
    .map_err(|error| Error::io("look for core files")(io::Error::other(error)))
}
