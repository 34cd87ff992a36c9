//! The project's own commands: `cargo xtask test` and `cargo xtask tidy`.

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
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Test(options) => return test::run(options),
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
