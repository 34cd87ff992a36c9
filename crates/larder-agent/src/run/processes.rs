//! The processes of a step: a shell under the sandbox program, both streams in one pipe, and one
//! way to end them all.

use super::sandbox::Request;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

/// A step's processes. Dropping it ends them, since its end of the lifeline closes.
pub(super) struct Process {
    child: Child,
    lifeline: Option<ChildStdin>,
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
        let mut child = Command::new(sandbox_program)
            .args(request.to_args())
            .env_clear()
            .envs(environment)
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()?;
        let lifeline = child.stdin.take();
        Ok((Self { child, lifeline }, output))
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

    /// Exit status of the shell, 128 + n if signal n killed it, once nothing of it is left.
    pub(super) async fn wait(&mut self) -> io::Result<i32> {
        use std::os::unix::process::ExitStatusExt;
        // `Child::wait` would close the lifeline if it still held it.
        let status = self.child.wait().await?;
        Ok(status
            .code()
            .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
    }
}

/// Whether this system gives mount namespaces; the inner error is its reason for not doing so.
pub(super) async fn try_namespace(sandbox_program: &Path) -> Result<Result<(), String>> {
    let request = Request {
        namespace: true,
        mounts: vec![("/var/tmp".into(), "/tmp".into())],
        directory: "/".into(),
        command: ["/bin/sh", "-c", ":"].map(OsString::from).into(),
    };
    let answer = Command::new(sandbox_program)
        .args(request.to_args())
        .env_clear()
        .stdin(Stdio::piped())
        .output()
        .await
        .map_err(Error::io(format!("start {}", sandbox_program.display())))?;
    if answer.status.success() {
        return Ok(Ok(()));
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    let reason = said.lines().next().unwrap_or("no reason given");
    Ok(Err(reason
        .trim_start_matches("larder sandbox: ")
        .to_owned()))
}
