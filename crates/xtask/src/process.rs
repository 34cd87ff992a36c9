//! Running other programs from the root of the repository.

use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// A command that takes longer hangs: the slowest one, the build of Garage, takes half of it on two cores that are
/// busy with other work.
const SECONDS_MAX: u32 = 45 * 60;
/// Whoever outlives a command and still holds its output is waited for so long after the last line.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let members = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    members.and_then(Path::parent).unwrap_or(Path::new("."))
}

/// Where `cargo build --release` leaves the program.
pub(crate) fn release_binary() -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    root().join(target).join("release").join("larder")
}

/// The cargo that started us.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"))
}

/// A command in the root of the repository that reads nothing from us.
///
/// What `cargo run` told this program about its own package is taken out of the environment: build scripts
/// that look at it would otherwise run again with each change between `cargo` and `cargo xtask`.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = limited(program.as_ref());
    command.current_dir(root()).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let told = name.to_str().is_some_and(|name| {
            [
                "CARGO_PKG_",
                "CARGO_MANIFEST_",
                "CARGO_BIN_",
                "CARGO_CRATE_",
                "CARGO_PRIMARY_",
            ]
            .iter()
            .any(|start| name.starts_with(start))
        });
        if told {
            command.env_remove(name);
        }
    }
    command
}

/// Where nobody watches, `timeout` ends a command that hangs, with all that it started.
fn limited(program: &OsStr) -> Command {
    if std::io::stdout().is_terminal() || find("timeout").is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", &SECONDS_MAX.to_string()])
        .arg(program);
    command
}

/// Prints the command, runs it, and fails unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = describe(command);
    println!("$ {words}");
    let status = command
        .status()
        .with_context(|| format!("start `{words}`"))?;
    succeeded(&words, status)
}

/// The same, and shows every line of what the command says to `watch`. Both its outputs are one here, so that what it
/// says stays in order.
pub(crate) fn run_watched(command: &mut Command, mut watch: impl FnMut(&str)) -> Result<()> {
    let words = describe(command);
    println!("$ {words}");
    let (reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("start `{words}`"))?;
    // What reads ends when the last writer does, and the command holds two.
    command.stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let (tell, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            if tell.send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
    loop {
        match lines.recv_timeout(SILENCE_MAX) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                print!("{line}");
                watch(line.trim_end());
            }
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_none() => {}
            Err(_) => return succeeded(&words, child.wait()?),
        }
    }
}

fn succeeded(words: &str, status: ExitStatus) -> Result<()> {
    match status.code() {
        Some(0) => Ok(()),
        Some(124 | 137) => bail!("`{words}` did not end within {SECONDS_MAX} s"),
        Some(code) => bail!("`{words}` exited with {code}"),
        None => bail!("`{words}` was ended by a signal"),
    }
}

/// Where a program is in PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The command as one would type it: without the folder of the program and without our `timeout`.
fn describe(command: &Command) -> String {
    let mut words: Vec<&OsStr> = command.get_args().collect();
    words.insert(0, command.get_program());
    if words[0] == "timeout" && words.len() > 3 {
        words.drain(..3);
    }
    words[0] = Path::new(words[0]).file_name().unwrap_or_default();
    let assigned = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let assigned = assigned.map(|(name, value)| format!("{}={} ", name.display(), value.display()));
    let words: Vec<_> = words.into_iter().map(OsStr::to_string_lossy).collect();
    assigned.collect::<Vec<_>>().concat() + &words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_an_error_that_names_it() {
        assert!(run(&mut command("true")).is_ok());
        let error = run(command("/bin/sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` exited with 3");
    }

    #[test]
    fn every_line_of_a_command_is_seen_in_order() {
        let mut seen = Vec::new();
        let mut say = command("/bin/sh");
        say.args(["-c", "echo one; echo two >&2; printf three; exit 3"]);
        let outcome = run_watched(&mut say, |line| seen.push(line.to_owned()));
        assert_eq!(seen, ["one", "two", "three"]);
        assert!(outcome.is_err());
    }

    #[test]
    fn who_outlives_a_command_is_not_waited_for() {
        let mut leave = command("/bin/sh");
        leave.args(["-c", "sleep 20 & echo $!"]);
        let mut left = String::new();
        assert!(run_watched(&mut leave, |line| left = line.to_owned()).is_ok());
        // It is still there, or there would be nothing to kill.
        assert!(run(command("kill").arg(left)).is_ok());
    }

    #[test]
    fn the_root_is_where_the_workspace_is() {
        assert!(root().join("Cargo.lock").is_file());
    }
}
