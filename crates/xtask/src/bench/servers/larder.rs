//! The larder's release build over a store of its own.

use super::super::http::{Connection, Request};
use super::{Listed, Running, Server};
use crate::process::{self, command};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Starts it over an empty store in `folder`, with a project and a build to keep files in.
pub(crate) fn start(folder: &Path) -> Result<Server> {
    let data = folder.join("larder");
    let (running, address, _) = serve(&data)?;
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
        piece: build.as_bytes(),
        repeated: 1,
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
        version: program(&["--version"])?,
        address,
        token: Some(token),
        files: format!("/larder/v1/jobs/{files}/artifacts/"),
        listed: Some(Listed {
            files: format!("/larder/v1/jobs/{}/artifacts/", many.0),
            list: format!("/api/v1.1/project/github/acme/bench/{}/artifacts", many.1),
        }),
        is_durable: true,
        folder: data,
        running,
    })
}

/// Starts `larder serve` and asks it until it is ready; also says how long that took. What it logs goes into a file
/// beside its data.
pub(super) fn serve(data: &Path) -> Result<(Running, SocketAddr, Duration)> {
    let log = data.with_extension("log");
    let mut serve = std::process::Command::new(process::release_binary());
    serve
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data);
    serve
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log)?);
    let start = Instant::now();
    let mut child = serve.spawn().context("start larder serve")?;
    let output = child
        .stdout
        .take()
        .context("read what larder serve prints")?;
    let running = Running(child);
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
    Connection::open(address)?.ask(Request::get("/readyz", None))?;
    let took = start.elapsed();
    // A pipe that nobody reads would stop the server once it is full.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((running, address, took))
}

fn admin(data: &Path, arguments: &[&str]) -> Result<String> {
    let data = data.display().to_string();
    program(&[&["admin", "--data", &data], arguments].concat())
}

/// What a command of it prints.
fn program(arguments: &[&str]) -> Result<String> {
    let mut program = command(process::release_binary());
    let output = program.args(arguments).output();
    let output = output.with_context(|| format!("start larder {}", arguments.join(" ")))?;
    ensure!(
        output.status.success(),
        "larder {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
