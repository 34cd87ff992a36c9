//! A server that answers `buildkite-agent` at once and stores nothing: what the agent costs by itself.
//!
//! The three calls of an upload are those of `docs/api/buildkite.md`: announce, a form for each file, states.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

/// Artifacts that have a name.
static ANNOUNCED: AtomicU64 = AtomicU64::new(0);

/// Serves until this program ends.
pub(crate) fn serve() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on loopback")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that hangs up ends its connection's thread; nothing else is to be done about it.
            std::thread::spawn(move || answer_all(&stream, address).unwrap_or_default());
        }
    });
    Ok(address)
}

fn answer_all(stream: &TcpStream, address: SocketAddr) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let is_announcement = line.starts_with("POST /v3/jobs/");
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = reader.by_ref().take(length);
        let answer = if is_announcement {
            let asked: Value = serde_json::from_reader(&mut body)?;
            announced(&asked, address).to_string()
        } else {
            "{}".to_owned()
        };
        io::copy(&mut body, &mut io::sink())?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        let mut stream = stream;
        stream.write_all((head + &answer).as_bytes())?;
    }
}

fn announced(asked: &Value, address: SocketAddr) -> Value {
    let count = asked["artifacts"].as_array().map_or(0, Vec::len);
    // The agent counts what is done by these names, over all its announcements.
    let ids: Vec<String> = (0..count)
        .map(|_| format!("artifact-{}", ANNOUNCED.fetch_add(1, Ordering::Relaxed)))
        .collect();
    json!({
        "id": asked["id"],
        "artifact_ids": ids,
        "upload_instructions": {
            "action": {"url": format!("http://{address}/"), "method": "POST", "path": "/form", "file_input": "file"},
            "data": {"path": "${artifact:path}"},
        },
    })
}
