//! The servers that are measured: the larder, and the peers that it is compared with.

use super::http::{Connection, Request};
use crate::process::{self, command};
use crate::tools;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it accepts connections.
const START_MAX: Duration = Duration::from_secs(10);

/// A running server and where files are kept in it. It is ended with the value.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) token: Option<String>,
    /// The path before a file's name, for GET and PUT.
    pub(crate) files: String,
    /// Where many files are kept, and the path that lists them all.
    pub(crate) listed: Option<Listed>,
    process: Running,
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
    /// Bytes of anonymous resident memory of its process.
    pub(crate) fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process.0.id());
        let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = line
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .and_then(|number| number.parse().ok());
        kilobytes
            .map(|kilobytes: u64| kilobytes * 1024)
            .with_context(|| format!("no RssAnon in {path}"))
    }
}

/// Starts the release build over an empty store in `folder`, with a project and a build to keep files in.
pub(crate) fn larder(folder: &Path) -> Result<Server> {
    let data = folder.join("larder");
    let (process, address) = serve(&data)?;
    admin(&data, &["user", "create", "bench", "--admin"])?;
    let token = admin(
        &data,
        &["token", "create", "--user", "bench", "--scopes", "admin"],
    )?;
    let build =
        json!({"branch": "main", "jobs": [{"name": "files"}, {"name": "many"}]}).to_string();
    let answer = Connection::open(address)?.ask(Request {
        method: "POST",
        path: "/larder/v1/projects/github/acme/bench/builds",
        token: Some(&token),
        body: &[build.as_bytes()],
    })?;
    let build: Value = serde_json::from_slice(&answer.start).context("read the announced build")?;
    let job = |index: usize| -> Result<(&str, i64)> {
        let job = &build["jobs"][index];
        let known = job["id"].as_str().zip(job["number"].as_i64());
        known.with_context(|| format!("no job {index} in the announced build {build}"))
    };
    let (files, many) = (job(0)?.0, job(1)?);
    Ok(Server {
        name: "larder",
        address,
        token: Some(token),
        files: format!("/larder/v1/jobs/{files}/artifacts/"),
        listed: Some(Listed {
            files: format!("/larder/v1/jobs/{}/artifacts/", many.0),
            list: format!("/api/v1.1/project/github/acme/bench/{}/artifacts", many.1),
        }),
        process,
    })
}

/// Starts `larder serve` and waits for the line that names its address. What it logs goes into a file beside its data.
fn serve(data: &Path) -> Result<(Running, SocketAddr)> {
    let log = data.with_extension("log");
    let mut serve = std::process::Command::new(process::release_binary());
    serve
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data);
    serve
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log)?);
    let mut child = serve.spawn().context("start larder serve")?;
    let output = child
        .stdout
        .take()
        .context("read what larder serve prints")?;
    let process = Running(child);
    let mut lines = BufReader::new(output).lines();
    let address = loop {
        let Some(line) = lines.next().transpose()? else {
            bail!(
                "larder serve ended before it was ready: {}",
                fs::read_to_string(&log)?.trim()
            );
        };
        if let Some(url) = line.strip_prefix("listening on http://") {
            break url
                .trim_end_matches('/')
                .parse()
                .with_context(|| format!("no address in `{line}`"))?;
        }
    };
    // A pipe that nobody reads would stop the server once it is full.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((process, address))
}

fn admin(data: &Path, arguments: &[&str]) -> Result<String> {
    let mut admin = command(process::release_binary());
    let output = admin
        .args(["admin", "--data"])
        .arg(data)
        .args(arguments)
        .output()
        .context("start larder admin")?;
    let words = arguments.join(" ");
    ensure!(
        output.status.success(),
        "larder admin {words}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Starts nginx as a file server with PUT in `folder`. It promises less: it syncs nothing and computes no digest.
pub(crate) fn nginx(folder: &Path) -> Result<Server> {
    let program = tools::nginx()?;
    let folder = folder.join("nginx");
    fs::create_dir_all(folder.join("files"))?;
    let address = free_address()?;
    let configuration = folder.join("nginx.conf");
    fs::write(
        &configuration,
        nginx_configuration(&folder, address, tools::is_root()?),
    )?;
    let mut start = std::process::Command::new(program);
    start
        .arg("-p")
        .arg(&folder)
        .arg("-c")
        .arg(&configuration)
        .stdin(Stdio::null());
    let mut process = Running(start.spawn().context("start nginx")?);
    let deadline = Instant::now() + START_MAX;
    while Connection::open(address).is_err() {
        if let Some(status) = process.0.try_wait()? {
            bail!("nginx ended at its start: {status}");
        }
        ensure!(
            Instant::now() < deadline,
            "nginx accepts no connection at {address}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Server {
        name: "nginx",
        address,
        token: None,
        files: "/".to_owned(),
        listed: None,
        process,
    })
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
         events {{ worker_connections 512; }}\n\
         http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\nclient_max_body_size 0;\n\
         keepalive_requests 1000000;\n{temporary}\
         server {{ listen {address}; root {folder}/files; location / {{ dav_methods PUT; }} }}\n}}\n"
    )
}

/// An address of the loopback at which nobody listens now; nginx cannot pick one by itself.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr()?)
}
