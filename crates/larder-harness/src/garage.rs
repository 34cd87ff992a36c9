//! A private Garage, which speaks S3: one node, one bucket, one key.

use crate::port;
use crate::process::{find, tied, wait_until};
use crate::secret;
use crate::server::Server;
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::env;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Names the program where it is not in PATH.
const PROGRAM: &str = "LARDER_TEST_GARAGE_PROGRAM";
const BUCKET: &str = "larder";
const REGION: &str = "garage";

/// A start takes three seconds at most where nothing else runs.
const START_MAX: Duration = Duration::from_mins(1);
const STOP_MAX: Duration = Duration::from_secs(30);
/// A server that has just started accepts before it answers.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Ports that somebody else took between our look and the server's.
const PORTS_MAX: usize = 5;

/// A server that ends with this value.
///
/// It is killed when this program is, but then its folder stays.
#[derive(Debug)]
pub struct Garage {
    server: Server,
    program: PathBuf,
    /// Where S3 is spoken.
    port: u16,
    access_key: String,
    secret_key: String,
    folder: TempDir,
}

impl Garage {
    /// Why no server can run here, if so.
    pub fn missing() -> Option<String> {
        program()
            .is_none()
            .then(|| format!("needs Garage: in PATH, or its path in {PROGRAM}"))
    }

    /// Starts the program that `LARDER_TEST_GARAGE_PROGRAM` names, or the one in PATH; returns when it answers.
    pub fn start() -> Result<Self> {
        let missing = || Self::missing().unwrap_or_default();
        Self::start_program(&program().with_context(missing)?)
    }

    /// Starts this program.
    pub fn start_program(program: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("larder-garage-")
            .tempdir()
            .context("make a folder for Garage")?;
        let mut server = Self {
            server: Server::new("Garage", folder.path().join("log")),
            program: program.to_owned(),
            port: 0,
            access_key: format!("GK{}", secret::hex(12)?),
            secret_key: secret::hex(32)?,
            folder,
        };
        let mut refused = None;
        for _ in 0..PORTS_MAX {
            server.port = port::free()?;
            server.configure(port::free()?)?;
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) => refused = Some(error),
            }
            if !server.server.last_words().contains("in use") {
                break;
            }
        }
        Err(refused.context("start Garage")?)
    }

    /// Where S3 is spoken, as `http://127.0.0.1:PORT`; it stays the same.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The same as a socket's address, for a proxy.
    pub fn address(&self) -> SocketAddr {
        port::loopback(self.port)
    }

    /// The bucket that is there from the start.
    pub fn bucket(&self) -> &str {
        BUCKET
    }

    /// The key that may do everything in the bucket.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// What the key signs with.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The region that signatures name.
    pub fn region(&self) -> &str {
        REGION
    }

    /// How many requests named the key since the server was made.
    pub fn requests(&self) -> Result<usize> {
        let log = self.server.said()?;
        let key = format!("(key {})", self.access_key);
        Ok(log.lines().filter(|line| line.contains(&key)).count())
    }

    /// Kills the server, as a crash would; returns when nothing of it is left.
    pub fn kill(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Ends the server with care.
    pub fn stop(&mut self) -> Result<()> {
        self.server.stop(Signal::TERM, STOP_MAX)
    }

    /// Starts the server again, on the same ports with the same data; one that runs is stopped first.
    pub fn restart(&mut self) -> Result<()> {
        if self.server.runs() {
            self.stop()?;
        }
        let mut garage = tied(&self.program, None);
        garage
            .arg("-c")
            .arg(self.folder.path().join("garage.toml"))
            .args(["server", "--single-node", "--default-bucket"])
            .env("GARAGE_DEFAULT_ACCESS_KEY", &self.access_key)
            .env("GARAGE_DEFAULT_SECRET_KEY", &self.secret_key)
            .env("GARAGE_DEFAULT_BUCKET", BUCKET)
            .env("RUST_LOG", "netapp=info,garage=info")
            .env("NO_COLOR", "1");
        self.server.start(garage)?;
        let answered = self.wait_for_answer();
        if answered.is_err() {
            self.end_now();
        }
        answered
    }

    /// Stops the server where it is: connections stay open, and nothing answers.
    pub fn pause(&mut self) -> Result<()> {
        self.server.pause()
    }

    /// Lets a paused server go on.
    pub fn resume(&mut self) -> Result<()> {
        self.server.resume()
    }

    fn configure(&self, rpc_port: u16) -> Result<()> {
        let folder = self.folder.path().display();
        let secret = secret::hex(32)?;
        let address = self.address();
        let text = format!(
            r#"metadata_dir = "{folder}/metadata"
data_dir = "{folder}/data"
db_engine = "lmdb"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc_port}"
rpc_public_addr = "127.0.0.1:{rpc_port}"
rpc_secret = "{secret}"

[s3_api]
s3_region = "{REGION}"
api_bind_addr = "{address}"
"#
        );
        let path = self.folder.path().join("garage.toml");
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    fn wait_for_answer(&mut self) -> Result<()> {
        let address = self.address();
        let waited = wait_until(START_MAX, || {
            self.server.require_alive()?;
            Ok(answers(address).is_some())
        });
        waited.context("wait until Garage answers")
    }

    fn end_now(&mut self) {
        if let Some(process) = self.server.hand_over() {
            // Whatever is left of it, there is nobody to tell.
            drop(process.kill());
        }
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// Whether S3 is spoken: without a signature the answer is a refusal in its words.
fn answers(address: SocketAddr) -> Option<()> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
    let request = format!("GET /{BUCKET} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"HTTP/1.1 403").then_some(())
}

fn program() -> Option<PathBuf> {
    let named = env::var_os(PROGRAM).filter(|path| !path.is_empty());
    named.map(PathBuf::from).or_else(|| find("garage"))
}
