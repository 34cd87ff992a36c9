//! The test suites again, with their rows in a real PostgreSQL and their bytes in a real S3.
//!
//! The suites read where from the environment, and each test takes a database, and a prefix of the bucket, of its own.

use super::{AT_LENGTH, Outcome, Ran, tally};
use crate::process::{self, cargo, command};
use crate::tools::{self, Found};
use anyhow::{Result, ensure};
use larder_harness::{Garage, Postgres, PostgresOptions};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The suites that run on each pair of stores: those of the core and of the server.
pub(super) const SUITES: &[&str] = &["tests/it/main.rs"];
/// Where the tests of the whole program are.
const SYSTEM: &[&str] = &["tests/system/main.rs"];
/// Those of them that start several servers, a PostgreSQL and a Garage.
pub(super) const STORES: &str = "stores::";

/// The tests that ask every route as everybody.
const MATRIX: &str = "matrix::";

/// Whether the suites take their stores from the environment. Once they do, a suite that never asked the server for
/// anything fails its part.
const SUITES_READ_STORES: bool = true;

const DATABASE: &str = "LARDER_TEST_DATABASE";
const BLOBS: &str = "LARDER_TEST_BLOBS";

/// Rows in PostgreSQL, bytes on the disk.
pub(super) fn postgres() -> Result<Outcome> {
    if let Found::Missing(reason) = tools::postgres()? {
        return Ok(Outcome::Skipped(reason));
    }
    let rows = started("PostgreSQL", || Postgres::start(PostgresOptions::QUICK))?;
    let tests = tally::run(suites().env(DATABASE, rows.url()), SUITES)?;
    ensure!(tests > 0, "none of the suites ran");
    let is_asked = was_asked("PostgreSQL", rows.connections()?)?;
    Ok(Outcome::Ran(Ran {
        stores: "PostgreSQL and disk",
        tests,
        is_asked,
    }))
}

/// Lets a test start a PostgreSQL and a Garage of its own, or says why it cannot.
pub(super) fn give_servers(test: &mut Command) -> Result<Option<String>> {
    Ok(match programs()? {
        Ok(garage) => {
            test.env(tools::GARAGE_PROGRAM, garage);
            None
        }
        Err(reason) => Some(reason),
    })
}

/// Garage's program where PostgreSQL is too, or why they are not.
fn programs() -> Result<Result<PathBuf, String>> {
    match tools::postgres()? {
        Found::Missing(reason) => Ok(Err(reason)),
        Found::Here => tools::garage(),
    }
}

/// Rows in PostgreSQL, bytes in S3.
pub(super) fn both() -> Result<Outcome> {
    let program = match programs()? {
        Ok(program) => program,
        Err(reason) => return Ok(Outcome::Skipped(reason)),
    };
    // Where Garage has only now been built, its own tests have not run yet.
    let mut own = command(cargo());
    own.args(["test", "--workspace", "--test", "servers", "garage::"]);
    process::run(own.env(tools::GARAGE_PROGRAM, &program))?;

    let rows = started("PostgreSQL", || Postgres::start(PostgresOptions::QUICK))?;
    let bytes = started("Garage", || Garage::start_program(&program))?;
    let with_both = |test: &mut Command| {
        test.env(DATABASE, rows.url())
            .env(tools::GARAGE_PROGRAM, &program)
            .env(BLOBS, format!("s3://{}", bytes.bucket()))
            .env(format!("{BLOBS}_ENDPOINT"), bytes.endpoint())
            .env(format!("{BLOBS}_REGION"), bytes.region())
            .env(format!("{BLOBS}_ACCESS_KEY"), bytes.access_key())
            .env(format!("{BLOBS}_SECRET_KEY"), bytes.secret_key());
    };
    let mut test = suites();
    with_both(&mut test);
    let suites = tally::run(&mut test, SUITES)?;
    ensure!(suites > 0, "none of the suites ran");
    let is_asked =
        was_asked("PostgreSQL", rows.connections()?)? & was_asked("Garage", bytes.requests()?)?;

    let mut test = system();
    with_both(&mut test);
    let system = tally::run(&mut test, SYSTEM)?;
    ensure!(system > 0, "no test named {STORES} ran");
    Ok(Outcome::Ran(Ran {
        stores: "PostgreSQL and S3",
        tests: suites + system,
        is_asked,
    }))
}

fn started<S>(name: &str, start: impl FnOnce() -> Result<S>) -> Result<S> {
    let began = Instant::now();
    let server = start()?;
    println!("{name} answered after {} ms", began.elapsed().as_millis());
    Ok(server)
}

/// The suites alone, but as members of the workspace: built for the part `test`, they are built already.
fn suites() -> Command {
    let mut test = command(cargo());
    test.args(["test", "--workspace", "--test", "it", "--no-fail-fast"]);
    // Who may do what hangs on neither store, and asking it of every route takes many minutes here.
    test.args(["--", "--skip", MATRIX]);
    test
}

/// The tests of the whole program that are about stores, built as the part `system` builds them.
fn system() -> Command {
    let mut test = command(cargo());
    test.args(["test", "-p", "larder", "--test", "system", STORES])
        .args(["--", "--include-ignored", "--test-threads=2"])
        .args(["--skip", AT_LENGTH]);
    test
}

/// A suite that was to use a server and never did has tested something else.
fn was_asked(server: &str, times: usize) -> Result<bool> {
    ensure!(
        times > 0 || !SUITES_READ_STORES,
        "the suites passed and never asked {server} for anything"
    );
    Ok(times > 0)
}
