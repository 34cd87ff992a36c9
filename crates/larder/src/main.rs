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
        // What a job does is its own affair.
        allow_huge_pages(true);
        return larder_agent::sandbox::enter(arguments.into_iter().skip(2));
    }
    // A step's `circleci tests split` and its like: no command of ours.
    if arguments
        .get(1)
        .is_some_and(|command| command == larder_agent::shim::SUBCOMMAND)
    {
        return larder_agent::shim::enter(arguments.into_iter().skip(2), std::env::vars_os());
    }
    let command = cli::Cli::parse_from(arguments).command;
    allow_huge_pages(false);
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

/// The allocator asks for huge pages, each of which is resident as a whole once a byte of it is used: that doubles the memory
/// of thousands of small uploads. Child processes inherit the switch; a kernel without it has nothing to switch.
fn allow_huge_pages(allowed: bool) {
    let _ = rustix::thread::disable_transparent_huge_pages(!allowed);
}
