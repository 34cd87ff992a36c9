//! The program between the agent and a step's shell: `larder sandbox …`, started by the agent and
//! by nobody else. It gives the shell folders of its own, waits for it, and leaves no process
//! behind, also when the agent dies: its standard input is a lifeline whose end means "stop".
//!
//! It runs before any other thread exists, since a process with several threads cannot get a user
//! namespace.

mod descendants;
mod namespace;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use descendants::Reaping;
use rustix::process::{WaitOptions, WaitStatus};

/// The argument after which the binary calls [`enter`].
pub const SUBCOMMAND: &str = "sandbox";

/// Exit status when the shell could not even be started; shells use 127 for the same.
const NOT_STARTED: u8 = 127;
/// What is left over after the shell's end gets this long to end by itself.
const GRACE_AFTER_END: Duration = Duration::from_millis(500);
/// What is stopped gets this long to end by itself.
const GRACE_AFTER_STOP: Duration = Duration::from_secs(2);

/// What the agent asks for; [`Request::to_args`] and [`enter`] are each other's inverse.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Request {
    /// Whether to get a mount namespace, without which there are no mounts.
    pub(crate) namespace: bool,
    /// Folders laid over others: (where they are, where the shell sees them).
    pub(crate) mounts: Vec<(PathBuf, PathBuf)>,
    /// Where the shell starts, as it sees it.
    pub(crate) directory: PathBuf,
    /// The shell and its arguments.
    pub(crate) command: Vec<OsString>,
}

/// The whole life of `larder sandbox …`; `args` are those after the subcommand. The exit status is
/// that of the shell, 128 + n if signal n killed it.
///
/// Call it first thing in `main`, before a runtime or any thread is started.
pub fn enter(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Request::parse(args).and_then(|request| run(&request)) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            // The agent reads both streams as the step's output; there is nobody else to tell.
            let _ = writeln!(std::io::stderr(), "larder sandbox: {message}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

impl Request {
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![SUBCOMMAND.into()];
        if self.namespace {
            args.push("--namespace".into());
        }
        for (from, onto) in &self.mounts {
            args.extend(["--mount".into(), from.into(), onto.into()]);
        }
        args.extend([
            "--directory".into(),
            self.directory.clone().into(),
            "--".into(),
        ]);
        args.extend(self.command.iter().cloned());
        args
    }

    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args.into_iter();
        let mut request = Self {
            directory: "/".into(),
            ..Self::default()
        };
        let missing = || "an argument is missing; the agent calls this command itself".to_owned();
        loop {
            let arg = args.next().ok_or_else(missing)?;
            match arg.to_str() {
                Some("--namespace") => request.namespace = true,
                Some("--mount") => {
                    let (from, onto) = args.next().zip(args.next()).ok_or_else(missing)?;
                    request.mounts.push((from.into(), onto.into()));
                }
                Some("--directory") => request.directory = args.next().ok_or_else(missing)?.into(),
                Some("--") => break,
                _ => return Err(format!("unknown argument {}", arg.display())),
            }
        }
        request.command = args.collect();
        if request.command.is_empty() {
            Err(missing())
        } else {
            Ok(request)
        }
    }
}

fn run(request: &Request) -> Result<u8, String> {
    // A session of its own: the terminal's Ctrl-C is the agent's to answer. It fails only if this
    // process leads a session already.
    let _ = rustix::process::setsid();
    if request.namespace {
        namespace::enter(&request.mounts)?;
    }
    std::env::set_current_dir(&request.directory)
        .map_err(|error| format!("change to {}: {error}", request.directory.display()))?;
    // Processes whose parents have ended become children of this one and cannot get away.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("become the parent of orphans: {error}"))?;
    let shell = Command::new(&request.command[0])
        .args(&request.command[1..])
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("start {}: {error}", request.command[0].display()))?;
    let is_stopped = hold_lifeline();
    let status = wait_for(shell.id())?;
    if let Some(signal) = status.terminating_signal()
        && !is_stopped.load(Ordering::SeqCst)
    {
        // A shell that ran its last command in its own place could not say this itself.
        let core = if status.as_raw() & 0x80 == 0 {
            ""
        } else {
            " (core dumped)"
        };
        let _ = writeln!(std::io::stderr(), "{}{core}", describe(signal));
    }
    descendants::end_all(GRACE_AFTER_END, Reaping::Here);
    Ok(exit_code(status))
}

/// Stops everything when the agent closes its end, or dies.
fn hold_lifeline() -> Arc<AtomicBool> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let flag = is_stopped.clone();
    std::thread::spawn(move || {
        let mut byte = [0];
        loop {
            match std::io::stdin().read(&mut byte) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        flag.store(true, Ordering::SeqCst);
        descendants::end_all(GRACE_AFTER_STOP, Reaping::Elsewhere);
    });
    is_stopped
}

/// Waits for the shell, and meanwhile for every orphan that ended.
fn wait_for(shell: u32) -> Result<WaitStatus, String> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().cast_unsigned() == shell => {
                return Ok(status);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("wait for the shell: {error}")),
        }
    }
}

fn exit_code(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 1,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// As shells say it.
fn describe(signal: i32) -> String {
    let words = match signal {
        1 => "Hangup",
        2 => "Interrupt",
        3 => "Quit",
        4 => "Illegal instruction",
        5 => "Trace/breakpoint trap",
        6 => "Aborted",
        7 => "Bus error",
        8 => "Floating point exception",
        9 => "Killed",
        11 => "Segmentation fault",
        13 => "Broken pipe",
        14 => "Alarm clock",
        15 => "Terminated",
        24 => "CPU time limit exceeded",
        25 => "File size limit exceeded",
        31 => "Bad system call",
        other => return format!("Ended by signal {other}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_asks_is_what_the_sandbox_reads() {
        let request = Request {
            namespace: true,
            mounts: vec![("/var/x".into(), "/tmp".into()), ("--".into(), "/w".into())],
            directory: "/tmp".into(),
            command: vec!["/bin/sh".into(), "-c".into(), "echo --".into()],
        };
        let args = request.to_args();
        assert_eq!(args[0], SUBCOMMAND);
        assert_eq!(Request::parse(args.into_iter().skip(1)).unwrap(), request);
        assert!(Request::parse(["--mount".into(), "/a".into()]).is_err());
        assert!(Request::parse(["--directory".into(), "/".into(), "--".into()]).is_err());
    }
}
