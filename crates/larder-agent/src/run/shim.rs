//! The `circleci` and `circleci-agent` that steps find on their PATH: the few commands that jobs
//! call while they run, answered by this program itself. Whatever else is asked goes to a program
//! of that name that is installed here, if one is.

mod glob;
mod split;
mod subst;

use crate::artifacts::View;
use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The argument after which the binary calls [`enter`].
pub const SUBCOMMAND: &str = "circleci-shim";

/// The names under which steps call it.
const NAMES: [&str; 2] = ["circleci", "circleci-agent"];
/// The folder of the two programs, below the node's own.
const PROGRAMS: &str = "bin";
/// A file in the node's own folder: the job ends after the step that made it.
const HALT: &str = "halt";
/// A list of tests has a few megabytes at most.
const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Shells say so of a command that does not exist.
const NOT_FOUND: u8 = 127;

/// Puts the programs into a folder of their own, which is to be the first on the steps' PATH.
/// `program` is one that calls [`enter`].
pub(super) fn install(own: &Path, program: &Path, view: &View) -> Result<PathBuf> {
    let folder = own.join(PROGRAMS);
    let what = |error| Error::io(format!("write {}", folder.display()))(error);
    fs::create_dir_all(&folder).map_err(what)?;
    let program = visible(program, own, view).map_err(what)?;
    for name in NAMES {
        let file = folder.join(name);
        let [program, own] = [&program, own].map(|path| quoted(path.as_os_str()));
        let mut script = b"#!/bin/sh\nexec ".to_vec();
        for part in [&program[..], SUBCOMMAND.as_bytes(), &own, name.as_bytes()] {
            script.extend_from_slice(part);
            script.push(b' ');
        }
        script.extend_from_slice(b"\"$@\"\n");
        fs::write(&file, script).map_err(what)?;
        fs::set_permissions(&file, Permissions::from_mode(0o755)).map_err(what)?;
    }
    Ok(folder)
}

/// Whether a step has asked for the end of its job.
pub(super) fn is_halted(own: &Path) -> bool {
    own.join(HALT).exists()
}

/// Where the steps can start the program: one in a folder that another is laid over gets a second
/// name.
fn visible(program: &Path, own: &Path, view: &View) -> std::io::Result<PathBuf> {
    if view.host(program) == program {
        return Ok(program.to_owned());
    }
    let second = own.join("larder");
    if !second.exists() {
        fs::hard_link(program, &second).or_else(|_| fs::copy(program, &second).map(|_| ()))?;
    }
    Ok(second)
}

/// As one word of a shell's.
fn quoted(text: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in text.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// The whole life of a `circleci …` or `circleci-agent …` in a step; `args` are those after the
/// subcommand, `environment` is this process's own.
pub fn enter(
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> ExitCode {
    let mut args = args.into_iter();
    let (Some(own), Some(name)) = (args.next(), args.next()) else {
        complain("an argument is missing; the agent calls this command itself");
        return ExitCode::from(2);
    };
    let call = Call {
        own: own.into(),
        name: name.to_string_lossy().into_owned(),
        args: args.collect(),
        environment: environment.into_iter().collect(),
    };
    match call.answer() {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            complain(&format!("{}: {message}", call.name));
            ExitCode::from(1)
        }
    }
}

/// The step's output is the only place where its author looks.
fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}

/// One call by a step.
struct Call {
    /// The node's own folder.
    own: PathBuf,
    /// The name it was called by.
    name: String,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Call {
    /// The exit status; an error is one sentence.
    fn answer(&self) -> Result<u8, String> {
        let text: Vec<String> = self
            .args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let words: Vec<&str> = text.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["tests", "glob", patterns @ ..] => print_paths(&glob::find(patterns)?),
            ["tests", "split", args @ ..] => self.split(args),
            ["tests", "run", args @ ..] => self.run_tests(args),
            ["step", "halt", ..] => {
                fs::write(self.own.join(HALT), "")
                    .map_err(|error| format!("step halt: {error}"))?;
                Ok(0)
            }
            ["env", "subst", args @ ..] => self.substitute(args),
            _ => self.pass_on(&words),
        }
    }

    fn split(&self, args: &[&str]) -> Result<u8, String> {
        let options = split::Options::parse(args, |name| self.variable(name))?;
        let list = match &options.file {
            Some(file) => fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
            None => read_input()?,
        };
        print_lines(&part(&options, &list))
    }

    /// Runs the command with this node's part of the list on its standard input.
    fn run_tests(&self, args: &[&str]) -> Result<u8, String> {
        let options = split::Options::parse(args, |name| self.variable(name))?;
        let command = options
            .command
            .as_deref()
            .ok_or("tests run: --command=COMMAND is missing")?;
        let part = part(&options, &read_input()?);
        if part.is_empty() {
            complain("No tests to run on this node.");
            return Ok(0);
        }
        let shell = ["/bin/bash", "/bin/sh"]
            .into_iter()
            .find(|shell| Path::new(shell).exists())
            .unwrap_or("sh");
        let mut child = Command::new(shell)
            .args(["-c", command])
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("start {shell}: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            // A command that does not read the whole list has its reasons.
            let _ = input.write_all(joined(&part).as_bytes());
        }
        let status = child
            .wait()
            .map_err(|error| format!("wait for {shell}: {error}"))?;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        let code = status.code().or(signal.map(|signal| 128 + signal));
        Ok(u8::try_from(code.unwrap_or(1)).unwrap_or(1))
    }

    /// Of its arguments, or of its standard input if there are none.
    fn substitute(&self, args: &[&str]) -> Result<u8, String> {
        let text = if args.is_empty() {
            read_input()?
        } else {
            args.join(" ")
        };
        let mut answer = subst::substitute(&text, |name| self.variable(name))?;
        if !args.is_empty() {
            answer.push('\n');
        }
        print(answer.as_bytes())
    }

    /// To the program of this name that is installed here.
    fn pass_on(&self, words: &[&str]) -> Result<u8, String> {
        let own = self.own.join(PROGRAMS);
        let path = self.variable("PATH").unwrap_or_default();
        let is_program = |file: &PathBuf| {
            fs::metadata(file).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        };
        let installed = std::env::split_paths(&path)
            .filter(|folder| *folder != own)
            .map(|folder| folder.join(&self.name))
            .find(is_program);
        if let Some(installed) = installed {
            let error = Command::new(&installed).args(&self.args).exec();
            return Err(format!("start {}: {error}", installed.display()));
        }
        complain(&format!(
            "{} {}: not here. A job that larder runs has `tests glob`, `tests split`, `tests run`, \
             `step halt` and `env subst`; install the CircleCI CLI for anything else.",
            self.name,
            words.join(" "),
        ));
        Ok(NOT_FOUND)
    }

    fn variable(&self, name: &str) -> Option<String> {
        let found = self.environment.iter().find(|(key, _)| key == name)?;
        Some(found.1.to_string_lossy().into_owned())
    }
}

/// What this node is to run of the list.
fn part(options: &split::Options, list: &str) -> Vec<String> {
    let names = split::names(list);
    if options.weights == split::Weights::Timings {
        complain(
            "Requested weighting by historical based timing, but they are not present. \
             Falling back to weighting by name.",
        );
    }
    let size = |name: &str| fs::metadata(name).map_or(0, |metadata| metadata.len());
    let part = split::part(&names, options, size);
    if options.shows_counts {
        complain(&format!(
            "{} of {} tests are for node {} of {}",
            part.len(),
            names.len(),
            options.index,
            options.total,
        ));
    }
    part
}

fn read_input() -> Result<String, String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(LIST_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("read the standard input: {error}"))?;
    if bytes.len() as u64 > LIST_BYTES_MAX {
        return Err(format!(
            "the standard input is larger than {LIST_BYTES_MAX} bytes"
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn print_paths(paths: &[PathBuf]) -> Result<u8, String> {
    let mut text = Vec::new();
    for path in paths {
        text.extend_from_slice(path.as_os_str().as_bytes());
        text.push(b'\n');
    }
    print(&text)
}

fn print_lines(lines: &[String]) -> Result<u8, String> {
    print(joined(lines).as_bytes())
}

fn joined(lines: &[String]) -> String {
    lines
        .iter()
        .flat_map(|line| [line.as_str(), "\n"])
        .collect()
}

fn print(bytes: &[u8]) -> Result<u8, String> {
    let mut output = std::io::stdout().lock();
    let written = output.write_all(bytes).and_then(|()| output.flush());
    match written {
        // `… | head` has what it wanted.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("write the answer: {error}"))
        }
        Ok(()) | Err(_) => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_the_script_whatever_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("it's $HOME \"own\"");
        fs::create_dir(&own).unwrap();
        let program = own.join("echo");
        fs::write(&program, "#!/bin/sh\nprintf '%s|' \"$@\"\n").unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let bin = install(&own, &program, &View::default()).unwrap();
        let said = Command::new(bin.join("circleci-agent"))
            .args(["step", "a b"])
            .output()
            .unwrap();
        let expected = format!("circleci-shim|{}|circleci-agent|step|a b|", own.display());
        assert_eq!(String::from_utf8_lossy(&said.stdout), expected);
    }
}
