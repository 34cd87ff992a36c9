//! `cargo xtask test`: every check of the repository, part by part.

mod stores;
mod tally;

use crate::folder::EmptyFolder;
use crate::process::{self, cargo, command, root};
use crate::tidy;
use crate::tools::{self, Found, Program};
use anyhow::{Result, ensure};
use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How much is checked.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Add the slow parts: the tests on PostgreSQL and S3, licences, the release build, the demo
    #[arg(long)]
    full: bool,
    /// Add the parts that take longer than four minutes; implies --full
    #[arg(long)]
    long: bool,
    /// Run these parts alone, whatever their tier
    #[arg(long, value_name = "PART", value_parser = PARTS.iter().map(|part| part.name).collect::<Vec<_>>())]
    only: Vec<String>,
}

/// One check with a name of its own in the closing table.
struct Part {
    name: &'static str,
    tier: Tier,
    run: fn() -> Result<Outcome>,
}

/// From which options on a part runs.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Tier {
    Always,
    Full,
    Long,
}

enum Outcome {
    Passed,
    /// So many tests of the suites passed on one pair of stores.
    Ran(Ran),
    /// It cannot run here, and why.
    Skipped(String),
}

/// Tests that passed with their rows and bytes in one place.
#[derive(Clone, Copy, Debug)]
struct Ran {
    /// Where the rows and the bytes were, as the closing lines say it.
    stores: &'static str,
    tests: usize,
    /// Whether anything was asked of those stores.
    is_asked: bool,
}

/// How a part ended, in words.
fn words(outcome: &Result<Outcome>) -> String {
    match outcome {
        Ok(Outcome::Passed | Outcome::Ran(_)) => "passed".to_owned(),
        Ok(Outcome::Skipped(reason)) => format!("skipped: {reason}"),
        Err(error) => format!("failed: {error:#}"),
    }
}

const PARTS: &[Part] = &[
    Part {
        name: "fmt",
        tier: Tier::Always,
        run: fmt,
    },
    Part {
        name: "clippy",
        tier: Tier::Always,
        run: clippy,
    },
    Part {
        name: "tidy",
        tier: Tier::Always,
        run: tidy,
    },
    Part {
        name: "test",
        tier: Tier::Always,
        run: test,
    },
    Part {
        name: "postgres",
        tier: Tier::Always,
        run: stores::postgres,
    },
    Part {
        name: "doc",
        tier: Tier::Always,
        run: doc,
    },
    Part {
        name: "system",
        tier: Tier::Always,
        run: system,
    },
    Part {
        name: "browser",
        tier: Tier::Always,
        run: browser,
    },
    Part {
        name: "stores",
        tier: Tier::Full,
        run: stores::both,
    },
    Part {
        name: "deny",
        tier: Tier::Full,
        run: deny,
    },
    Part {
        name: "release",
        tier: Tier::Full,
        run: release,
    },
    Part {
        name: "demo",
        tier: Tier::Full,
        run: demo,
    },
    Part {
        name: "length",
        tier: Tier::Long,
        run: length,
    },
];

/// Private items are documented too, so a link to one leads somewhere.
const RUSTDOCFLAGS: &str = "-Dwarnings -Arustdoc::private_intra_doc_links";

/// The modules of tests that take minutes are called so.
const AT_LENGTH: &str = "at_length::";

/// What the system tests use; each is a Debian package.
const SYSTEM_TOOLS: &[Program] = &[
    ("strace", "strace"),
    ("gdb", "gdb"),
    ("make", "make"),
    ("gcc", "gcc"),
    ("curl", "curl"),
    ("wget", "wget"),
    ("git", "git"),
    ("perl", "perl"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("nginx", "nginx"),
];
/// What the tests of the pages need.
const BROWSER_TOOLS: &[Program] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
];

/// Runs the parts in order; one that fails stops no other. The last line counts them.
pub(crate) fn run(options: &Options) -> ExitCode {
    let tier = match options {
        Options { long: true, .. } => Tier::Long,
        Options { full: true, .. } => Tier::Full,
        Options { .. } => Tier::Always,
    };
    let is_meant = |part: &&Part| match options.only.as_slice() {
        [] => part.tier <= tier,
        only => only.iter().any(|name| name == part.name),
    };
    let results: Vec<_> = PARTS.iter().filter(is_meant).map(Finished::of).collect();
    let (table, is_green) = summary(&results);
    println!("\n{table}");
    if is_green {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// A part that has ended.
struct Finished {
    name: &'static str,
    took: Duration,
    outcome: Result<Outcome>,
}

impl Finished {
    fn of(part: &Part) -> Self {
        println!("\n=== {} ===", part.name);
        let start = Instant::now();
        let outcome = (part.run)();
        let took = start.elapsed();
        println!(
            "--- {}: {}, {:.1} s",
            part.name,
            words(&outcome),
            took.as_secs_f64()
        );
        Self {
            name: part.name,
            took,
            outcome,
        }
    }
}

/// The closing table with its line of counts, and whether nothing failed.
fn summary(results: &[Finished]) -> (String, bool) {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let mut rows = vec![format!("{:<10} {:>8}  result\n", "part", "seconds")];
    let mut ran = Vec::new();
    for Finished {
        name,
        took,
        outcome,
    } in results
    {
        match outcome {
            Ok(Outcome::Passed) => passed += 1,
            Ok(Outcome::Ran(tests)) => {
                passed += 1;
                ran.push(tests.to_string());
            }
            Ok(Outcome::Skipped(_)) => skipped += 1,
            Err(_) => failed += 1,
        }
        rows.push(format!(
            "{name:<10} {:>8.1}  {}\n",
            took.as_secs_f64(),
            words(outcome)
        ));
    }
    if !ran.is_empty() {
        rows.push(format!("\n{}", ran.join("; ")));
    }
    rows.push(format!(
        "\n{passed} passed, {failed} failed, {skipped} skipped"
    ));
    (rows.concat(), failed == 0)
}

fn fmt() -> Result<Outcome> {
    run_cargo(&["fmt", "--all", "--check"])
}

fn clippy() -> Result<Outcome> {
    run_cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])
}

fn tidy() -> Result<Outcome> {
    tidy::check(root()).map(|()| Outcome::Passed)
}

/// Tests that need PostgreSQL skip themselves where none can run.
fn test() -> Result<Outcome> {
    if let Found::Missing(reason) = tools::postgres()? {
        println!("without tests that start PostgreSQL: {reason}");
    }
    let mut test = command(cargo());
    test.args(["test", "--workspace", "--no-fail-fast"]);
    let tests = tally::run(&mut test, stores::SUITES)?;
    ensure!(tests > 0, "none of the suites ran");
    Ok(Outcome::Ran(Ran {
        stores: "SQLite and disk",
        tests,
        is_asked: true,
    }))
}

fn doc() -> Result<Outcome> {
    let mut doc = command(cargo());
    doc.args([
        "doc",
        "--no-deps",
        "--workspace",
        "--document-private-items",
    ])
    .env("RUSTDOCFLAGS", RUSTDOCFLAGS);
    process::run(&mut doc).map(|()| Outcome::Passed)
}

/// The pages in a real browser; its pictures land in `target/tmp/browser`.
fn browser() -> Result<Outcome> {
    if let Found::Missing(reason) = tools::debian(BROWSER_TOOLS)? {
        return Ok(Outcome::Skipped(reason));
    }
    run_cargo(&[
        "test",
        "-p",
        "larder-server",
        "--test",
        "browser",
        "--",
        "--ignored",
        "--test-threads=1",
    ])
}

/// The tests that need root and other people's programs; each says in its `#[ignore]` what it needs.
fn system() -> Result<Outcome> {
    if let Found::Missing(reason) = tools::debian(SYSTEM_TOOLS)? {
        return Ok(Outcome::Skipped(reason));
    }
    if !tools::is_root()? {
        return Ok(Outcome::Skipped("needs root".to_owned()));
    }
    run_cargo(&[
        "test",
        "-p",
        "larder",
        "--test",
        "system",
        "--",
        "--ignored",
        "--test-threads=2",
        "--skip",
        AT_LENGTH,
        "--skip",
        stores::STORES,
    ])
}

/// The forms of tests that take minutes; each has a shorter one in another part.
fn length() -> Result<Outcome> {
    let mut test = command(cargo());
    test.args(["test", "-p", "larder", "--test", "system", "--"])
        .args(["--ignored", "--test-threads=1", AT_LENGTH]);
    if let Some(reason) = stores::give_servers(&mut test)? {
        println!("without tests of several servers: {reason}");
        test.args(["--skip", stores::STORES]);
    }
    process::run(&mut test).map(|()| Outcome::Passed)
}

/// Licences, bans and sources; advisories live in a list that is not fetched here.
fn deny() -> Result<Outcome> {
    let program = tools::cargo_deny()?;
    // Offline, it needs every package of Cargo.lock at hand, those for other systems too.
    process::run(command(cargo()).args(["fetch", "--locked"]))?;
    let mut deny = command(program);
    deny.args([
        "--offline",
        "--all-features",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    process::run(&mut deny).map(|()| Outcome::Passed)
}

fn release() -> Result<Outcome> {
    run_cargo(&["build", "--release"])
}

/// The demo in an empty folder, and once more over the store that the first one left.
fn demo() -> Result<Outcome> {
    let larder = process::release_binary();
    ensure!(
        larder.is_file(),
        "{} is not there: the part `release` makes it",
        larder.display()
    );
    let folder = EmptyFolder::make_in(&std::env::temp_dir(), "larder-demo")?;
    for _ in 0..2 {
        process::run(
            command(&larder)
                .args(["demo", "--once"])
                .current_dir(folder.path()),
        )?;
    }
    Ok(Outcome::Passed)
}

fn run_cargo(arguments: &[&str]) -> Result<Outcome> {
    process::run(command(cargo()).args(arguments)).map(|()| Outcome::Passed)
}

impl fmt::Display for Ran {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {} tests", self.stores, self.tests)?;
        if self.is_asked {
            Ok(())
        } else {
            out.write_str(" that never asked for them")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn finished(name: &'static str, outcome: Result<Outcome>) -> Finished {
        Finished {
            name,
            took: Duration::from_millis(1500),
            outcome,
        }
    }

    #[test]
    fn the_last_line_counts_the_parts() {
        let results = [
            finished("fmt", Ok(Outcome::Passed)),
            finished("system", Ok(Outcome::Skipped("needs root".to_owned()))),
            finished("test", Err(anyhow!("it broke"))),
        ];
        let (table, is_green) = summary(&results);
        assert_eq!(table.lines().last(), Some("1 passed, 1 failed, 1 skipped"));
        assert!(
            table.contains("skipped: needs root") && table.contains("failed: it broke"),
            "{table}"
        );
        assert!(!is_green);
    }

    #[test]
    fn a_run_without_failures_is_green() {
        let (table, is_green) = summary(&[finished("fmt", Ok(Outcome::Passed))]);
        assert_eq!(table.lines().last(), Some("1 passed, 0 failed, 0 skipped"));
        assert!(is_green);
    }

    #[test]
    fn the_tests_on_each_pair_of_stores_are_counted() {
        let ran = |stores, tests, is_asked| {
            Ok(Outcome::Ran(Ran {
                stores,
                tests,
                is_asked,
            }))
        };
        let results = [
            finished("test", ran("SQLite and disk", 12, true)),
            finished("postgres", ran("PostgreSQL and disk", 9, false)),
            finished("stores", Err(anyhow!("it broke"))),
        ];
        let (table, _) = summary(&results);
        let counted = "\nSQLite and disk: 12 tests; \
                       PostgreSQL and disk: 9 tests that never asked for them\n\
                       2 passed, 1 failed";
        assert!(table.contains(counted), "{table}");
    }

    #[test]
    fn a_part_that_fails_stops_no_other() {
        let parts = [
            Part {
                name: "first",
                tier: Tier::Always,
                run: || Err(anyhow!("it broke")),
            },
            Part {
                name: "second",
                tier: Tier::Always,
                run: || Ok(Outcome::Passed),
            },
        ];
        let results: Vec<_> = parts.iter().map(Finished::of).collect();
        assert!(results[0].outcome.is_err() && results[1].outcome.is_ok());
    }
}
