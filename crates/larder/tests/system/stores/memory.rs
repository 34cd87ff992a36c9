//! How much memory uploads take that all come at once.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Cluster, Replica};
use crate::support::{Made, Upload};

const UPLOADS: usize = 100;
/// What is promised, with all that the server needs besides.
const MEMORY_MAX: u64 = 256 * 1024 * 1024;

#[test]
#[ignore = "needs PostgreSQL and Garage"]
fn uploads_at_the_same_time_take_little_memory() {
    let (_cluster, replica) = upload_together(12 * 1024 * 1024);
    replica.admin(&["check", "--strict"]).is(0);
}

mod at_length {
    #[test]
    #[ignore = "takes minutes: `cargo xtask test --long`"]
    fn uploads_at_the_same_time_take_little_memory() {
        super::upload_together(100 * 1024 * 1024);
    }
}

fn upload_together(bytes: u64) -> (Cluster, Replica) {
    let cluster = Cluster::start();
    let replica = cluster.replica("http://larder.test");
    let client = replica.server.client();
    let job = client.announce(&replica.token());
    let idle = replica.server.anonymous_memory();
    let (ended, mut most) = (AtomicUsize::new(0), idle);
    std::thread::scope(|scope| {
        for upload in 0..UPLOADS {
            let (client, job, ended) = (&client, &job, &ended);
            scope.spawn(move || {
                let path = job.artifact(&format!("file-{upload}"));
                let mut sent = 0;
                let body = Upload {
                    source: &mut Distinct::new(upload).take(bytes),
                    declared: Some(bytes),
                    sent: &mut |size| sent += size as u64,
                };
                let answer = client.open("PUT", &path, &job.token, body);
                ended.fetch_add(1, Ordering::Relaxed);
                answer.unwrap().answer().unwrap().is(201);
                assert_eq!(sent, bytes);
            });
        }
        while ended.load(Ordering::Relaxed) < UPLOADS {
            most = most.max(replica.server.anonymous_memory());
            std::thread::park_timeout(std::time::Duration::from_millis(10));
        }
    });
    println!(
        "{UPLOADS} uploads of {bytes} bytes at once: {most} bytes of memory, {idle} before them"
    );
    assert!(most <= MEMORY_MAX, "{most} bytes");
    (cluster, replica)
}

/// Bytes without end, other ones for each number.
struct Distinct {
    block: Vec<u8>,
    at: usize,
}

impl Distinct {
    fn new(number: usize) -> Self {
        Self {
            // No power of two, so that no two blocks of the bucket are equal.
            block: Made::new(number as u64).bytes(65_537),
            at: 0,
        }
    }
}

impl Read for Distinct {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = buffer.len().min(self.block.len() - self.at);
        buffer[..size].copy_from_slice(&self.block[self.at..][..size]);
        self.at = (self.at + size) % self.block.len();
        Ok(size)
    }
}
