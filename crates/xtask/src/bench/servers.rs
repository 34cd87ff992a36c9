//! The servers that are measured: the larder, and the peers that it is compared with.

mod larder;
mod peers;

use super::machine;
use super::workload::Sample;
use anyhow::Result;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;

pub(crate) use larder::start as larder;
pub(crate) use peers::start as peers;

/// A running server and where files are kept in it. It is ended with the value.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    /// What it says about its version.
    pub(crate) version: String,
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    /// Where it keeps its data.
    pub(crate) folder: PathBuf,
    /// The path before a file's name, for GET, PUT and DELETE.
    pub(crate) files: String,
    /// Where many files are kept, and the path that lists them all.
    pub(crate) listed: Option<Listed>,
    /// What it has acknowledged is on the disk.
    pub(crate) is_durable: bool,
    running: Running,
}

/// A place whose files can be listed with one request.
#[derive(Debug)]
pub(crate) struct Listed {
    /// The path before a file's name, for PUT.
    pub(crate) files: String,
    /// The path of the list.
    pub(crate) list: String,
}

#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.running.0.id()
    }

    /// Kills it and starts it again, until it says that it is ready; none for a peer, which has nothing to prepare.
    pub(crate) fn restart(&mut self) -> Result<Option<Sample>> {
        if !self.is_durable {
            return Ok(None);
        }
        self.running.0.kill()?;
        self.running.0.wait()?;
        let (running, address, took) = larder::serve(&self.folder)?;
        (self.running, self.address) = (running, address);
        Ok(Some(Sample {
            took,
            durable: None,
            processor: machine::processor_time(self.process())?,
            memory: machine::memory(self.process())?,
        }))
    }
}
