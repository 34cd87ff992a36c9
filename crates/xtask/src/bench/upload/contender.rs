//! Programs that keep files, each run as its user would.

use super::super::http::{Connection, Request};
use super::super::machine;
use super::super::servers::Server;
use super::super::workload::Sample;
use super::files::Files;
use super::instant;
use crate::process::{self, command};
use crate::tools;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a process is looked at while it works.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A process for each file is so slow that this part of many files is enough to know its pace.
const CURL_PART: usize = 10;

/// Somebody who keeps files.
#[derive(Debug)]
pub(crate) struct Contender<'a> {
    name: &'static str,
    version: String,
    way: Way<'a>,
}

#[derive(Debug)]
enum Way<'a> {
    Larder(&'a Server),
    Curl(&'a Server),
    Buildkite {
        program: PathBuf,
        address: SocketAddr,
    },
    Copy {
        onto: PathBuf,
    },
}

/// All who can run on this machine, ourselves first.
pub(crate) fn all<'a>(server: &'a Server, folder: &Path) -> Result<Vec<Contender<'a>>> {
    let mut contenders = vec![Contender {
        name: "larder upload",
        version: server.version.clone(),
        way: Way::Larder(server),
    }];
    if process::find("curl").is_some() {
        contenders.push(Contender {
            name: "curl -T in a loop",
            version: first_line(command("curl").arg("--version"))?,
            way: Way::Curl(server),
        });
    }
    match tools::buildkite_agent() {
        Ok(program) => contenders.push(Contender {
            name: "buildkite-agent",
            version: first_line(command(&program).arg("--version"))?,
            way: Way::Buildkite {
                program,
                address: instant::serve()?,
            },
        }),
        Err(error) => println!("buildkite-agent is left out: {error:#}"),
    }
    contenders.push(Contender {
        name: "cp -r and sync",
        version: first_line(command("cp").arg("--version"))?,
        way: Way::Copy {
            onto: folder.join("copy"),
        },
    });
    Ok(contenders)
}

impl Contender<'_> {
    pub(crate) fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Keeps the files once; `serial` is another number each time.
    pub(crate) fn keep(&self, files: &Files, serial: u64) -> Result<Sample> {
        match &self.way {
            Way::Larder(server) => {
                let job = announce(server, &format!("larder-{serial}"))?;
                let mut upload = command(process::release_binary());
                upload.arg("upload").arg(".");
                upload
                    .env("LARDER_URL", format!("http://{}", server.address))
                    .env("LARDER_TOKEN", server.token.as_deref().unwrap_or_default())
                    .env("LARDER_JOB", job);
                timed(upload.current_dir(&files.folder))
            }
            Way::Curl(server) => curl(server, files, serial),
            Way::Buildkite { program, address } => {
                let mut upload = command(program);
                upload.args(["artifact", "upload", "**/*"]);
                upload
                    .env("BUILDKITE_AGENT_ENDPOINT", format!("http://{address}/v3"))
                    .env("BUILDKITE_AGENT_ACCESS_TOKEN", "bench")
                    .env("BUILDKITE_JOB_ID", "bench");
                timed(upload.current_dir(&files.folder))
            }
            Way::Copy { onto } => {
                let mut copy = command("sh");
                copy.args([
                    "-c",
                    "cp -r \"$1\" \"$2\" && sync --file-system \"$2\"",
                    "sh",
                ]);
                copy.arg(&files.folder).arg(onto);
                let sample = timed(&mut copy)?;
                fs::remove_dir_all(onto)?;
                machine::sync(files.folder.parent().unwrap_or(&files.folder))?;
                Ok(sample)
            }
        }
    }
}

/// A `curl` for each file, as scripts do it.
fn curl(server: &Server, files: &Files, serial: u64) -> Result<Sample> {
    let part = match files.names.len() {
        many if many > CURL_PART => CURL_PART,
        _ => 1,
    };
    let names = &files.names[..files.names.len() / part];
    let list = files.folder.with_extension("list");
    fs::write(&list, names.join("\n") + "\n")?;
    let job = announce(server, &format!("curl-{serial}"))?;
    let mut upload = command("sh");
    upload.args([
        "-c",
        "while read -r name; do \
         curl --silent --show-error --fail --output /dev/null --header \"Authorization: Bearer $TOKEN\" \
         --upload-file \"$name\" \"$URL/$name\" || exit 1; done < \"$1\"",
        "sh",
    ]);
    upload
        .arg(&list)
        .env("TOKEN", server.token.as_deref().unwrap_or_default())
        .env(
            "URL",
            format!("http://{}/larder/v1/jobs/{job}/artifacts", server.address),
        );
    let sample = timed(upload.current_dir(&files.folder))?;
    let times = u32::try_from(part)?;
    Ok(Sample {
        took: sample.took * times,
        processor: sample.processor * times,
        ..sample
    })
}

/// A job of its own for each run, so that no run finds what another one kept.
fn announce(server: &Server, name: &str) -> Result<String> {
    let build = serde_json::json!({"jobs": [{"name": name}]}).to_string();
    let answer = Connection::open(server.address)?.ask(Request {
        method: "POST",
        path: "/larder/v1/projects/github/acme/bench/builds",
        token: server.token.as_deref(),
        piece: build.as_bytes(),
        repeated: 1,
    })?;
    let build: Value = serde_json::from_slice(&answer.start)?;
    let job = build["jobs"][0]["id"].as_str();
    Ok(job.context("no job in the announced build")?.to_owned())
}

/// Runs a command to its end while looking at its memory and processor time.
fn timed(command: &mut Command) -> Result<Sample> {
    let words = format!("{command:?}");
    let log = tempfile()?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.try_clone()?);
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("start {words}"))?;
    let (mut memory, mut processor) = (0, Duration::ZERO);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // A process that has just ended has neither.
        let mut used = Duration::ZERO;
        for process in with_children(&child) {
            memory = memory.max(machine::memory(process).unwrap_or_default());
            used += machine::processor_time_of_tree(process).unwrap_or_default();
        }
        processor = processor.max(used);
        std::thread::park_timeout(LOOK_EVERY);
    };
    let took = start.elapsed();
    ensure!(status.success(), "{words}: {status}: {}", said(log)?);
    Ok(Sample {
        took,
        durable: None,
        processor,
        memory,
    })
}

/// The process and those that it started: `timeout` may stand in front of the program.
fn with_children(child: &Child) -> Vec<u32> {
    let own = child.id();
    let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children"));
    let children = children.unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok());
    std::iter::once(own).chain(children).collect()
}

fn tempfile() -> Result<fs::File> {
    let path = std::env::temp_dir().join(format!("larder-bench-{}", std::process::id()));
    let file = fs::File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn said(mut log: fs::File) -> Result<String> {
    use std::io::{Read, Seek};
    let mut text = String::new();
    log.rewind()?;
    log.take(4096).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next().unwrap_or_default();
    // The versions of its libraries help nobody here.
    Ok(line.split(" (").next().unwrap_or(line).to_owned())
}
