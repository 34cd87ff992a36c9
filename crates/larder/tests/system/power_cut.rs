//! A power cut under uploads: the file systems stop as they are, and what was acknowledged is there and the same.
//!
//! What was acknowledged is what was answered before the cut began: a file system that is being shut down may say once more
//! that it has synced (seen on xfs), but a machine without power sends no more answers.
//!
//! Bytes and rows lie on file systems of their own: on one, the database's next sync would force the journal and hide
//! that a folder had not been synced. Both are cut at once, without their journals' last entries. Every other cut
//! strikes in the middle of uploads, the others right after the last answer, when no later upload can have forced the
//! journal for the one before.
//!
//! The control is a test too: it lets the folder's sync say "done" and do nothing (`strace` answers in its place), and
//! asserts that the same cut then loses files. By hand: in `larder-core/src/blobs/local.rs`, let `publish` return
//! `Ok(())` instead of calling `sync_folder`; `nothing_acknowledged_is_lost_when_the_power_is_cut` then fails.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use crate::support::{Client, Job, Made, PATIENCE, ServeProcess, Store, output_within, wait_for};

const CUTS: u64 = 6;
const UPLOADERS: u64 = 4;
/// So many acknowledged uploads at most before a cut.
const UPLOADS_MAX: u64 = 60;
/// What one uploader keeps before a cut that strikes after the last answer.
const UPLOADS_EACH: u64 = 3;
/// Sizes go up to 128 KiB: large writes would have the file system write its journal by itself.
const SIZE_BITS: u32 = 17;
/// Of each file system; xfs wants 300 MiB.
const DISK_SIZE: &str = "320M";
/// Opens folders, waits for a line, and sends each `FS_IOC_SHUTDOWN` with `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`, one right after
/// the other. Perl, because it is on every Debian and needs no `unsafe`.
const SWITCH: &str = r#"
    my @folders = map { sysopen(my $folder, $_, 0) or die "open $_: $!"; $folder } @ARGV;
    $| = 1;
    print "ready\n";
    defined(<STDIN>) or exit 1;
    my $no_log_flush = pack("L", 2);
    for my $folder (@folders) {
        defined(ioctl($folder, 0x8004587d, $no_log_flush)) or die "shut down: $!";
    }
"#;

/// Name and seed of what was answered with 201; kept in this process, so on neither file system.
type Ledger = BTreeMap<String, u64>;

/// When the power is cut.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    AmongUploads,
    AfterTheLastAnswer,
}

/// A file system of its own in a file, on a loop device that it keeps; unmounted and detached at the end.
struct Disk {
    folder: tempfile::TempDir,
    device: String,
    kind: &'static str,
}

/// A store whose bytes and rows lie on disks that can be cut.
struct Machine {
    store: Store,
    blobs: Disk,
    rows: Disk,
}

/// Cuts the power of both disks when told to; waits for that with both folders open.
struct Switch(Child);

/// Uploads on their way, and what was answered with 201 before the cut.
#[derive(Default)]
struct Uploads {
    ledger: Mutex<Ledger>,
    count: AtomicU64,
    is_cut: AtomicBool,
}

#[test]
#[ignore = "needs root, loop devices and mkfs.ext4"]
fn nothing_acknowledged_is_lost_when_the_power_is_cut() {
    check("ext4");
}

#[test]
#[ignore = "needs root, loop devices and mkfs.xfs"]
fn nothing_acknowledged_is_lost_on_xfs_when_the_power_is_cut() {
    check("xfs");
}

/// Without the sync of its folder, a file that was acknowledged has no name after the cut: this test can fail.
#[test]
#[ignore = "needs root, loop devices, mkfs.ext4 and strace"]
fn a_folder_that_is_not_synced_loses_files_when_the_power_is_cut() {
    if !can_be_made("ext4") {
        return;
    }
    let (mut made, machine) = (Made::new(Made::seed()), Machine::new("ext4"));
    let mut server = machine.start();
    let job = server.client().announce(&server.token());
    let mut tracer = lie_about_folders(server.id(), &machine.blobs.path());
    let ledger = machine.upload_until_cut(&mut server, &job, Moment::AfterTheLastAnswer, &mut made);
    tracer.wait().unwrap();
    machine.power_on();
    let server = machine.start();
    let lost = lost(&server.client(), &job, &ledger);
    println!("{} of {} lost without the sync", lost.len(), ledger.len());
    assert!(!lost.is_empty(), "the cut would not see a missing sync");
    server.admin(&["check"]).is(1);
}

/// Cuts, starts again and looks, a few times.
fn check(kind: &'static str) {
    if !can_be_made(kind) {
        return;
    }
    let seed = Made::seed();
    println!("LARDER_TEST_SEED={seed}");
    let (mut made, machine) = (Made::new(seed), Machine::new(kind));
    let mut server = machine.start();
    let job = server.client().announce(&server.token());
    let mut ledger = Ledger::new();
    for cut in 0..CUTS {
        let moment = match cut % 2 {
            0 => Moment::AfterTheLastAnswer,
            _ => Moment::AmongUploads,
        };
        let acknowledged = machine.upload_until_cut(&mut server, &job, moment, &mut made);
        println!("cut {cut}, {moment:?}: {} acknowledged", acknowledged.len());
        assert!(!acknowledged.is_empty(), "nothing to lose");
        ledger.extend(acknowledged);
        machine.power_on();
        server = machine.start();
        assert_eq!(lost(&server.client(), &job, &ledger), [""; 0], "cut {cut}");
        server.admin(&["check"]).is(0);
    }
    println!(
        "{kind}: {CUTS} cuts, {} files acknowledged, 0 lost",
        ledger.len()
    );
}

/// Whether this machine has what a disk of ours is made of; said aloud if not, since a green line alone would lie.
fn can_be_made(kind: &str) -> bool {
    let program = format!("mkfs.{kind}");
    let missing = if !Path::new("/dev/loop-control").exists() {
        "loop devices"
    } else if Command::new(&program).arg("-V").output().is_err() {
        &program
    } else {
        return true;
    };
    // Past the harness, which shows nothing of what is green.
    let _ = writeln!(
        std::io::stderr(),
        "power cuts on {kind}: SKIPPED, no {missing}"
    );
    false
}

/// What does not come back as it was sent, each with its name and what came in its place.
fn lost(client: &Client, job: &Job, ledger: &Ledger) -> Vec<String> {
    let of = |(name, seed): (&String, &u64)| {
        let answer = client.get(&job.artifact(name), &job.token);
        match answer {
            Ok(answer) if answer.status == 200 && answer.body == content(*seed) => None,
            Ok(answer) if answer.status == 200 => Some(format!("{name}: other bytes")),
            Ok(answer) => Some(format!("{name}: {} {}", answer.status, answer.text())),
            Err(error) => Some(format!("{name}: {error}")),
        }
    };
    ledger.iter().filter_map(of).collect()
}

/// The bytes of an upload: its size and content come from the seed. No two are equal, since equal ones are stored once.
fn content(seed: u64) -> Vec<u8> {
    let mut made = Made::new(seed);
    let size = made.size(SIZE_BITS);
    [&seed.to_le_bytes(), &*made.bytes(size)].concat()
}

/// Answers every sync of a folder of blobs with "done" in the kernel's place.
fn lie_about_folders(process: u32, blobs: &Path) -> Child {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-e", "trace=fsync", "-e", "inject=fsync:retval=0"]);
    for fan in 0..=u8::MAX {
        strace.arg("-P").arg(blobs.join(format!("{fan:02x}")));
    }
    strace.args(["-o", "/dev/null", "-p", &process.to_string()]);
    let mut tracer = strace.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tracer.stderr.take().unwrap()).lines();
    wait_for("strace attached", PATIENCE, || {
        let line = lines.next().expect("strace says that it is attached");
        line.unwrap().contains(" attached").then_some(())
    });
    // What it says later is nobody's; it must not wait for a reader.
    std::thread::spawn(move || lines.count());
    tracer
}

impl Machine {
    fn new(kind: &'static str) -> Self {
        Self {
            store: Store::new(),
            blobs: Disk::new(kind),
            rows: Disk::new(kind),
        }
    }

    fn start(&self) -> ServeProcess {
        let blobs = format!("file:{}", self.blobs.path().display());
        let rows = format!("sqlite:{}", self.rows.path().join("meta.db").display());
        let server = self.store.serve();
        let server = server.variable("LARDER__BLOBS__URL", &blobs);
        let server = server.variable("LARDER__DATABASE__URL", &rows).start();
        server.client().get("/readyz", "").unwrap().is(200);
        server
    }

    /// Uploads from all sides, cuts the power at the moment, and gives what was acknowledged.
    fn upload_until_cut(
        &self,
        server: &mut ServeProcess,
        job: &Job,
        moment: Moment,
        made: &mut Made,
    ) -> Ledger {
        let (uploads, client) = (Uploads::default(), server.client());
        let switch = Switch::new([&self.blobs, &self.rows]);
        let cut_at = 1 + made.below(UPLOADS_MAX);
        let each = match moment {
            Moment::AmongUploads => u64::MAX,
            Moment::AfterTheLastAnswer => UPLOADS_EACH,
        };
        let seeds: Vec<_> = (0..UPLOADERS).map(|_| made.number()).collect();
        std::thread::scope(|scope| {
            let (uploads, client) = (&uploads, &client);
            let uploaders: Vec<_> = seeds
                .into_iter()
                .map(|seed| scope.spawn(move || uploads.run(client, job, seed, each)))
                .collect();
            let deadline = Instant::now() + PATIENCE;
            let is_time = || match moment {
                Moment::AmongUploads => uploads.count.load(Ordering::SeqCst) >= cut_at,
                Moment::AfterTheLastAnswer => uploaders.iter().all(ScopedJoinHandle::is_finished),
            };
            while !is_time() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            uploads.is_cut.store(true, Ordering::SeqCst);
            switch.turn_off();
            server.kill();
        });
        uploads.ledger.into_inner().unwrap()
    }

    /// Mounts both disks as after a cut and asks their own checkers.
    fn power_on(&self) {
        for disk in [&self.blobs, &self.rows] {
            disk.unmount();
            // The journal is replayed by mounting; the checkers look at what is at rest.
            disk.mount();
            disk.unmount();
            disk.check();
            disk.mount();
        }
    }
}

impl Uploads {
    /// One small file after the other until the server is gone; an answer of 201 is written down.
    fn run(&self, client: &Client, job: &Job, seed: u64, files: u64) {
        let mut seeds = Made::new(seed);
        for _ in 0..files {
            let seed = seeds.number();
            let name = format!("{seed:016x}");
            // The disk may stop before the server does, which then says so: no promise.
            let answer = client.put(job, &name, &content(seed));
            let is_kept = answer.is_ok_and(|answer| answer.status == 201);
            if !is_kept || self.is_cut.load(Ordering::SeqCst) {
                return;
            }
            self.ledger.lock().unwrap().insert(name, seed);
            self.count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Switch {
    /// Of disks that are ours: a loop device must carry each.
    fn new(disks: [&Disk; 2]) -> Self {
        let mut perl = Command::new("perl");
        perl.args(["-e", SWITCH]);
        for disk in disks {
            let source = disk.source();
            assert!(
                source.starts_with("/dev/loop"),
                "{source} is no loop device"
            );
            perl.arg(disk.path());
        }
        perl.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut switch = Self(perl.spawn().unwrap());
        let mut line = String::new();
        let said = BufReader::new(switch.0.stdout.take().unwrap()).read_line(&mut line);
        assert!(
            said.is_ok() && line == "ready\n",
            "the switch said {line:?}"
        );
        switch
    }

    fn turn_off(mut self) {
        let mut line = self.0.stdin.take().unwrap();
        line.write_all(b"now\n").unwrap();
        assert!(self.0.wait().unwrap().success(), "the power is still on");
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // Its open folders would keep the disks from being unmounted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Disk {
    fn new(kind: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        run(Command::new("truncate").args(["-s", DISK_SIZE]).arg(&image));
        run(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image));
        // One device from first to last: `mount -o loop` may be given one that is just being detached.
        let mut losetup = Command::new("losetup");
        let device = run(losetup.args(["--find", "--show"]).arg(&image));
        let disk = Self {
            folder,
            device: device.trim().to_owned(),
            kind,
        };
        std::fs::create_dir(disk.path()).unwrap();
        disk.mount();
        disk
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// On ext4 with a journal that is not written by the clock, so that none is written by chance.
    fn mount(&self) {
        let options = match self.kind {
            "ext4" => "commit=300",
            _ => "defaults",
        };
        let mut mount = Command::new("mount");
        mount.args(["-o", options, &self.device]);
        run(mount.arg(self.path()));
    }

    fn unmount(&self) {
        // Who has just been killed may hold a file for a moment more.
        wait_for("unmounted", Duration::from_secs(10), || {
            let output = Command::new("umount").arg(self.path()).output().unwrap();
            output.status.success().then_some(())
        });
    }

    /// The device that is mounted, as the kernel says.
    fn source(&self) -> String {
        let mut findmnt = Command::new("findmnt");
        findmnt.args(["--noheadings", "--output", "SOURCE", "--mountpoint"]);
        run(findmnt.arg(self.path()))
    }

    /// The file system's own checker, which changes nothing.
    fn check(&self) {
        let (program, flags) = match self.kind {
            "ext4" => ("e2fsck", "-fn"),
            _ => ("xfs_repair", "-n"),
        };
        run(Command::new(program).args([flags, &self.device]));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).output();
        if !unmounted.is_ok_and(|output| output.status.success()) {
            let _ = Command::new("umount").arg("-l").arg(self.path()).output();
        }
        // Still busy, it is detached when the last file on it closes.
        let _ = Command::new("losetup").args(["-d", &self.device]).output();
    }
}

/// Runs a command that must succeed and gives what it printed.
#[track_caller]
fn run(command: &mut Command) -> String {
    let what = format!("{command:?}");
    let output = output_within(PATIENCE, command);
    assert!(output.status.success(), "{what}: {}", output.stderr);
    output.stdout
}
