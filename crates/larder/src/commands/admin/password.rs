//! Reading a password: from a person at a terminal, twice and unseen, or as a line of the standard input.

use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use larder_server::admin::NewPassword;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use std::fs::File;
use std::io::{BufRead as _, Read as _, Write as _};

/// What is longer is no password; the store says what is right.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// The new password of a user.
pub(super) fn read(user: &str, from_stdin: bool) -> Result<NewPassword, Failure> {
    if from_stdin {
        let line = line(std::io::stdin().lock());
        return Ok(NewPassword(line.context("read the password")?));
    }
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|error| {
        Failure::usage(anyhow!(
            "there is no terminal to ask for the password ({error}): give it on the standard input with --stdin"
        ))
    })?;
    let first = ask(&terminal, &format!("New password for {user}: "))?;
    let second = ask(&terminal, "The same again: ")?;
    if first != second {
        return Err(Failure::usage(anyhow!(
            "the two passwords differ; nothing was changed"
        )));
    }
    Ok(NewPassword(first))
}

fn ask(mut terminal: &File, question: &str) -> anyhow::Result<String> {
    let _unseen = Unseen::begin(terminal).context("hide what is typed")?;
    terminal.write_all(question.as_bytes())?;
    let answer = typed(terminal).context("read the password");
    // The line break was not seen either.
    terminal.write_all(b"\n")?;
    match answer? {
        Some(answer) => Ok(answer),
        None => Err(anyhow!("interrupted; nothing was changed")),
    }
}

/// A line, byte by byte, so that nothing of the next one is taken; `None` if Ctrl-C ended it.
fn typed(mut terminal: &File) -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while terminal.read(&mut byte)? == 1 && byte[0] != b'\n' {
        if byte[0] == INTERRUPT {
            return Ok(None);
        }
        line.push(byte[0]);
    }
    let text = String::from_utf8(line).context("it is not UTF-8")?;
    Ok(Some(text))
}

fn line(from: impl std::io::BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    from.take(LINE_BYTES_MAX).read_line(&mut line)?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// What is typed is not shown until this is dropped. Ctrl-C ends the line and not the process, which would leave a terminal
/// that shows nothing.
struct Unseen<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn begin(terminal: &'a File) -> anyhow::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ISIG);
        unseen.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(terminal, OptionalActions::Flush, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // Nothing is left to try when the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
