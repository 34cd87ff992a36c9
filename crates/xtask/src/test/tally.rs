//! How many tests passed, read from what `cargo test` prints.

use crate::process;
use anyhow::Result;
use std::process::Command;

/// Runs `cargo test`, shows what it prints, and counts the tests that passed in `targets`: files like
/// `tests/it/main.rs`, in whichever crates they are.
pub(super) fn run(test: &mut Command, targets: &[&str]) -> Result<usize> {
    let mut tally = Tally::of(targets);
    // Colours would stand between the words.
    test.env("CARGO_TERM_COLOR", "never");
    process::run_watched(test, |line| tally.read(line))?;
    Ok(tally.passed)
}

#[derive(Debug)]
struct Tally<'a> {
    targets: &'a [&'a str],
    /// Whether the tests that run now are of one of them.
    counts: bool,
    passed: usize,
}

impl<'a> Tally<'a> {
    fn of(targets: &'a [&'a str]) -> Self {
        Self {
            targets,
            counts: false,
            passed: 0,
        }
    }

    fn read(&mut self, line: &str) {
        let line = line.trim_start();
        if let Some(target) = line.strip_prefix("Running ") {
            let target = target.split(' ').next().unwrap_or_default();
            self.counts = self.targets.contains(&target);
        } else if line.starts_with("Doc-tests ") {
            self.counts = false;
        } else if let Some(result) = line.strip_prefix("test result: ok. ")
            && self.counts
        {
            let passed = result.split(' ').next().unwrap_or_default();
            self.passed += passed.parse::<usize>().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
     Running unittests src/lib.rs (target/debug/deps/larder_core-f00)
running 5 tests
test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/it/main.rs (target/debug/deps/it-f01)
test a ... ok
test result: ok. 20 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 1.20s
     Running tests/front/main.rs (target/debug/deps/front-f02)
test result: ok. 300 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/it/main.rs (target/debug/deps/it-f03)
test result: ok. 4000 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests larder_core
test result: ok. 50000 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";

    #[test]
    fn the_tests_of_the_named_targets_are_counted() {
        let check = |targets: &[&str], passed| {
            let mut tally = Tally::of(targets);
            PRINTED.lines().for_each(|line| tally.read(line));
            assert_eq!(tally.passed, passed, "{targets:?}");
        };
        check(&["tests/it/main.rs"], 4020);
        check(&["tests/it/main.rs", "tests/front/main.rs"], 4320);
        check(&["tests/system/main.rs"], 0);
    }
}
