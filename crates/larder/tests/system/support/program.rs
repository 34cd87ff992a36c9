//! The program, run to its end.

use std::path::Path;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use super::{PATIENCE, wait_for};

/// What a command that has ended said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// By these a CI would be known, and its builds would be announced.
const OF_CI: [&str; 5] = [
    "CIRCLECI",
    "BUILDKITE",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JOB_NAME",
];

/// The larder under test, in an environment without settings of the caller's.
pub(crate) fn larder(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.args(arguments).stdin(Stdio::null());
    for name in OF_CI {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_ascii_lowercase();
        if text.starts_with("larder_") || text.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the larder to its end.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Finished {
    output_within(PATIENCE, &mut larder(arguments))
}

/// Runs a command to its end, which must come in time.
#[track_caller]
pub(crate) fn output_within(within: Duration, command: &mut Command) -> Finished {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let id = child.id();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(within) else {
        kill("KILL", id);
        panic!("{command:?} did not end within {within:?}");
    };
    Finished::from(output.unwrap())
}

/// SIGINT to a process that this test started.
pub(crate) fn interrupt(id: u32) {
    kill("INT", id);
}

/// Sends a signal to a process that this test started.
pub(super) fn kill(signal: &str, id: u32) {
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), &id.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "kill -{signal} {id}");
}

impl Finished {
    /// Asserts the exit code and gives the rest on.
    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        let (status, stdout, stderr) = (self.status, &self.stdout, &self.stderr);
        assert_eq!(status.code(), Some(code), "{status}\n{stdout}\n{stderr}");
        self
    }

    /// Asserts that the standard error output names all of `parts`.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no {part:?} in: {}",
                self.stderr
            );
        }
        self
    }
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Waits until nothing is left in a folder.
#[track_caller]
pub(crate) fn wait_until_empty(folder: &Path) {
    let what = format!("{} empty", folder.display());
    wait_for(&what, Duration::from_secs(10), || {
        let mut entries = std::fs::read_dir(folder).unwrap();
        entries.next().is_none().then_some(())
    });
}
