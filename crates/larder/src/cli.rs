//! The command line: every command, its arguments and its help. No logic.

mod admin;
mod build;
mod run;
mod serve;
mod transfer;

pub(crate) use admin::{
    AdminBuildCommand, AdminCommand, AuditArguments, KeysCommand, ProjectCommand, RetentionCommand,
    TokenCommand, UserCommand,
};
pub(crate) use build::{
    BuildCommand, BuildFinishArguments, BuildStartArguments, EndState, EnvironmentFormat,
};
pub(crate) use run::{Executor, RunArguments};
pub(crate) use serve::{DemoArguments, ReadyArguments, ServeArguments};
use transfer::{DOWNLOAD_HELP, SEARCH_HELP, SHASUM_HELP, UPLOAD_HELP};
pub(crate) use transfer::{
    DeleteArguments, DownloadArguments, HolderArguments, ListArguments, NoFiles, SearchArguments,
    ShasumArguments, UploadArguments,
};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Keeps what builds make.
///
/// Exit codes: 0 success, 1 the job or the request failed, 2 wrong usage or configuration, 3 the server cannot be
/// reached.
#[derive(Debug, Parser)]
#[command(name = "larder", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the APIs over a store; an embedded one by default.
    #[command(
        after_help = "Examples:\n  larder serve\n  larder serve --data /var/lib/larder --listen 127.0.0.1:0\n  \
        larder serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --public-url https://larder.example\n\n\
        Every setting of docs/configuration.md can be given in the file of --config or as LARDER__SECTION__KEY."
    )]
    Serve(ServeArguments),
    /// Ask a server whether it takes work: 0 if it does, 1 if a store is away or it drains, 3 if it cannot be reached.
    #[command(
        after_help = "Examples:\n  larder ready\n  larder ready https://larder.example\n\nFor health checks of containers and \
        services, which need no other program then."
    )]
    Ready(ReadyArguments),
    /// Try it: a server, the sample builds run for real, and links to what they made.
    #[command(
        after_help = "Examples:\n  larder demo\n  larder demo --once    read everything back through the APIs, compare, and end"
    )]
    Demo(DemoArguments),
    /// Run the jobs of a CircleCI config on this machine and keep their artifacts.
    #[command(
        after_help = "Examples:\n  larder run\n  larder run --check\n  larder run .circleci/config.yml --job test -e COVERAGE=1\n  \
        larder run --workflow nightly --branch main --parameter deploy=false\n  \
        circleci config process .circleci/config.yml | larder run - --project github/acme/demo"
    )]
    Run(RunArguments),
    /// Keep files for a job.
    #[command(after_help = UPLOAD_HELP)]
    Upload(UploadArguments),
    /// Save artifacts of a job or a build into a folder, verified by digest.
    #[command(after_help = DOWNLOAD_HELP)]
    Download(DownloadArguments),
    /// List the artifacts of a job or a build.
    #[command(
        after_help = "Examples:\n  larder list --job 0199…\n  larder list --build 0199… --json '**/*.xml'\n  \
        larder list --latest --project github/acme/demo --branch main"
    )]
    List(ListArguments),
    /// Find artifacts of a job or a build, with their digests and addresses.
    #[command(after_help = SEARCH_HELP)]
    Search(SearchArguments),
    /// Print the digests of artifacts.
    #[command(after_help = SHASUM_HELP)]
    Shasum(ShasumArguments),
    /// Delete artifacts by their ids; their bytes are freed by the server's sweep.
    #[command(after_help = "Example:\n  larder delete 01990c6e-7b1c-7000-8000-000000000001")]
    Delete(DeleteArguments),
    /// Announce a build from any CI, or finish its job.
    #[command(subcommand)]
    Build(BuildCommand),
    /// Work on the store itself, stopped or running.
    #[command(
        after_help = "Examples:\n  larder admin user create ada --admin\n  larder admin project create github/acme/demo\n  \
        larder admin token create --user ada --scopes read_artifacts,read_builds\n  larder admin check"
    )]
    Admin {
        /// The folder of the embedded store [default: ./larder-data].
        #[arg(long, global = true)]
        data: Option<String>,
        /// The server's settings file.
        #[arg(long, global = true, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print JSON.
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: AdminCommand,
    },
}

/// Which server, and who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArguments {
    /// The server [default: the one of this machine, port 7878].
    #[arg(long, env = "LARDER_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// A token; better in the environment, where others cannot read it.
    #[arg(
        long,
        env = "LARDER_TOKEN",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) token: String,
    /// A certificate in PEM to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
