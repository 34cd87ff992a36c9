//! One `run` step: a shell from its start to its end and that of its output.

use super::context::{Context, HEARTBEAT};
use super::crash::{self, Aftermath};
use super::environment::{restore_artifacts_folder, sets_artifacts_folder};
use super::output::Output;
use super::processes::{Process, STOP_PATIENCE};
use super::sandbox::Request;
use crate::error::{Error, Result};
use crate::plan::Run;
use bytes::BytesMut;
use larder_protocol::StepState;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Read from the pipe at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// A longer command goes through a file: the kernel takes arguments up to 128 KiB.
const COMMAND_BYTES_MAX: usize = 100 * 1024;
/// After the shell's end, what it left running may still hold the pipe: `tee` is about to end, a
/// server is not.
const DRAIN: Duration = Duration::from_secs(2);

/// How a step's shell ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) state: StepState,
    pub(super) exit_status: Option<i32>,
}

impl Ended {
    /// Of a step for which no shell was started.
    pub(super) fn without_shell(state: StepState) -> Self {
        Self {
            state,
            exit_status: None,
        }
    }

    /// Of such a step that did not do what it should.
    pub(super) fn refused() -> Self {
        Self {
            state: StepState::Failed,
            exit_status: Some(1),
        }
    }
}

/// Runs the step until its shell and its output have ended; what it leaves running is kept for the
/// steps after it. `end` ends the step early, with everything that it started.
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
    protect_artifacts_folder(context, seq, step);
    let request = Request {
        namespace: context.uses_namespace(),
        core_dumps: context.run.options.core_dumps,
        mounts: context.folders.mounts(),
        alive: Some(context.run.folder.steps()),
        directory: directory.clone(),
        command: shell_command(context, step, &script),
    };
    let environment = context.environment.of_step(&step.environment);
    let process = Process::start(&context.run.options.sandbox_program, &request, &environment)
        .map_err(Error::io("start the step's shell"))?;
    let session = process.0.session();
    let limit = (!step.background).then_some(step.no_output_timeout);
    let pace = Pace {
        limit,
        heartbeat: HEARTBEAT,
    };
    let say_running = || context.say_running(seq);
    let (mut ended, left) = attend(process, output, end, pace, say_running).await?;
    if let Some((process, pipe)) = left {
        context.leftovers.keep(process, pipe);
    }
    if let (Some(exit_status), Ok(since)) = (ended.exit_status, since) {
        let aftermath = Aftermath {
            seq,
            directory,
            since,
            session,
            exit_status,
            sets_limits: step.command.contains("ulimit "),
        };
        let kept = crash::look_after(context, &aftermath, output).await?;
        if ended.state == StepState::Passed {
            ended.state = kept;
        }
    }
    // A background step runs until it is ended; that is not worth a word.
    if !(step.background && ended.state == StepState::Canceled) {
        say_end(&ended, limit, output).await;
    }
    Ok(ended)
}

/// `$CIRCLE_ARTIFACTS` is the job's own folder for every step, whatever the step's variables and
/// the file that bash reads first say.
fn protect_artifacts_folder(context: &Context, seq: u32, step: &Run) {
    let folders = &context.folders;
    let bash_env = folders.own.join("bash_env");
    let restored = restore_artifacts_folder(&bash_env, &folders.artifacts).unwrap_or(false);
    let refused = "CIRCLE_ARTIFACTS cannot be set; its value is the job's own folder";
    if restored {
        // A step before this one wrote there.
        context.warn(format!("$BASH_ENV: {refused}"));
    }
    if sets_artifacts_folder(&step.environment) {
        context.warn(format!("{}: {refused}", context.step_title(seq)));
    }
}

/// The shell with `-c` and the text, as the documentation describes it.
fn shell_command(context: &Context, step: &Run, script: &Path) -> Vec<OsString> {
    let written = step.shell.as_ref().or(context.run.plan.shell.as_ref());
    let default = if Path::new("/bin/bash").exists() {
        "/bin/bash -eo pipefail"
    } else {
        "/bin/sh -e"
    };
    let mut command: Vec<OsString> = words(written.map_or(default, String::as_str))
        .into_iter()
        .map(OsString::from)
        .collect();
    if command.is_empty() {
        command.push("/bin/sh".into());
    }
    // Small images have a `sh` that knows `pipefail`, and configs count on it; dash does not.
    let is_sh = command[0] == "/bin/sh" || command[0] == "sh";
    let wants_pipefail = command.iter().any(|word| word == "pipefail");
    if is_sh && wants_pipefail && Path::new("/bin/bash").exists() {
        command.splice(..1, ["/bin/bash".into(), "--posix".into()]);
    }
    if step.command.len() > COMMAND_BYTES_MAX {
        command.push(script.into());
    } else {
        command.extend(["-c".into(), step.command.clone().into()]);
    }
    command
}

/// The words of a line as a shell splits them; one whose quotes do not end is split at blanks, and the shell that it
/// names says what it cannot take.
fn words(line: &str) -> Vec<String> {
    shell_words::split(line)
        .unwrap_or_else(|_| line.split_whitespace().map(str::to_owned).collect())
}

/// How long a step may be silent, and how often the server hears of it meanwhile.
#[derive(Clone, Copy)]
struct Pace {
    limit: Option<Duration>,
    heartbeat: Duration,
}

/// What outlives its shell, with its pipe if that is still open.
type Left = (Process, Option<Receiver>);

/// Passes output on until the shell has ended, and stops it when it is silent for too long.
async fn attend<F: Future<Output = Result<()>>>(
    (mut process, mut pipe): (Process, Receiver),
    output: &mut Output,
    end: &CancellationToken,
    Pace { limit, heartbeat }: Pace,
    say_running: impl Fn() -> F,
) -> Result<(Ended, Option<Left>)> {
    let mut state = StepState::Running;
    let mut exit_status = None;
    let mut is_open = true;
    let mut deadline = limit.map(|limit| Instant::now() + limit);
    let mut heartbeat = tokio::time::interval(heartbeat);
    heartbeat.tick().await;
    let mut buffer = BytesMut::with_capacity(PIECE_BYTES);
    while is_open || exit_status.is_none() {
        buffer.reserve(PIECE_BYTES);
        tokio::select! {
            read = pipe.read_buf(&mut buffer), if is_open => {
                is_open = read.map_err(Error::io("read the step's output"))? > 0;
                output.write(&buffer).await;
                buffer.clear();
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
            () = at(output.flush_at()) => output.flush().await,
            _ = heartbeat.tick() => say_running().await?,
        }
    }
    let mut left = None;
    if state == StepState::Running {
        if is_open {
            name_leftovers(&process, output).await;
        }
        left = Some((process, is_open.then_some(pipe)));
        state = if exit_status == Some(0) {
            StepState::Passed
        } else {
            StepState::Failed
        };
    }
    Ok((Ended { state, exit_status }, left))
}

/// Names what holds the output, of which the user sees no more from here on.
async fn name_leftovers(process: &Process, output: &mut Output) {
    let names = process.programs().join(", ");
    if !names.is_empty() {
        let line = format!("Left running until the job's end, its further output unseen: {names}");
        output.line(&line).await;
    }
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
            let limit = duration(limit.unwrap_or_default());
            output
                .line(&format!(
                    "Too long with no output (exceeded {limit}): context deadline exceeded"
                ))
                .await;
        }
        StepState::Canceled => output.line("Canceled").await,
        StepState::Running | StepState::Passed | StepState::Skipped => {}
    }
}

/// As CircleCI writes it, and Go: `10m0s`, `1h15m0s`, `1.5s`, `300ms`.
fn duration(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 && nanos > 0 {
        return format!("{}ms", duration.as_secs_f64() * 1000.0);
    }
    let rest = Duration::new(seconds % 60, nanos).as_secs_f64();
    match (seconds / 3600, seconds / 60 % 60) {
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::Secrets;
    use crate::run::mask::Mask;
    use crate::server::{Server, ServerAddress};
    use std::cell::Cell;
    use std::sync::Arc;

    #[test]
    fn a_shell_is_split_as_a_shell_splits_words() {
        let words_of = |line| words(line).join("|");
        assert_eq!(
            words_of("/bin/bash  -eo pipefail"),
            "/bin/bash|-eo|pipefail"
        );
        assert_eq!(
            words_of(r#"env "A=b c" D='e "f' g\ h"#),
            r#"env|A=b c|D=e "f|g h"#
        );
        assert_eq!(words_of("bash -c 'x"), "bash|-c|'x");
        assert_eq!(words_of(" "), "");
    }

    #[tokio::test]
    async fn the_server_hears_of_a_silent_step_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let address = ServerAddress {
            url: "http://127.0.0.1:1".into(),
            token: "t".into(),
            ca_pem: None,
        };
        let server = Server::new(&address).unwrap();
        let mask = Mask::new(&Secrets::default());
        let mut output = Output::open(
            server,
            ("job".into(), "id".into()),
            (0, 0, 0),
            Arc::new(|_| {}),
            &mask,
            std::future::ready(Ok(())),
        );
        // In the place of the sandbox: it ends as soon as it has been heard of three times.
        let go = folder.path().join("go");
        let script = folder.path().join("silent");
        let waits = format!(
            "#!/bin/sh\nuntil test -e {}; do sleep 0.01; done\n",
            go.display()
        );
        fs::write(&script, waits).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&script, mode).unwrap();
        let request = Request::default();
        let environment = [("PATH".to_owned(), "/usr/bin:/bin".into())].into();
        let process = Process::start(&script, &request, &environment).unwrap();
        let heard = Cell::new(0);
        let pace = Pace {
            limit: None,
            heartbeat: Duration::from_millis(10),
        };
        let end = CancellationToken::new();
        let ended = attend(process, &mut output, &end, pace, || {
            heard.set(heard.get() + 1);
            if heard.get() == 3 {
                fs::write(&go, "").unwrap();
            }
            std::future::ready(Ok(()))
        });
        let patience = Duration::from_secs(30);
        let ended = tokio::time::timeout(patience, ended)
            .await
            .unwrap()
            .unwrap()
            .0;
        assert_eq!(ended.state, StepState::Passed);
        assert!(heard.get() >= 3);
    }

    #[test]
    fn durations_are_written_as_the_vendor_does() {
        let check = |millis: u64, expected: &str| {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        };
        check(600_000, "10m0s");
        check(4_500_000, "1h15m0s");
        check(3_600_000, "1h0m0s");
        check(5_000, "5s");
        check(1_500, "1.5s");
        check(300, "300ms");
        check(90_250, "1m30.25s");
        check(0, "0s");
    }
}
