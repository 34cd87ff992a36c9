//! A server as a process of its own.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::program::kill;
use super::{Client, PATIENCE, Settings, larder, wait_for};

/// How a server is started.
pub(crate) struct Serve {
    command: Command,
    data: PathBuf,
    settings: Settings,
}

/// A server that runs; dropped, it is ended.
pub(crate) struct ServeProcess {
    child: Child,
    data: PathBuf,
    settings: Settings,
    /// `http://127.0.0.1:PORT` or `https://…`
    pub(crate) url: String,
    lines: Receiver<String>,
    stderr: Arc<Mutex<String>>,
}

impl Serve {
    /// Over the store in `data`, on a free port.
    pub(crate) fn over(data: &Path) -> Self {
        let mut command = larder(&["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(data);
        Self {
            command,
            data: data.to_owned(),
            settings: Settings::new(),
        }
    }

    /// Settings in the environment, which `larder admin` takes too.
    pub(crate) fn settings(mut self, settings: &Settings) -> Self {
        self.command.envs(settings.iter().cloned());
        self.settings.extend(settings.iter().cloned());
        self
    }

    /// One more argument.
    pub(crate) fn argument(mut self, argument: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// One setting in the environment.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it and waits until it listens.
    #[track_caller]
    pub(crate) fn start(mut self) -> ServeProcess {
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = lines_of(child.stdout.take().unwrap());
        let stderr = text_of(child.stderr.take().unwrap());
        let mut server = ServeProcess {
            child,
            data: self.data,
            settings: self.settings,
            url: String::new(),
            lines,
            stderr,
        };
        let Ok(line) = server.lines.recv_timeout(PATIENCE) else {
            let status = server.child.try_wait().unwrap();
            panic!("not listening ({status:?}): {}", server.stderr());
        };
        let url = line.strip_prefix("listening on ");
        url.unwrap_or_else(|| panic!("{line:?}"))
            .clone_into(&mut server.url);
        server
    }
}

impl ServeProcess {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn address(&self) -> SocketAddr {
        let (_, address) = self.url.split_once("://").unwrap();
        address.parse().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address())
    }

    /// What it has said on the standard error output so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Lines of the standard output that nobody has taken yet.
    pub(crate) fn more_lines(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        kill("TERM", self.id());
    }

    /// SIGKILL, and the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("the end of server {}", self.id());
        wait_for(&what, within, || self.child.try_wait().unwrap())
    }

    /// Anonymous resident memory in bytes, as the kernel counts it now.
    pub(crate) fn anonymous_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"))
            .unwrap();
        let kilobytes = line.trim().strip_suffix(" kB").unwrap();
        kilobytes.parse::<u64>().unwrap() * 1024
    }
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.stderr());
        }
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn text_of(stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let written = text.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut text = written.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
    text
}
