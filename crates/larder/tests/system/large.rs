//! Large files go in and out without being held in memory, and files over the limit are refused.

use std::io::{BufReader, Read, Write as _};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

use larder_core::model::hex;

use crate::support::{Client, Job, Made, Opened, ServeProcess, Store, Upload, wait_until_empty};

const MEBIBYTE: usize = 1024 * 1024;
/// What the server may hold in anonymous resident memory meanwhile.
const MEMORY_MAX: u64 = 64 * 1024 * 1024;
/// What the server keeps at most in the tests of the limit.
const LIMIT: u64 = 1_000_000;

/// A stream that differs in every mebibyte.
struct Generated {
    block: Vec<u8>,
    position: u64,
    size: u64,
}

#[test]
fn a_gigabyte_goes_in_and_out() {
    check(1_000_000_000);
}

#[test]
#[ignore = "needs a minute and 3 GB of disk"]
fn three_gigabytes_go_in_and_out() {
    check(3_000_000_000);
}

fn check(size: u64) {
    let store = Store::new();
    let server = store.serve().start();
    let job = server.client().announce(&server.token());
    let begun = Instant::now();
    let (digest, in_most) = send(&server, &job, size);
    println!(
        "{size} bytes in within {:?}; {} KiB of memory at most",
        begun.elapsed(),
        in_most / 1024
    );
    let begun = Instant::now();
    let (received, out_most) = receive(&server, &job, size);
    println!(
        "out within {:?}; {} KiB of memory at most",
        begun.elapsed(),
        out_most / 1024
    );
    assert_eq!(digest, received, "other bytes come out than went in");
    let most = in_most.max(out_most);
    assert!(most < MEMORY_MAX, "{most} bytes of anonymous memory");
}

/// Uploads; gives the digest of what was sent and the most memory that was seen.
fn send(server: &ServeProcess, job: &Job, size: u64) -> (String, u64) {
    let (mut hasher, mut most, mut left) = (Sha256::new(), 0, 0);
    let mut source = Generated::new(size);
    let mut tapped = Tapped {
        source: &mut source,
        hasher: &mut hasher,
    };
    let upload = Upload {
        source: &mut tapped,
        declared: Some(size),
        sent: &mut |bytes| {
            left += bytes;
            if left > 8 * MEBIBYTE {
                left = 0;
                most = most.max(server.anonymous_memory());
            }
        },
    };
    let opened = server
        .client()
        .open("PUT", &job.artifact("large"), &job.token, upload);
    let answer = opened.and_then(Opened::answer).unwrap().is(201).json();
    let digest = hex(&hasher.finalize());
    assert_eq!(answer["sha256"], digest.as_str());
    assert_eq!(answer["size"], size);
    (digest, most.max(server.anonymous_memory()))
}

/// Downloads; gives the digest of what came and the most memory that was seen.
fn receive(server: &ServeProcess, job: &Job, size: u64) -> (String, u64) {
    let nothing = Upload {
        source: &mut std::io::empty(),
        declared: Some(0),
        sent: &mut |_| (),
    };
    let mut opened = server
        .client()
        .open("GET", &job.artifact("large"), &job.token, nothing)
        .unwrap();
    assert_eq!((opened.status, opened.declared()), (200, Some(size)));
    let (mut hasher, mut most, mut received) = (Sha256::new(), 0, 0);
    let mut piece = vec![0; MEBIBYTE];
    for number in 0_u64.. {
        let count = opened.read(&mut piece).unwrap();
        if count == 0 {
            break;
        }
        hasher.update(&piece[..count]);
        received += count as u64;
        if number.is_multiple_of(64) {
            most = most.max(server.anonymous_memory());
        }
    }
    assert_eq!(received, size);
    (hex(&hasher.finalize()), most.max(server.anonymous_memory()))
}

#[test]
fn a_file_over_the_limit_is_refused_by_name_and_leaves_nothing() {
    let store = Store::new();
    let server = store
        .serve()
        .variable("LARDER__LIMITS__MAX_FILE_BYTES", &LIMIT.to_string())
        .start();
    let (client, token) = (server.client(), server.token());
    let job = client.announce(&token);
    // Of the larger ones most is still to be sent when the answer comes.
    for size in [LIMIT + 1, 100 * LIMIT] {
        for declared in [Some(size), None] {
            let upload = Upload {
                source: &mut Generated::new(size),
                declared,
                sent: &mut |_| (),
            };
            let opened = client.open("PUT", &job.artifact("large"), &job.token, upload);
            let refused = opened.and_then(Opened::answer).unwrap().is(413).json();
            let message = refused["message"].as_str().unwrap();
            assert!(
                message.contains("1000000"),
                "{size} {declared:?}: {message}"
            );
        }
    }
    check_refused_unseen(&client, &job);
    for (name, declared) in [("just-declared", Some(LIMIT)), ("just-chunked", None)] {
        let upload = Upload {
            source: &mut Generated::new(LIMIT),
            declared,
            sent: &mut |_| (),
        };
        let opened = client.open("PUT", &job.artifact(name), &job.token, upload);
        opened.and_then(Opened::answer).unwrap().is(201);
    }
    assert_eq!(names(&client, &job), ["just-declared", "just-chunked"]);
    wait_until_empty(&store.data().join("blobs/tmp"));
    server.admin(&["check", "--strict"]).is(0);
}

/// What is declared too large is refused before a byte of it is sent.
fn check_refused_unseen(client: &Client, job: &Job) {
    let mut stream = client.connect();
    let head = client.head("PUT", &job.artifact("unseen"), &job.token, Some(LIMIT + 1));
    stream.write_all(head.as_bytes()).unwrap();
    let refused = Opened::read(BufReader::new(stream))
        .unwrap()
        .answer()
        .unwrap()
        .is(413);
    assert!(refused.text().contains("1000000"), "{}", refused.text());
}

/// The paths of a job's artifacts, in whatever state they are.
fn names(client: &Client, job: &Job) -> Vec<String> {
    let list = client
        .get(&format!("/larder/v1/jobs/{}/artifacts", job.id), &job.token)
        .unwrap()
        .is(200)
        .json();
    let paths = list["artifacts"].as_array().unwrap().iter();
    paths
        .map(|artifact| artifact["path"].as_str().unwrap().to_owned())
        .collect()
}

impl Generated {
    fn new(size: u64) -> Self {
        Self {
            block: Made::new(size).bytes(MEBIBYTE),
            position: 0,
            size,
        }
    }
}

impl Read for Generated {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let block = MEBIBYTE as u64;
        let (number, offset) = (
            self.position / block,
            usize::try_from(self.position % block).unwrap(),
        );
        self.block[..8].copy_from_slice(&number.to_le_bytes());
        let left = usize::try_from(self.size - self.position).unwrap();
        let count = buffer.len().min(MEBIBYTE - offset).min(left);
        buffer[..count].copy_from_slice(&self.block[offset..offset + count]);
        self.position += count as u64;
        Ok(count)
    }
}

/// Hashes what is read.
struct Tapped<'a> {
    source: &'a mut dyn Read,
    hasher: &'a mut Sha256,
}

impl Read for Tapped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
