//! The program between the agent and a step's shell: `larder sandbox …`, started by the agent and
//! by nobody else. It gives the shell folders of its own, waits for it, and tells the agent how it
//! ended. Then it stays as the parent of what the shell left running, and leaves no process behind
//! when it is stopped, also when the agent dies: its standard input is a lifeline, a socket on which
//! it sends the exit status, and whose end means "stop".
//!
//! It runs before any other thread exists, since a process with several threads cannot get a user
//! namespace.

mod descendants;
mod namespace;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use descendants::Reaping;
use rustix::process::{Resource, Rlimit, WaitOptions, WaitStatus, getrlimit, setrlimit};

/// The argument after which the binary calls [`enter`].
pub const SUBCOMMAND: &str = "sandbox";

/// Exit status when the shell could not even be started; shells use 127 for the same.
const NOT_STARTED: u8 = 127;
/// What is left over after the end of a shell that was stopped gets this long to end by itself.
const GRACE_AFTER_END: Duration = Duration::from_millis(500);
/// What is stopped gets this long to end by itself.
const GRACE_AFTER_STOP: Duration = Duration::from_secs(2);

/// What the agent asks for; [`Request::to_args`] and [`enter`] are each other's inverse.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Request {
    /// Whether to get a mount namespace, without which there are no mounts.
    pub(crate) namespace: bool,
    /// Whether the limit for core files is raised as far as it goes.
    pub(crate) core_dumps: bool,
    /// Folders laid over others: (where they are, where the shell sees them).
    pub(crate) mounts: Vec<(PathBuf, PathBuf)>,
    /// A file of which the lock is shared by all sandboxes of a run until their processes have ended.
    pub(crate) alive: Option<PathBuf>,
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
        if self.core_dumps {
            args.push("--core-dumps".into());
        }
        for (from, onto) in &self.mounts {
            args.extend(["--mount".into(), from.into(), onto.into()]);
        }
        if let Some(alive) = &self.alive {
            args.extend(["--alive".into(), alive.into()]);
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
                Some("--core-dumps") => request.core_dumps = true,
                Some("--mount") => {
                    let (from, onto) = args.next().zip(args.next()).ok_or_else(missing)?;
                    request.mounts.push((from.into(), onto.into()));
                }
                Some("--alive") => {
                    request.alive = Some(args.next().ok_or_else(missing)?.into());
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
    // Closed with this process, and not open in the shell.
    let _alive = request.alive.as_ref().map(hold).transpose()?;
    if request.namespace {
        namespace::enter(&request.mounts)?;
    }
    std::env::set_current_dir(&request.directory).map_err(|error| {
        format!(
            "working_directory {}: {error}; an earlier step must make it",
            request.directory.display()
        )
    })?;
    if request.core_dumps {
        let maximum = getrlimit(Resource::Core).maximum;
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        // It may always be raised to the hard one.
        let _ = setrlimit(Resource::Core, raised);
    }
    // Processes whose parents have ended become children of this one and cannot get away.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("become the parent of orphans: {error}"))?;
    let shell = Command::new(&request.command[0])
        .args(&request.command[1..])
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("start {}: {error}", request.command[0].display()))?;
    let stop = hold_lifeline();
    let status = wait_for(shell.id())?;
    if let Some(signal) = status.terminating_signal()
        && !stop.is_asked.load(Ordering::SeqCst)
    {
        // A shell that ran its last command in its own place could not say this itself.
        let core = if status.as_raw() & 0x80 == 0 {
            ""
        } else {
            " (core dumped)"
        };
        let _ = writeln!(std::io::stderr(), "{}{core}", describe(signal));
    }
    let code = exit_code(status);
    if stop.is_asked.load(Ordering::SeqCst) {
        descendants::end_all(GRACE_AFTER_END, Reaping::Here);
    } else if descendants::reap_ended() {
        stay(code, &stop);
    }
    Ok(code)
}

/// Stays as the parent of what the shell left running until all of it has ended. The agent hears of
/// the shell's end now, and of the end of the output when only others hold it.
fn stay(code: u8, stop: &Stop) {
    let _ = stop.shell.set(code);
    let let_go = File::options()
        .write(true)
        .open("/dev/null")
        .and_then(|null| {
            rustix::stdio::dup2_stdout(&null)?;
            rustix::stdio::dup2_stderr(&null)?;
            let lifeline = std::io::stdin().as_fd().try_clone_to_owned()?;
            UnixStream::from(lifeline).write_all(&[code])
        });
    // An agent that cannot hear it hears of the end of this process.
    if let_go.is_err() {
        descendants::end_all(GRACE_AFTER_END, Reaping::Here);
        return;
    }
    while !matches!(
        rustix::process::wait(WaitOptions::empty()),
        Err(rustix::io::Errno::CHILD)
    ) {}
}

/// The programs of all processes that came from this one, each name once.
pub(super) fn programs_below(process: i32) -> Vec<String> {
    descendants::programs_below(process)
}

/// What the thread that holds the lifeline and the one that waits know of each other.
#[derive(Clone, Default)]
struct Stop {
    is_asked: Arc<AtomicBool>,
    /// Exit status of the shell, once it has ended and others go on.
    shell: Arc<OnceLock<u8>>,
}

/// Whoever wants the folders of a run that broke off waits for this lock.
fn hold(path: &PathBuf) -> Result<File, String> {
    let held = File::open(path).and_then(|file| file.lock_shared().map(|()| file));
    held.map_err(|error| format!("lock {}: {error}", path.display()))
}

/// Stops everything when the agent closes its end, or dies.
fn hold_lifeline() -> Stop {
    let stop = Stop::default();
    let shared = stop.clone();
    std::thread::spawn(move || {
        let mut byte = [0];
        loop {
            match std::io::stdin().read(&mut byte) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        shared.is_asked.store(true, Ordering::SeqCst);
        descendants::end_all(GRACE_AFTER_STOP, Reaping::Elsewhere);
        if let Some(code) = shared.shell.get() {
            // The other thread may wait for one that cannot be ended.
            std::process::exit((*code).into());
        }
    });
    stop
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
        10 => "User defined signal 1",
        11 => "Segmentation fault",
        12 => "User defined signal 2",
        13 => "Broken pipe",
        14 => "Alarm clock",
        15 => "Terminated",
        16 => "Stack fault",
        24 => "CPU time limit exceeded",
        25 => "File size limit exceeded",
        26 => "Virtual timer expired",
        27 => "Profiling timer expired",
        29 => "I/O possible",
        30 => "Power failure",
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
            core_dumps: true,
            mounts: vec![("/var/x".into(), "/tmp".into()), ("--".into(), "/w".into())],
            alive: Some("/var/x/steps".into()),
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
