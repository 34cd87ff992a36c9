//! The larder command: reads the command line and hands it to the file of the command.

#[macro_use]
mod output;
mod cli;
mod commands;
mod failure;

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    // Before any thread starts: a process with threads cannot enter a user namespace.
    if arguments
        .get(1)
        .is_some_and(|command| command == larder_agent::sandbox::SUBCOMMAND)
    {
        return larder_agent::sandbox::enter(arguments.into_iter().skip(2));
    }
    let command = cli::Cli::parse_from(arguments).command;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failure::Failure::from(error).report(),
    };
    match runtime.block_on(commands::perform(command)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
