//! One `run` step: a shell from its start to the end of everything that it started.

use super::context::Context;
use super::core_dumps;
use super::output::Output;
use super::processes::Process;
use super::sandbox::Request;
use crate::error::{Error, Result};
use crate::plan::Run;
use bytes::BytesMut;
use larder_protocol::StepState;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Read from the pipe at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// A longer command goes through a file: the kernel takes arguments up to 128 KiB.
const COMMAND_BYTES_MAX: usize = 100 * 1024;
/// After the shell and all it started have ended, somebody else may still hold the pipe.
const DRAIN: Duration = Duration::from_secs(2);
/// The sandbox gives processes two seconds to end before it kills them; it is itself killed here.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// How a step's shell ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) state: StepState,
    pub(super) exit_status: Option<i32>,
}

/// Runs the step until everything that it started has ended. `end` ends it early.
pub(super) async fn run(
    context: &Context,
    seq: u32,
    step: &Run,
    output: &mut Output,
    end: &CancellationToken,
) -> Result<Ended> {
    let directory = match &step.working_directory {
        Some(directory) => context
            .folders
            .expand(directory, &context.folders.working_directory),
        None => context.folders.working_directory.clone(),
    };
    let script = context.folders.own.join(format!("step-{seq}"));
    fs::write(&script, &step.command).map_err(Error::io(script.display().to_string()))?;
    let since = fs::metadata(&script).and_then(|metadata| metadata.modified());
    let request = Request {
        namespace: context.uses_namespace(),
        mounts: context.folders.mounts(),
        directory: directory.clone(),
        command: shell_command(context, step, &script),
    };
    let environment = context.environment.of_step(&step.environment);
    let process = Process::start(&context.run.options.sandbox_program, &request, &environment)
        .map_err(Error::io("start the step's shell"))?;
    let limit = (!step.background).then_some(step.no_output_timeout);
    let ended = attend(process, output, end, limit, || context.say_running(seq)).await?;
    say_end(&ended, limit, output).await;
    if let (Some(exit_status), Ok(since)) = (ended.exit_status, since) {
        link_cores(context, directory, since, exit_status, output).await?;
    }
    Ok(ended)
}

/// The shell with `-c` and the text, as the documentation describes it.
fn shell_command(context: &Context, step: &Run, script: &Path) -> Vec<OsString> {
    let written = step.shell.as_ref().or(context.run.plan.shell.as_ref());
    let default = if Path::new("/bin/bash").exists() {
        "/bin/bash -eo pipefail"
    } else {
        "/bin/sh -e"
    };
    let mut command: Vec<OsString> = written
        .map_or(default, String::as_str)
        .split_whitespace()
        .map(OsString::from)
        .collect();
    if command.is_empty() {
        command.push("/bin/sh".into());
    }
    if step.command.len() > COMMAND_BYTES_MAX {
        command.push(script.into());
    } else {
        command.extend(["-c".into(), step.command.clone().into()]);
    }
    command
}

/// Passes output on until the shell has ended, and stops it when it is silent for too long.
async fn attend<F: Future<Output = Result<()>>>(
    (mut process, mut pipe): (Process, Receiver),
    output: &mut Output,
    end: &CancellationToken,
    limit: Option<Duration>,
    say_running: impl Fn() -> F,
) -> Result<Ended> {
    let mut state = StepState::Running;
    let mut exit_status = None;
    let mut is_open = true;
    let mut deadline = limit.map(|limit| Instant::now() + limit);
    let mut heartbeat = tokio::time::interval(super::context::HEARTBEAT);
    heartbeat.tick().await;
    let mut buffer = BytesMut::with_capacity(PIECE_BYTES);
    while is_open || exit_status.is_none() {
        buffer.reserve(PIECE_BYTES);
        tokio::select! {
            read = pipe.read_buf(&mut buffer), if is_open => {
                is_open = read.map_err(Error::io("read the step's output"))? > 0;
                output.write(buffer.split().freeze()).await;
                if state == StepState::Running && exit_status.is_none() {
                    deadline = limit.map(|limit| Instant::now() + limit);
                }
            }
            status = process.wait(), if exit_status.is_none() => {
                exit_status = Some(status.map_err(Error::io("wait for the step"))?);
                deadline = Some(Instant::now() + DRAIN);
            }
            () = end.cancelled(), if state == StepState::Running && exit_status.is_none() => {
                state = StepState::Canceled;
                process.stop();
                deadline = Some(Instant::now() + STOP_PATIENCE);
            }
            () = at(deadline) => {
                if exit_status.is_some() {
                    break;
                }
                if state == StepState::Running {
                    state = StepState::TimedOut;
                    process.stop();
                    deadline = Some(Instant::now() + STOP_PATIENCE);
                } else {
                    process.kill();
                    deadline = None;
                }
            }
            _ = heartbeat.tick() => say_running().await?,
        }
    }
    if state == StepState::Running {
        state = if exit_status == Some(0) {
            StepState::Passed
        } else {
            StepState::Failed
        };
    }
    Ok(Ended { state, exit_status })
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn say_end(ended: &Ended, limit: Option<Duration>, output: &mut Output) {
    match ended.state {
        StepState::Failed => {
            let code = ended.exit_status.unwrap_or(1);
            output.line(&format!("Exited with code {code}")).await;
        }
        StepState::TimedOut => {
            let seconds = limit.unwrap_or_default().as_secs_f64();
            output
                .line(&format!("Too long with no output (exceeded {seconds} s)"))
                .await;
        }
        StepState::Canceled => output.line("Canceled").await,
        StepState::Running | StepState::Passed | StepState::Skipped => {}
    }
}

async fn link_cores(
    context: &Context,
    directory: PathBuf,
    since: SystemTime,
    exit_status: i32,
    output: &mut Output,
) -> Result<()> {
    let view = context.folders.view.clone();
    let pattern = core_dumps::pattern();
    let reason = core_dumps::why_none(exit_status, &pattern);
    let linked = tokio::task::spawn_blocking(move || {
        // The step's own path may lead through links; the walk must not depend on where to.
        let directory = view.resolve(&directory).unwrap_or(directory);
        core_dumps::link(
            &core_dumps::Search {
                view: &view,
                directory: &directory,
                since,
            },
            &pattern,
        )
    })
    .await
    .map_err(|error| Error::io("look for core files")(io::Error::other(error)))?;
    for link in &linked {
        output.line(&format!("Core file: {}", link.display())).await;
    }
    if let Some(reason) = reason.filter(|_| linked.is_empty()) {
        output.line(&reason).await;
        context.warn(reason);
    }
    Ok(())
}
