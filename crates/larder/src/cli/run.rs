//! `larder run`.

use super::ServerArguments;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct RunArguments {
    /// The config; `-` reads the standard input [default: .circleci/config.yml].
    pub(crate) config: Option<PathBuf>,
    /// Take up the newest run of the current folder that broke off, and of CONFIG and the project if
    /// they are named: what it had done is not done again.
    #[arg(long, conflicts_with_all = [
        "job", "workflow", "parameters", "branch", "tag", "revision", "check", "env", "env_file",
        "jobs", "parallelism", "host", "core_dumps", "include_all", "allow_secrets",
    ])]
    pub(crate) resume: bool,
    /// The project, like github/acme/demo [default: local/USER/FOLDER].
    #[arg(long, value_name = "SLUG")]
    pub(crate) project: Option<String>,
    /// Run only this job, by itself [default: all that the workflows run].
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Run only this workflow.
    #[arg(long, value_name = "NAME", conflicts_with = "job")]
    pub(crate) workflow: Option<String>,
    /// A value for a parameter of the config itself; may be given more than once.
    #[arg(long = "parameter", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// The branch that is built [default: that of the current folder].
    #[arg(long, value_name = "NAME")]
    pub(crate) branch: Option<String>,
    /// The tag that is built; then there is no branch unless it is named too.
    #[arg(long, value_name = "NAME")]
    pub(crate) tag: Option<String>,
    /// The commit that is built [default: that of the current folder].
    #[arg(long, value_name = "COMMIT")]
    pub(crate) revision: Option<String>,
    /// Only say whether the config can be run, and what it would run; needs no server.
    #[arg(long)]
    pub(crate) check: bool,
    /// A variable for the steps; may be given more than once.
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// A file of NAME=VALUE lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// How many jobs run side by side, each with all its nodes [default: the number of cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) jobs: Option<u32>,
    /// How many nodes each job has, instead of what the config says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallelism: Option<u32>,
    /// Use the machine's own home and /tmp.
    #[arg(long)]
    pub(crate) host: bool,
    /// Where the steps run; only the host's shell is there so far.
    #[arg(long, value_enum, default_value_t = Executor::Shell)]
    pub(crate) executor: Executor,
    /// Keep the core files of crashed steps without a step that stores them.
    #[arg(long)]
    pub(crate) core_dumps: bool,
    /// Keep .git and well-known credential files too.
    #[arg(long)]
    pub(crate) include_all: bool,
    /// Keep files that hold the values of the job's secret variables too.
    #[arg(long)]
    pub(crate) allow_secrets: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// Where the steps of a job run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Executor {
    /// The host's shell.
    Shell,
    /// A container.
    Docker,
}
