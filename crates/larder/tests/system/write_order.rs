//! The order that makes `201` mean "survives a power cut", seen in the system calls of one request.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::{Client, Job, Made, PATIENCE, Store, interrupt, sha256_of, wait_for};

/// The calls that make things durable or tell of it.
const TRACED: &str =
    "trace=openat,write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2";

/// One system call: the lines of the trace on which it began and ended, and its text.
#[derive(Debug)]
struct Call {
    begun: usize,
    ended: usize,
    text: String,
}

/// Bytes that go as one part: no part is shorter than 1 MiB but the last.
const ONE_PART: usize = 1_000_000;

#[test]
#[ignore = "needs strace"]
fn a_small_file_is_durable_before_it_is_acknowledged() {
    check_put(1_000);
}

#[test]
#[ignore = "needs strace"]
fn a_large_file_is_durable_before_it_is_acknowledged() {
    check_put(3_000_000);
}

#[test]
#[ignore = "needs strace"]
fn a_part_is_durable_before_it_is_acknowledged() {
    let bytes = Made::new(2).bytes(ONE_PART);
    let traced = trace(
        |client, job| begin(client, job, &bytes),
        |client, job, upload| send(client, job, &upload, &bytes),
    );
    traced.check_file("204");
}

/// The bytes are durable already: the rows are what must be, and no byte is written again.
#[test]
#[ignore = "needs strace"]
fn a_finished_upload_is_durable_before_it_is_acknowledged() {
    let bytes = Made::new(3).bytes(ONE_PART);
    let traced = trace(
        |client, job| {
            let upload = begin(client, job, &bytes);
            send(client, job, &upload, &bytes);
            upload
        },
        |client, job, upload| {
            let finish = format!("{upload}/finish");
            let finished = client.send("POST", &finish, &job.token, b"");
            finished.unwrap().is(201);
        },
    );
    let calls = &traced.calls;
    let answered = traced.answered("201");
    let database_synced = calls
        .iter()
        .filter(|call| is_sync(call))
        .find(|call| call.text.contains("/meta.db-wal>"));
    let database_synced = database_synced.expect("the database is synced");
    assert!(database_synced.text.ends_with("= 0"));
    assert!(
        database_synced.ended < answered.begun,
        "{} must end before {}",
        database_synced.text,
        answered.text
    );
    let blobs = format!("<{}/", traced.blobs);
    let touched: Vec<_> = calls
        .iter()
        .filter(|call| call.text.starts_with("write(") && call.text.contains(&blobs))
        .collect();
    assert!(touched.is_empty(), "bytes are copied: {touched:#?}");
}

/// Traces one PUT of a file of its own.
fn check_put(size: usize) {
    let bytes = Made::new(1).bytes(size);
    let put = |client: &Client, job: &Job, ()| {
        client.put(job, "file", &bytes).unwrap().is(201);
    };
    let traced = trace(|_, _| (), put);
    traced.check_file("201");
}

/// Begins the upload of a file of one part; its address.
fn begin(client: &Client, job: &Job, bytes: &[u8]) -> String {
    let uploads = format!("/larder/v1/jobs/{}/uploads", job.id);
    let body = json!({ "path": "file", "size": bytes.len(), "sha256": sha256_of(bytes) });
    let begun = client.send("POST", &uploads, &job.token, body.to_string().as_bytes());
    let begun = begun.unwrap().is(201).json();
    format!("{uploads}/{}", begun["id"].as_str().unwrap())
}

/// Sends its part.
fn send(client: &Client, job: &Job, upload: &str, bytes: &[u8]) {
    let part = format!("{upload}/parts/0");
    let sent = client.send("PUT", &part, &job.token, bytes);
    sent.unwrap().is(204);
}

/// What a server did while it answered one request.
struct Traced {
    calls: Vec<Call>,
    data: PathBuf,
    blobs: String,
    _store: Store,
}

/// Traces what the server does while `ask` asks, with what `prepare` has prepared.
fn trace<T>(
    prepare: impl FnOnce(&Client, &Job) -> T,
    ask: impl FnOnce(&Client, &Job, T),
) -> Traced {
    let store = Store::new();
    let server = store.serve().start();
    let (client, job) = (server.client(), server.client().announce(&server.token()));
    let prepared = prepare(&client, &job);
    let trace = store.beside("trace");
    let mut tracer = attach(server.id(), &trace);
    ask(&client, &job, prepared);
    interrupt(tracer.id());
    tracer.wait().unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let data = store.data();
    let real = std::fs::canonicalize(&data).unwrap();
    Traced {
        calls: calls_of(&text),
        blobs: format!("{}/blobs", real.display()),
        data,
        _store: store,
    }
}

fn is_sync(call: &Call) -> bool {
    call.text.starts_with("fsync(") || call.text.starts_with("fdatasync(")
}

impl Traced {
    fn answered(&self, status: &str) -> &Call {
        let answer = format!("\"HTTP/1.1 {status}");
        one(&self.calls, "answered", |call| call.text.contains(&answer))
    }

    /// Asserts: side file synced → renamed → its folder synced → database synced → answered.
    fn check_file(&self, status: &str) {
        let (calls, blobs) = (&self.calls, &self.blobs);
        let renamed = one(calls, "rename", |call| call.text.starts_with("rename"));
        let (from, target) = paths_of(&renamed.text, &self.data);
        assert!(from.starts_with(&format!("{blobs}/tmp/")), "{from}");
        let (folder, key) = target.rsplit_once('/').unwrap();
        assert_eq!(folder, format!("{blobs}/{}", &key[key.len() - 2..]));
        let named = |name: &str| format!("<{name}>");
        let side_synced = one(calls, "side file synced", |call| {
            is_sync(call) && call.text.contains(&named(&from))
        });
        let folder_synced = one(calls, "folder synced", |call| {
            call.text.starts_with("fsync(") && call.text.contains(&named(folder))
        });
        let database_synced = calls
            .iter()
            .filter(|call| is_sync(call))
            .find(|call| call.text.contains("/meta.db-wal>") && call.begun > folder_synced.ended);
        let database_synced = database_synced.expect("the database is synced after the folder");
        let order = [
            side_synced,
            renamed,
            folder_synced,
            database_synced,
            self.answered(status),
        ];
        for call in order {
            println!("{:>5} {}", call.begun + 1, call.text);
        }
        for pair in order.windows(2) {
            assert!(
                pair[0].ended < pair[1].begun,
                "{} must end before {}",
                pair[0].text,
                pair[1].text
            );
        }
        for call in [side_synced, renamed, folder_synced, database_synced] {
            assert!(call.text.ends_with("= 0"), "{}", call.text);
        }
        let last_written = calls
            .iter()
            .filter(|call| call.text.starts_with("write(") && call.text.contains(&named(&from)))
            .map(|call| call.ended)
            .max();
        let last_written = last_written.expect("the side file is written");
        assert!(
            last_written < side_synced.begun,
            "bytes are written after the sync"
        );
    }
}

/// Attaches to every thread of the server.
fn attach(process: u32, trace: &Path) -> Child {
    let mut tracer = Command::new("strace")
        .args([
            "-f",
            "-y",
            "-s",
            "24",
            "-e",
            TRACED,
            "-p",
            &process.to_string(),
            "-o",
        ])
        .arg(trace)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tracer.stderr.take().unwrap()).lines();
    wait_for("strace attached", PATIENCE, || {
        let line = lines
            .next()
            .expect("strace says that it is attached")
            .unwrap();
        line.contains("attached").then_some(())
    });
    // What it says later is nobody's; it must not wait for a reader.
    std::thread::spawn(move || lines.count());
    tracer
}

/// The calls of a trace, those that another thread interrupted put together again.
fn calls_of(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: Vec<(&str, usize)> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let (thread, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        if let Some(begin) = text.strip_suffix(" <unfinished ...>") {
            unfinished.push((thread, calls.len()));
            calls.push(Call {
                begun: number,
                ended: usize::MAX,
                text: begin.to_owned(),
            });
        } else if let Some((_, end)) = text.split_once(" resumed>") {
            let at = unfinished.iter().rposition(|(known, _)| *known == thread);
            // A call that had begun before we looked has no beginning here.
            if let Some(at) = at {
                let (_, index) = unfinished.remove(at);
                calls[index].ended = number;
                calls[index].text.push_str(end);
            }
        } else {
            calls.push(Call {
                begun: number,
                ended: number,
                text: text.to_owned(),
            });
        }
    }
    calls
}

/// The only call of its kind.
#[track_caller]
fn one<'a>(calls: &'a [Call], what: &str, is_it: impl Fn(&&Call) -> bool) -> &'a Call {
    let found: Vec<_> = calls.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{what}: {found:#?}\nin {calls:#?}");
    found[0]
}

/// The two paths of a rename, without links.
fn paths_of(rename: &str, data: &Path) -> (String, String) {
    let mut quoted = rename.split('"').skip(1).step_by(2);
    let (from, to) = (quoted.next().unwrap(), quoted.next().unwrap());
    let plain = |path: &str| {
        let real = std::fs::canonicalize(data).unwrap();
        path.replacen(data.to_str().unwrap(), real.to_str().unwrap(), 1)
    };
    (plain(from), plain(to))
}
