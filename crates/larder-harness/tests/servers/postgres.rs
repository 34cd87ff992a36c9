//! The private PostgreSQL.

use crate::{PATIENCE, connect, hears, is_silent, wait_until};
use larder_harness::{Postgres, PostgresOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// How a client asks for TLS; the answer is one byte.
const ASK_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
const QUICK: PostgresOptions = PostgresOptions::QUICK;

/// None, and the reason on the screen, where none can run.
fn start(options: PostgresOptions) -> Option<Postgres> {
    if let Some(reason) = Postgres::missing() {
        println!("skipped: {reason}");
        return None;
    }
    Some(Postgres::start(options).unwrap())
}

fn address(server: &Postgres) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()))
}

fn psql(url: &str) -> std::process::Output {
    let mut psql = Command::new("psql");
    psql.args([url, "--no-align", "--tuples-only", "--command", "SELECT 7"]);
    psql.output().unwrap()
}

#[test]
fn databases_come_and_go_and_are_reached_by_password() {
    let Some(server) = start(QUICK) else { return };
    assert_eq!(server.run("postgres", "SHOW fsync").unwrap(), "off");
    assert_eq!(psql(&server.url()).stdout, b"7\n");

    let url = server.create_database("it_1").unwrap();
    assert_eq!(url, server.url_of("it_1"));
    assert_eq!(psql(&url).stdout, b"7\n");
    assert!(server.create_database("it_1").is_err());
    server.drop_database("it_1").unwrap();
    assert!(!psql(&url).status.success());

    let wrong = server.url().replace("larder:", "larder:x");
    let said = String::from_utf8(psql(&wrong).stderr).unwrap();
    assert!(said.contains("password authentication failed"), "{said}");
    assert_eq!(server.connections().unwrap(), 0, "these were ours");
}

#[test]
fn a_killed_server_comes_back_with_what_was_committed() {
    let options = PostgresOptions {
        fsync: true,
        ..QUICK
    };
    let Some(mut server) = start(options) else {
        return;
    };
    assert_eq!(server.run("postgres", "SHOW fsync").unwrap(), "on");
    let url = server.url();
    server
        .run("postgres", "CREATE TABLE kept (number INT)")
        .unwrap();
    for number in 1..=3 {
        let insert = format!("INSERT INTO kept VALUES ({number})");
        server.run("postgres", &insert).unwrap();
        // Somebody is in the middle of something that takes long.
        let mut busy = Command::new("psql");
        busy.args([&url, "--command", "SELECT pg_sleep(60)"]);
        let mut busy = busy.stderr(Stdio::null()).spawn().unwrap();
        let count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(60)'";
        wait_until("somebody sleeps", || {
            server.run("postgres", count).unwrap() == "1"
        });

        server.kill().unwrap();
        assert!(TcpStream::connect(address(&server)).is_err());
        assert!(!busy.wait().unwrap().success());
        server.restart().unwrap();
        assert_eq!(server.url(), url);
        let counted = server.run("postgres", "SELECT count(*) FROM kept");
        assert_eq!(counted.unwrap(), number.to_string());
    }
    server.stop().unwrap();
    assert!(TcpStream::connect(address(&server)).is_err());
    server.restart().unwrap();
    server.restart().unwrap();
    assert_eq!(psql(&server.url()).stdout, b"7\n");
}

#[test]
fn a_paused_server_is_silent() {
    let Some(mut server) = start(QUICK) else {
        return;
    };
    server.pause().unwrap();
    let mut stream = connect(address(&server));
    stream.write_all(&ASK_FOR_TLS).unwrap();
    assert!(is_silent(&stream));
    server.resume().unwrap();
    assert_eq!(hears(&stream, 1), "N");
    // Who ends a paused server does not wait for it.
    server.pause().unwrap();
    server.stop().unwrap();
    server.restart().unwrap();
    server.pause().unwrap();
    server.kill().unwrap();
}

#[test]
fn its_certificate_holds_before_its_authority() {
    let options = PostgresOptions { tls: true, ..QUICK };
    let Some(server) = start(options) else { return };
    let authority = server.authority().unwrap().to_owned();
    let asked = |path: &str| format!("{}?sslmode=verify-full&sslrootcert={path}", server.url());
    assert_eq!(psql(&asked(authority.to_str().unwrap())).stdout, b"7\n");

    let other = authority.with_file_name("server.pem");
    let said = String::from_utf8(psql(&asked(other.to_str().unwrap())).stderr).unwrap();
    assert!(said.contains("certificate verify failed"), "{said}");

    let address = address(&server);
    drop(server);
    assert!(TcpStream::connect(address).is_err());
    assert!(!authority.exists(), "the folder is gone");
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let server = thread::spawn(|| start(QUICK)).join().unwrap();
    let Some(server) = server else { return };
    assert!(!ends_soon(&server));
    assert_eq!(psql(&server.url()).stdout, b"7\n");
}

/// Whether it ends within the time in which a signal of the kernel would have come.
fn ends_soon(server: &Postgres) -> bool {
    thread::sleep(crate::SILENCE);
    TcpStream::connect(address(server)).is_err()
}

#[test]
fn a_server_dies_with_a_program_that_is_killed() {
    if let Some(reason) = Postgres::missing() {
        return println!("skipped: {reason}");
    }
    // Its folder stays; here it goes with ours, which the user of the server may enter.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    program
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("postgres::a_program_that_starts_a_server_and_waits")
        .env("TMPDIR", folder.path());
    let mut program = program.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let port = lines.map(Result::unwrap).find_map(|line| {
        let port = line.rsplit_once("port ")?.1;
        Some(port.parse::<u16>().unwrap())
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap()));
    assert!(TcpStream::connect(address).is_ok());
    program.kill().unwrap();
    program.wait().unwrap();
    wait_until("the server is gone", || {
        TcpStream::connect(address).is_err()
    });
    forget_memory(folder.path());
}

/// The kernel keeps 56 bytes of a server that was killed, and has room for a few thousand of them.
fn forget_memory(folder: &Path) {
    let server = folder.read_dir().unwrap().next().unwrap().unwrap();
    let lock = std::fs::read_to_string(server.path().join("data/postmaster.pid")).unwrap();
    let number = lock.lines().nth(6).unwrap().split_whitespace().nth(1);
    let mut ipcrm = Command::new("ipcrm");
    ipcrm.args(["--shmem-id", number.unwrap()]);
    // Children that have yet to see that the server is gone still hold it; it goes with the last one.
    assert!(ipcrm.status().unwrap().success());
}

#[test]
#[ignore = "is a program for another test"]
fn a_program_that_starts_a_server_and_waits() {
    let server = Postgres::start(QUICK).unwrap();
    println!("port {}", server.port());
    thread::sleep(PATIENCE * 3);
}
