//! One file for each command.

mod admin;
mod build;
mod delete;
mod demo;
mod download;
mod list;
mod progress;
mod run;
mod serve;
mod server;
mod upload;
mod view;

use crate::cli::{BuildCommand, Command};
use crate::failure::Failure;
use std::process::ExitCode;

/// Does what the command line asks.
pub(crate) async fn perform(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Run(arguments) => run::run(arguments).await,
        Command::Upload(arguments) => upload::run(arguments).await,
        Command::Download(arguments) => download::run(arguments).await,
        Command::List(arguments) => list::run(arguments).await,
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
