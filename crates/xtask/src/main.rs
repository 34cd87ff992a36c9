//! The project's own commands: `cargo xtask test`, `cargo xtask tidy` and `cargo xtask bench`.

mod bench;
mod folder;
mod process;
mod test;
mod tidy;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Checks, architecture rules and measurements of the larder.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check everything: format, lints, architecture, tests, documentation, the real system
    Test(test::Options),
    /// Check the rules of the architecture
    Tidy,
    /// Measure a release build and print a table of medians
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Test(options) => return test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Tidy => tidy::check(process::root()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
