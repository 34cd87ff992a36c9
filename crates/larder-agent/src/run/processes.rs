//! The processes of a step: a shell under the sandbox program, both streams in one pipe, and one
//! way to end them all. Those that outlive their shell are kept until the end of the node.

use super::sandbox::{Request, programs_below};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Socket;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

/// The sandbox gives processes two seconds to end before it kills them; it is itself killed here.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// A step's processes. Dropping it ends them, since its end of the lifeline closes.
pub(super) struct Process {
    child: Child,
    lifeline: Option<UnixStream>,
}

impl Process {
    /// The second value is both output streams of all of them.
    pub(super) fn start(
        sandbox_program: &Path,
        request: &Request,
        environment: &BTreeMap<String, OsString>,
    ) -> io::Result<(Self, pipe::Receiver)> {
        let (reader, writer) = io::pipe()?;
        let output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
        let (lifeline, theirs) = Socket::pair()?;
        lifeline.set_nonblocking(true)?;
        let lifeline = Some(UnixStream::from_std(lifeline)?);
        let child = Command::new(sandbox_program)
            .args(request.to_args())
            .env_clear()
            .envs(environment)
            .stdin(OwnedFd::from(theirs))
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()?;
        Ok((Self { child, lifeline }, output))
    }

    /// The session of all of them that did not leave it: the sandbox leads one.
    pub(super) fn session(&self) -> Option<i32> {
        self.child.id().and_then(|id| i32::try_from(id).ok())
    }

    /// Asks all of them to end; those that do not are killed a moment later.
    pub(super) fn stop(&mut self) {
        self.lifeline = None;
    }

    /// Ends the sandbox itself, which did not end when it was asked to.
    pub(super) fn kill(&mut self) {
        // It may have ended meanwhile; that is what is wanted.
        let _ = self.child.start_kill();
    }

    /// Exit status of the shell, 128 + n if signal n killed it: as soon as it has ended, but once
    /// nothing of it is left if it was stopped. It may be dropped and called again.
    pub(super) async fn wait(&mut self) -> io::Result<i32> {
        use std::os::unix::process::ExitStatusExt;
        if let Some(lifeline) = &mut self.lifeline {
            let mut status = [0];
            if let Ok(1) = lifeline.read(&mut status).await {
                return Ok(status[0].into());
            }
        }
        let status = self.child.wait().await?;
        Ok(status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
    }

    /// The programs of those that live, each name once.
    pub(super) fn programs(&self) -> Vec<String> {
        self.session().map(programs_below).unwrap_or_default()
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    async fn end_by(mut self, deadline: Instant) {
        self.stop();
        if timeout_at(deadline, self.child.wait()).await.is_err() {
            self.kill();
        }
    }
}

/// What the steps of a node left running, for the steps after them. Dropping it ends all of it.
#[derive(Default)]
pub(super) struct Leftovers(Mutex<Vec<Process>>);

impl Leftovers {
    /// Keeps what is left of a step of which the shell has ended. What still comes out of its pipe,
    /// if that is open, is read and dropped: a process that met a closed one would end.
    pub(super) fn keep(&self, mut process: Process, pipe: Option<pipe::Receiver>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain_mut(|process| !process.has_ended());
        if process.has_ended() {
            return;
        }
        kept.push(process);
        if let Some(mut pipe) = pipe {
            // It ends when the last process that holds the other end does.
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
            });
        }
    }

    /// Ends all of them together, and waits until they have ended.
    pub(super) async fn end(&self) {
        let mut kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for process in &mut kept {
            process.stop();
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        for process in kept {
            process.end_by(deadline).await;
        }
    }
}

/// Hides this process's own environment, in which the caller's tokens are, from the processes of an
/// ordinary user; in a namespace they do not see it at all.
pub(super) fn hide_own_environment() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "hide the agent's own environment");
    }
}

/// Whether this system gives mount namespaces; the inner error is its reason for not doing so.
pub(super) async fn try_namespace(sandbox_program: &Path) -> Result<Result<(), String>> {
    let request = Request {
        namespace: true,
        core_dumps: false,
        mounts: vec![("/var/tmp".into(), "/tmp".into())],
        alive: None,
        directory: "/".into(),
        command: ["/bin/sh", "-c", ":"].map(OsString::from).into(),
    };
    let what = || format!("start {}", sandbox_program.display());
    let mut child = Command::new(sandbox_program)
        .args(request.to_args())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io(what()))?;
    // Held until the end: a lifeline that is let go ends the shell, perhaps before it has ended itself.
    let lifeline = child.stdin.take();
    let answer = child.wait_with_output().await;
    let answer = answer.map_err(Error::io(what()))?;
    drop(lifeline);
    if answer.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    let reason = said.lines().next().unwrap_or("no reason given");
    Ok(Err(reason
        .trim_start_matches("larder sandbox: ")
        .to_owned()))
}
