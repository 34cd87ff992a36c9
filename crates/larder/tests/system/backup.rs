//! A backup of a server that takes uploads, and the store that comes from it after the server's disk is lost.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{
    Finished, Job, Made, PATIENCE, Serve, ServeProcess, Store, larder, output_within, wait_for,
};

const UPLOADERS: usize = 3;
/// Uploads before the backup begins, and while it is made.
const UPLOADS: usize = 40;
/// Sizes go up to 256 KiB.
const SIZE_BITS: u32 = 18;

/// Names and seeds of what was answered with 201.
type Ledger = Mutex<Vec<(String, u64)>>;

#[test]
fn what_was_acknowledged_before_a_backup_outlives_the_store() {
    let store = Store::new();
    let mut server = store.serve().start();
    let token = store.token();
    let job = server.client().announce(&token);
    let backup = store.beside("backup");
    let before = upload_beside(&server, &job, |ledger| {
        let before = ledger.lock().unwrap().clone();
        back_up(&store, &backup);
        before
    });
    let again = upload_beside(&server, &job, |ledger| {
        let before = ledger.lock().unwrap().clone();
        kill_a_backup(&store, &backup);
        back_up(&store, &backup);
        before
    });
    server.kill();

    let restored = store.beside("restored");
    let said = restore(&restored, &backup).is(0).stdout;
    assert!(said.ends_with(": 0 damaged\n"), "{said}");
    let server = Serve::over(&restored).start();
    let client = server.client();
    for (name, seed) in before.iter().chain(&again) {
        let kept = client.get(&job.artifact(name), &token).unwrap();
        assert!(
            kept.is(200).body == content(*seed),
            "{name} has other bytes"
        );
    }
    // What signs links is the same, so that those that people have stay good.
    let keys = |data: &Path| std::fs::read(data.join("signing-keys.json")).unwrap();
    assert_eq!(keys(&restored), keys(&store.data()));
    server.admin(&["gc"]).is(0);
    server.admin(&["check", "--strict"]).is(0);
    restore(&restored, &backup)
        .is(2)
        .says(&["in use by process"]);
    drop(server);
    restore(&restored, &backup).is(2).says(&["already"]);
}

/// Uploads go on from all sides while `meanwhile` is done, and some time before.
fn upload_beside<T>(server: &ServeProcess, job: &Job, meanwhile: impl FnOnce(&Ledger) -> T) -> T {
    let seed = Made::seed();
    println!("LARDER_TEST_SEED={seed}");
    let (ledger, is_over) = (Ledger::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for uploader in 0..UPLOADERS {
            let (ledger, is_over, client) = (&ledger, &is_over, server.client());
            let mut made = Made::new(seed + uploader as u64);
            scope.spawn(move || {
                for number in 0.. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let (name, seed) = (format!("{seed}-{uploader}-{number}"), made.number());
                    client.put(job, &name, &content(seed)).unwrap().is(201);
                    ledger.lock().unwrap().push((name, seed));
                }
            });
        }
        let ends = EndsUploads(&is_over);
        wait_for("uploads", PATIENCE, || {
            (ledger.lock().unwrap().len() >= UPLOADS).then_some(())
        });
        let done = meanwhile(&ledger);
        drop(ends);
        done
    })
}

/// Lets the uploaders end, however the test does.
struct EndsUploads<'a>(&'a AtomicBool);

impl Drop for EndsUploads<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes a backup as soon as no other one is made there.
#[track_caller]
fn back_up(store: &Store, backup: &Path) {
    let backup = backup.to_str().unwrap();
    let done = wait_for("a backup", PATIENCE, || {
        let asked = store.admin(&["backup", backup]);
        let must_wait = asked.stderr.contains("in use by another backup");
        (!must_wait).then_some(asked)
    });
    let said = done.is(0).stdout;
    assert!(said.ends_with(": 0 damaged\n"), "{said}");
}

/// The command is killed, perhaps before its server has heard of it; the server goes on with what it has heard.
fn kill_a_backup(store: &Store, backup: &Path) {
    let mut asked = larder(&["admin", "--data"]);
    asked.arg(store.data()).arg("backup").arg(backup);
    let mut asked = asked.spawn().unwrap();
    std::thread::park_timeout(Duration::from_millis(20));
    asked.kill().unwrap();
    asked.wait().unwrap();
}

fn restore(data: &Path, backup: &Path) -> Finished {
    let mut restore = larder(&["admin", "--data"]);
    output_within(PATIENCE, restore.arg(data).arg("restore").arg(backup))
}

fn content(seed: u64) -> Vec<u8> {
    let mut made = Made::new(seed);
    let size = made.size(SIZE_BITS);
    made.bytes(size)
}
