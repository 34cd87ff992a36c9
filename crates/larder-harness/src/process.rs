//! A server's process and its children: how it starts, pauses and dies.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How often something is looked at that says nothing of itself.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What was killed is gone in milliseconds, and what was stopped stands; on a machine that is busy, later.
const CHANGE_MAX: Duration = Duration::from_secs(30);
/// The end of a log that an error quotes.
const QUOTED_BYTES: usize = 2000;

/// A server that we started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    /// Starts a server that reads nothing and writes all that it says behind what is in the file `log`.
    pub(crate) fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self> {
        let out = fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let child = launch(command).with_context(|| format!("start {name}"))?;
        Ok(Self { child, name })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal to the server alone. The number of one that has ended may be somebody else's by now.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        match self.ended()? {
            None => send(self.child.id(), signal),
            Some(_) => Ok(()),
        }
    }

    /// Stops it and its children where they are; returns when none of them runs. Their sockets stay open.
    pub(crate) fn pause(&mut self) -> Result<()> {
        // The parent first: it starts no child that nobody has counted.
        self.signal(Signal::STOP)?;
        let own = self.child.id();
        wait_until(CHANGE_MAX, || Ok(stands(own))).context("wait until a server stands")?;
        let children = descendants(own);
        for &child in &children {
            send(child, Signal::STOP)?;
        }
        wait_until(CHANGE_MAX, || Ok(children.iter().copied().all(stands)))
            .context("wait until the children of a server stand")
    }

    /// Lets it and its children go on.
    pub(crate) fn resume(&mut self) -> Result<()> {
        for child in descendants(self.child.id()) {
            send(child, Signal::CONT)?;
        }
        self.signal(Signal::CONT)
    }

    /// Kills it and its children, and returns when the last one is gone.
    pub(crate) fn kill(mut self) -> Result<()> {
        // So that it starts no more children. What does not even stop can still be killed.
        drop(self.pause());
        let children = descendants(self.child.id());
        self.signal(Signal::KILL)?;
        for &child in &children {
            send(child, Signal::KILL)?;
        }
        self.child
            .wait()
            .with_context(|| format!("wait for the end of {}", self.name))?;
        wait_until(CHANGE_MAX, || Ok(!children.iter().copied().any(lives)))
            .with_context(|| format!("wait for the end of what {} started", self.name))
    }

    /// Asks it to end, and returns when it has with all its children; kills what has not ended in time.
    pub(crate) fn end(mut self, signal: Signal, patience: Duration) -> Result<ExitStatus> {
        let children = descendants(self.child.id());
        self.resume()?;
        self.signal(signal)?;
        let mut status = None;
        let in_time = wait_until(patience, || {
            status = self.ended()?;
            Ok(status.is_some() && !children.iter().copied().any(lives))
        });
        if let (Ok(()), Some(status)) = (in_time, status) {
            return Ok(status);
        }
        let name = self.name;
        self.kill()?;
        bail!("{name} did not end within {patience:?}, and was killed")
    }
}

/// Looks again and again until it is so.
pub(crate) fn wait_until(
    patience: Duration,
    mut is_so: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(
            start.elapsed() < patience,
            "still not so after {patience:?}"
        );
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// A command that is killed when we are, whatever killed us, and that runs as `user` if there is one.
///
/// Where `setpriv` is missing, it outlives a parent that was killed.
pub(crate) fn tied(program: &Path, user: Option<&str>) -> Command {
    let Some(setpriv) = find("setpriv") else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// Runs a command to its end; what it said, if it failed, is in the error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The end of what a server said.
pub(crate) fn last_words(log: &Path) -> String {
    let said = fs::read(log).unwrap_or_default();
    let from = said.len().saturating_sub(QUOTED_BYTES);
    String::from_utf8_lossy(&said[from..]).trim().to_owned()
}

/// Where a program is in PATH.
pub(crate) fn find(program: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program.as_ref()))
        .find(|file| file.is_file())
}

/// Whether we are root, as which some servers refuse to run.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// Starts a command on a thread that ends with the program.
///
/// Linux means the thread when it promises to signal a child at its parent's death, and the thread of a test ends long
/// before the tests that share its server.
fn launch(command: Command) -> Result<Child> {
    static LAUNCHER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, answer) in orders {
                // Whoever asked may have given up.
                drop(answer.send(command.spawn()));
            }
        });
        sender
    });
    let (answer, child) = mpsc::channel();
    LAUNCHER.send((command, answer))?;
    Ok(child.recv()??)
}

/// Signals a process; one that has just ended needs no signal.
fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a process has a number")?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).context("signal a server"),
    }
}

/// The children of a process, and theirs.
fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut unseen = vec![pid];
    while let Some(parent) = unseen.pop() {
        // One list for each thread. A process that has just ended has none.
        let threads = fs::read_dir(format!("/proc/{parent}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = list
                .split_whitespace()
                .filter_map(|child| child.parse().ok());
            unseen.extend(children.filter(|&child| found.insert(child)));
        }
    }
    found
}

/// Whether a process has not ended. One that has, and that nobody has waited for, holds nothing any more.
fn lives(pid: u32) -> bool {
    state(Path::new(&format!("/proc/{pid}"))).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether no thread of a process runs. A signal stops one thread first, which stops the others when its turn comes.
fn stands(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let mut threads = threads.into_iter().flatten().flatten();
    threads.all(|thread| {
        state(&thread.path()).is_none_or(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
    })
}

/// The letter that Linux shows for a process or a thread, given its folder; none when it is gone.
fn state(folder: &Path) -> Option<char> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // `PID (NAME) STATE …`, and a name may have any letter.
    stat.rsplit_once(") ")?.1.chars().next()
}
