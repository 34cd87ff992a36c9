//! One file for each command.

mod admin;
mod build;
mod delete;
mod demo;
mod download;
mod embedded;
mod holder;
mod job;
mod list;
mod offline;
mod progress;
mod ready;
mod run;
mod search;
mod serve;
mod server;
mod shasum;
mod upload;
mod view;

use crate::cli::{BuildCommand, Command};
use crate::failure::Failure;
use std::process::ExitCode;

/// Does what the command line asks.
pub(crate) async fn perform(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Ready(arguments) => ready::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Run(arguments) => run::run(arguments).await,
        Command::Upload(arguments) => upload::run(arguments).await,
        Command::Download(arguments) => download::run(arguments).await,
        Command::List(arguments) => list::run(arguments).await,
        Command::Search(arguments) => search::run(arguments).await,
        Command::Shasum(arguments) => shasum::run(arguments).await,
        Command::Delete(arguments) => delete::run(arguments).await,
        Command::Build(BuildCommand::Start(arguments)) => build::start(arguments).await,
        Command::Build(BuildCommand::Finish(arguments)) => build::finish(arguments).await,
        Command::Admin {
            data,
            config,
            json,
            command,
        } => admin::run(data, config, json, command).await,
    }
}
