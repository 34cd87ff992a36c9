//! `larder build start` and `finish`.

use super::ServerArguments;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum BuildCommand {
    /// Announce a build; prints the environment that the next steps need.
    ///
    /// Inside CircleCI, Buildkite, GitHub Actions, GitLab and Jenkins everything is found in their variables; options
    /// win over them.
    #[command(after_help = "Examples:\n  eval \"$(larder build start)\"\n  \
        larder upload 'dist/**' && larder build finish\n  \
        larder build start --format env >> \"$GITHUB_ENV\"\n  \
        eval \"$(larder build start --project github/acme/demo --branch main --job build)\"")]
    Start(BuildStartArguments),
    /// Finish the job.
    #[command(
        after_help = "Examples:\n  larder build finish\n  larder build finish --status $?\n  larder build finish --state failed --exit-status 2"
    )]
    Finish(BuildFinishArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BuildStartArguments {
    /// The project, like github/acme/demo [default: what the CI says, else local/USER/FOLDER].
    #[arg(long, env = "LARDER_PROJECT", value_name = "SLUG")]
    pub(crate) project: Option<String>,
    /// Branch that is built.
    #[arg(long)]
    pub(crate) branch: Option<String>,
    /// Commit that is built.
    #[arg(long)]
    pub(crate) revision: Option<String>,
    /// Tag that is built.
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Subject of the commit, or why the build runs.
    #[arg(long)]
    pub(crate) message: Option<String>,
    /// The code comes from a fork; such builds are skipped by `latest`.
    #[arg(long)]
    pub(crate) fork: bool,
    /// The CI's own name for the build: the same one gives the same build.
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// Name of the job [default: what the CI says, else build].
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Nodes of the job [default: what the CI says, else 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) parallelism: Option<u32>,
    /// Which of the nodes this is, from 0 [default: what the CI says, else 0].
    #[arg(long, value_name = "INDEX")]
    pub(crate) node: Option<u32>,
    /// How the environment is written.
    #[arg(long, value_enum, default_value_t = EnvironmentFormat::Sh)]
    pub(crate) format: EnvironmentFormat,
    /// Print the whole answer of the server as JSON.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct BuildFinishArguments {
    /// The job [default: the one that the CI runs].
    #[arg(long, env = "LARDER_JOB", value_name = "ID")]
    pub(crate) job: Option<String>,
    /// How it ended [default: passed, or what --status says].
    #[arg(long, value_enum)]
    pub(crate) state: Option<EndState>,
    /// Exit status of the step that decided it.
    #[arg(long, value_name = "N", conflicts_with = "status")]
    pub(crate) exit_status: Option<i32>,
    /// The same, and it says the state too: 0 is passed, anything else failed.
    #[arg(long, value_name = "N")]
    pub(crate) status: Option<i32>,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum EndState {
    /// Every step passed.
    Passed,
    /// A step failed.
    Failed,
    /// Stopped by somebody.
    Canceled,
    /// Ran out of time.
    TimedOut,
}

/// How variables are written for what reads them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum EnvironmentFormat {
    /// `export` lines, for `eval` in every shell of the Bourne family.
    Sh,
    /// `set -gx` lines, for `| source` in fish.
    Fish,
    /// `$env:` lines, for `| Invoke-Expression` in `PowerShell`.
    Powershell,
    /// One object.
    Json,
    /// `NAME=value` lines, for `$GITHUB_ENV` and files of variables.
    Env,
}
