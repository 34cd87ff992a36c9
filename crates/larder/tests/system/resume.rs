//! Kill -9 in the middle of an upload in parts: what was acknowledged is held, and only the rest is sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{Client, Job, Made, PATIENCE, ServeProcess, Store, Upload, sha256_of};

/// Eight parts and a little.
const BYTES: usize = 64 * PART_BYTES + 12_345;
const PART_BYTES: usize = 1024 * 1024;
const SENDERS: usize = 2;
const KILLS: u64 = 6;
/// A server is killed when so many bytes at most have been sent to it.
const BYTES_UNTIL_KILL: u64 = 16 * PART_BYTES as u64;

#[test]
fn an_upload_in_parts_goes_on_after_each_kill_where_it_was() {
    let seed = Made::seed();
    println!("LARDER_TEST_SEED={seed}");
    let mut made = Made::new(seed);
    let (store, bytes) = (Store::new(), made.bytes(BYTES));
    let mut server = store.serve().start();
    let job = server.client().announce(&store.token());
    let (mut acknowledged, mut id) = (BTreeSet::new(), None);
    for kill in 0..KILLS {
        let upload = begin(&server.client(), &job, &bytes);
        assert_eq!(*id.get_or_insert(upload["id"].clone()), upload["id"]);
        let held = held(&upload);
        assert!(
            acknowledged.is_subset(&held),
            "{acknowledged:?} were acknowledged and {held:?} are held"
        );
        // Every other server dies of an acknowledgement: not a moment is left to make it true.
        let end = if kill % 2 == 0 {
            End::KilledAfter(made.below(BYTES_UNTIL_KILL))
        } else {
            End::KilledByAcknowledgement
        };
        let before = acknowledged.len();
        send_until(end, &mut server, &job, &upload, &bytes, &mut acknowledged);
        if end == End::KilledByAcknowledgement {
            assert!(acknowledged.len() > before);
        }
        println!("kill {kill}: {} parts acknowledged", acknowledged.len());
        server = store.serve().start();
        server.admin(&["check"]).is(0);
    }
    let upload = begin(&server.client(), &job, &bytes);
    send_until(
        End::Sent,
        &mut server,
        &job,
        &upload,
        &bytes,
        &mut acknowledged,
    );
    let all = held(&begin(&server.client(), &job, &bytes));
    assert_eq!(all.len(), BYTES.div_ceil(PART_BYTES));
    // And in the middle of the end.
    let finish = format!("{}/finish", place(&job, &upload));
    let client = server.client();
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| client.send("POST", &finish, &job.token, b"").is_ok());
        server.kill();
        ended.join().unwrap();
    });
    server = store.serve().start();
    let finished = server
        .client()
        .send("POST", &finish, &job.token, b"")
        .unwrap();
    assert!(matches!(finished.status, 200 | 201), "{finished:?}");
    let kept = server.client().get(&job.artifact("file"), &job.token);
    assert!(kept.unwrap().is(200).body == bytes, "other bytes came back");
    server.admin(&["gc"]).is(0);
    server.admin(&["check", "--strict"]).is(0);
}

fn begin(client: &Client, job: &Job, bytes: &[u8]) -> Value {
    let body = json!({ "path": "file", "size": bytes.len(), "sha256": sha256_of(bytes) });
    let uploads = format!("/larder/v1/jobs/{}/uploads", job.id);
    let begun = client.send("POST", &uploads, &job.token, body.to_string().as_bytes());
    begun.unwrap().json()
}

fn held(upload: &Value) -> BTreeSet<u64> {
    let held = upload["held"].as_array().unwrap().iter();
    held.map(|part| part.as_u64().unwrap()).collect()
}

fn place(job: &Job, upload: &Value) -> String {
    let id = upload["id"].as_str().unwrap();
    format!("/larder/v1/jobs/{}/uploads/{id}", job.id)
}

/// When a server has been sent enough.
#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    /// It is killed when so many bytes have gone out.
    KilledAfter(u64),
    /// It is killed when it says that a part is held.
    KilledByAcknowledgement,
    /// Nothing is missing.
    Sent,
}

/// Sends what is missing, several parts at a time.
fn send_until(
    end: End,
    server: &mut ServeProcess,
    job: &Job,
    upload: &Value,
    bytes: &[u8],
    acknowledged: &mut BTreeSet<u64>,
) {
    let held = held(upload);
    let missing: BTreeMap<_, _> = (0..)
        .zip(bytes.chunks(PART_BYTES))
        .filter(|(part, _)| !held.contains(part))
        .collect();
    let (missing, sent) = (Mutex::new(missing), AtomicU64::new(0));
    let (client, place) = (server.client(), place(job, upload));
    let (new, count) = (Mutex::new(acknowledged), AtomicU64::new(0));
    let work = || {
        loop {
            let next = missing.lock().unwrap().pop_first();
            let Some((part, bytes)) = next else { return };
            let body = Upload {
                source: &mut &*bytes,
                declared: Some(bytes.len() as u64),
                sent: &mut |size| {
                    sent.fetch_add(size as u64, Ordering::Relaxed);
                },
            };
            let path = format!("{place}/parts/{part}");
            match client.open("PUT", &path, &job.token, body) {
                Ok(answer) if answer.status == 204 => {
                    count.fetch_add(1, Ordering::Relaxed);
                    new.lock().unwrap().insert(part);
                }
                Ok(answer) => panic!("{:?}", answer.answer()),
                Err(_) => return,
            }
        }
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|_| scope.spawn(work)).collect();
        let deadline = Instant::now() + PATIENCE;
        let is_over = || {
            senders
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
        };
        let is_time = || match end {
            End::KilledAfter(bytes) => sent.load(Ordering::Relaxed) >= bytes,
            End::KilledByAcknowledgement => count.load(Ordering::Relaxed) > 0,
            End::Sent => false,
        };
        while !is_time() && !is_over() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        if end != End::Sent {
            server.kill();
        }
    });
}
