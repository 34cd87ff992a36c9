//! Plain file servers. They promise less: no digests, no rows, and nothing is synced.

use super::super::http::Connection;
use super::{Running, Server};
use crate::process;
use crate::tools;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(10);

/// Starts those that can be had here, each over an empty folder in `folder`; says which cannot.
pub(crate) fn start(folder: &Path) -> Vec<Server> {
    let mut peers = Vec::new();
    for (name, peer) in [("nginx", nginx(folder)), ("dufs", dufs(folder))] {
        match peer {
            Ok(peer) => peers.push(peer),
            Err(error) => println!("without {name}: {error:#}"),
        }
    }
    peers
}

/// nginx as a file server with its module for PUT and DELETE: static files by `sendfile`, uploads by DAV.
fn nginx(folder: &Path) -> Result<Server> {
    let program = tools::nginx()?;
    let folder = folder.join("nginx");
    fs::create_dir_all(folder.join("files"))?;
    let address = free_address()?;
    let configuration = folder.join("nginx.conf");
    fs::write(
        &configuration,
        nginx_configuration(&folder, address, tools::is_root()?),
    )?;
    let mut nginx = Command::new(&program);
    nginx
        .arg("-p")
        .arg(&folder)
        .arg("-c")
        .arg(&configuration)
        .stdin(Stdio::null());
    serve("nginx", version(&program, "-v")?, folder, address, nginx)
}

/// dufs, which serves and takes files over a folder; without a line of log for each request, as nginx here.
fn dufs(folder: &Path) -> Result<Server> {
    let program = tools::dufs()?;
    let folder = folder.join("dufs");
    let files = folder.join("files");
    fs::create_dir_all(&files)?;
    let address = free_address()?;
    let mut dufs = Command::new(&program);
    dufs.args([
        "--allow-all",
        "--log-format",
        "",
        "--bind",
        &address.ip().to_string(),
    ])
    .args(["--port", &address.port().to_string()])
    .arg(&files)
    .stdin(Stdio::null())
    .stdout(Stdio::null());
    serve(
        "dufs",
        version(&program, "--version")?,
        folder,
        address,
        dufs,
    )
}

fn serve(
    name: &'static str,
    version: String,
    folder: PathBuf,
    address: SocketAddr,
    mut command: Command,
) -> Result<Server> {
    let mut running = Running(command.spawn().with_context(|| format!("start {name}"))?);
    let deadline = Instant::now() + START_MAX;
    while Connection::open(address).is_err() {
        if let Some(status) = running.0.try_wait()? {
            bail!("{name} ended at its start: {status}");
        }
        ensure!(
            Instant::now() < deadline,
            "{name} accepts no connection at {address}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Server {
        name,
        version,
        address,
        token: None,
        folder,
        files: "/".to_owned(),
        listed: None,
        is_durable: false,
        running,
    })
}

/// The last word of what a program says about its version, on either stream: `nginx version: nginx/1.2`.
fn version(program: &Path, argument: &str) -> Result<String> {
    let output = process::command(program).arg(argument).output();
    let output = output.with_context(|| format!("start {}", program.display()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Ok(said.trim_start_matches("nginx version: ").to_owned())
}

fn nginx_configuration(folder: &Path, address: SocketAddr, is_root: bool) -> String {
    let folder = folder.display();
    // As root it would serve as nobody, who may not read the folder.
    let user = if is_root { "user root;" } else { "" };
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "{user}\ndaemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 2048; }}\n\
         http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\nclient_max_body_size 0;\n\
         keepalive_requests 1000000;\n{temporary}\
         server {{ listen {address}; root {folder}/files; location / {{ dav_methods PUT DELETE; }} }}\n}}\n"
    )
}

/// An address of the loopback at which nobody listens now; no peer picks one by itself and says which.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr()?)
}
