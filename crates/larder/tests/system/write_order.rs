//! The order that makes `201` mean "survives a power cut", seen in the system calls of one PUT.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Made, PATIENCE, Store, interrupt, wait_for};

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

#[test]
#[ignore = "needs strace"]
fn a_small_file_is_durable_before_it_is_acknowledged() {
    check(1_000);
}

#[test]
#[ignore = "needs strace"]
fn a_large_file_is_durable_before_it_is_acknowledged() {
    check(3_000_000);
}

/// Traces one PUT and asserts: side file synced → renamed → its folder synced → database synced → answered.
fn check(size: usize) {
    let store = Store::new();
    let server = store.serve().start();
    let job = server.client().announce(&server.token());
    let bytes = Made::new(1).bytes(size);
    let trace = store.beside("trace");
    let mut tracer = attach(server.id(), &trace);
    server.client().put(&job, "file", &bytes).unwrap().is(201);
    interrupt(tracer.id());
    tracer.wait().unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    let calls = calls_of(&text);

    let blobs = format!(
        "{}/blobs",
        std::fs::canonicalize(store.data()).unwrap().display()
    );
    let is_sync =
        |call: &&Call| call.text.starts_with("fsync(") || call.text.starts_with("fdatasync(");
    let renamed = one(&calls, "rename", |call| call.text.starts_with("rename"));
    let (from, target) = paths_of(&renamed.text, &store.data());
    assert!(from.starts_with(&format!("{blobs}/tmp/")), "{from}");
    let (folder, key) = target.rsplit_once('/').unwrap();
    assert_eq!(folder, format!("{blobs}/{}", &key[key.len() - 2..]));
    let named = |name: &str| format!("<{name}>");
    let side_synced = one(&calls, "side file synced", |call| {
        is_sync(call) && call.text.contains(&named(&from))
    });
    let folder_synced = one(&calls, "folder synced", |call| {
        call.text.starts_with("fsync(") && call.text.contains(&named(folder))
    });
    let answered = one(&calls, "answered", |call| {
        call.text.contains("\"HTTP/1.1 201")
    });
    let database_synced = calls
        .iter()
        .filter(is_sync)
        .find(|call| call.text.contains("/meta.db-wal>") && call.begun > folder_synced.ended);
    let database_synced = database_synced.expect("the database is synced after the folder");
    let order = [
        side_synced,
        renamed,
        folder_synced,
        database_synced,
        answered,
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
