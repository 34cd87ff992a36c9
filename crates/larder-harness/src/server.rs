//! A server that is started, stopped and killed again and again, and the file of all that it said.

use crate::process::{self, Process};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A server, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    log: PathBuf,
    process: Option<Process>,
}

impl Server {
    /// One that does not run yet, and that will write what it says behind what is in the file `log`.
    pub(crate) fn new(name: &'static str, log: PathBuf) -> Self {
        Self {
            name,
            log,
            process: None,
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn start(&mut self, command: Command) -> Result<()> {
        self.process = Some(Process::start(self.name, command, &self.log)?);
        Ok(())
    }

    /// Kills it and all that it started, as a crash would; returns when nothing of it is left.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.take("kill")?.kill()
    }

    /// Ends it with care.
    pub(crate) fn stop(&mut self, signal: Signal, patience: Duration) -> Result<()> {
        let status = self.take("stop")?.end(signal, patience)?;
        ensure!(
            status.success(),
            "{} ended with {status}: {}",
            self.name,
            self.last_words()
        );
        Ok(())
    }

    /// Stops it where it is: connections stay open, and nothing answers.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.running("pause")?.pause()
    }

    /// Lets it go on.
    pub(crate) fn resume(&mut self) -> Result<()> {
        self.running("resume")?.resume()
    }

    /// Says how it ended, if it did.
    pub(crate) fn require_alive(&mut self) -> Result<()> {
        match self.running("ask")?.ended()? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended with {status}; it said: {}",
                self.name,
                self.last_words()
            ),
        }
    }

    /// The process, which is then nobody's but the caller's; none if it does not run.
    pub(crate) fn hand_over(&mut self) -> Option<Process> {
        self.process.take()
    }

    /// All that it has said so far.
    pub(crate) fn said(&self) -> Result<String> {
        let said = fs::read(&self.log).with_context(|| format!("read the log of {}", self.name))?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The end of that.
    pub(crate) fn last_words(&self) -> String {
        process::last_words(&self.log)
    }

    fn take(&mut self, act: &str) -> Result<Process> {
        let process = self.process.take();
        process.with_context(|| format!("{act} a server that runs"))
    }

    fn running(&mut self, act: &str) -> Result<&mut Process> {
        let process = self.process.as_mut();
        process.with_context(|| format!("{act} a server that runs"))
    }
}
