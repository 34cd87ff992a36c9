//! The command line: every command, its arguments and its help. No logic.

use clap::{Args, Parser, Subcommand, ValueEnum};
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
    /// Try it: a server, the sample builds run for real, and links to what they made.
    #[command(
        after_help = "Examples:\n  larder demo\n  larder demo --once    read everything back through the APIs, compare, and end"
    )]
    Demo(DemoArguments),
    /// Run a job of a CircleCI config on this machine and keep its artifacts.
    #[command(
        after_help = "Examples:\n  larder run\n  larder run .circleci/config.yml --job test -e COVERAGE=1\n  \
        circleci config process .circleci/config.yml | larder run - --project github/acme/demo"
    )]
    Run(RunArguments),
    /// Keep files for a job.
    #[command(
        after_help = "Examples:\n  larder upload 'dist/**' coverage.xml\n  larder upload --destination release/ 'target/*.tar.gz' '!**/*.tmp'"
    )]
    Upload(UploadArguments),
    /// Save artifacts of a job or a build into a folder, verified by digest.
    #[command(
        after_help = "Examples:\n  larder download --build 0199…  'dist/**' out/\n  larder download --job 0199… '*' ."
    )]
    Download(DownloadArguments),
    /// List the artifacts of a job or a build.
    #[command(
        after_help = "Examples:\n  larder list --job 0199…\n  larder list --build 0199… --json"
    )]
    List(ListArguments),
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

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The folder of the embedded store [default: ./larder-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Where to listen; port 0 picks a free one [default: 127.0.0.1:7878].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where users reach the server, for the links that it gives out [default: where it listens].
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// A settings file; larder.example.toml shows every key.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The certificate chain in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// Its private key in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Read everything back through the APIs, compare it with what the samples wrote, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// The folder of the demo's store; kept and used again.
    #[arg(long, value_name = "DIR", default_value = "./larder-demo")]
    pub(crate) data: PathBuf,
    /// How many nodes run each sample side by side.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallelism: u32,
}

/// Which server, and who asks.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArguments {
    /// The server.
    #[arg(
        long,
        env = "LARDER_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:7878"
    )]
    pub(crate) url: String,
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

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The config; `-` reads the standard input.
    #[arg(default_value = ".circleci/config.yml")]
    pub(crate) config: PathBuf,
    /// The project, like github/acme/demo [default: local/USER/FOLDER].
    #[arg(long, value_name = "SLUG")]
    pub(crate) project: Option<String>,
    /// The job to run [default: build].
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// A variable for the steps; may be given more than once.
    #[arg(short, long = "env", value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// A file of NAME=VALUE lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Option<PathBuf>,
    /// How many nodes run the job side by side, instead of what the config says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallelism: Option<u32>,
    /// Use the machine's own home and /tmp.
    #[arg(long)]
    pub(crate) host: bool,
    /// Where the steps run; only the host's shell is there so far.
    #[arg(long, value_enum, default_value_t = Executor::Shell)]
    pub(crate) executor: Executor,
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

#[derive(Debug, Args)]
pub(crate) struct UploadArguments {
    /// Files, folders and globs (`*`, `**`, `{a,b}`, `[a-z]`); one that begins with `!` excludes.
    #[arg(required = true, value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// The job that the files belong to.
    #[arg(long, env = "LARDER_JOB", value_name = "ID")]
    pub(crate) job: String,
    /// Put in front of the names; for one file without a trailing `/` it is the whole name.
    #[arg(long, value_name = "PATH")]
    pub(crate) destination: Option<String>,
    /// Take .git and well-known credential files too.
    #[arg(long)]
    pub(crate) include_all: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArguments {
    /// Names, folders or globs of artifacts, and the folder to write into.
    #[arg(required = true, num_args = 2.., value_names = ["QUERY", "DIR"])]
    pub(crate) queries_and_target: Vec<String>,
    #[command(flatten)]
    pub(crate) holder: HolderArguments,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// Whose artifacts.
#[derive(Clone, Debug, Args)]
pub(crate) struct HolderArguments {
    /// Of this job.
    #[arg(long, env = "LARDER_JOB", value_name = "ID")]
    pub(crate) job: Option<String>,
    /// Of all jobs of this build.
    #[arg(long, value_name = "ID")]
    pub(crate) build: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) holder: HolderArguments,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Ids of artifacts.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BuildCommand {
    /// Announce a build; prints the environment that the next steps need.
    #[command(
        after_help = "Example:\n  eval \"$(larder build start --project github/acme/demo --branch main --job build)\"\n  \
        larder upload 'dist/**' && larder build finish"
    )]
    Start(BuildStartArguments),
    /// Finish the job.
    #[command(
        after_help = "Examples:\n  larder build finish\n  larder build finish --state failed --exit-status 2"
    )]
    Finish(BuildFinishArguments),
}

#[derive(Debug, Args)]
pub(crate) struct BuildStartArguments {
    /// The project, like github/acme/demo.
    #[arg(long, value_name = "SLUG")]
    pub(crate) project: String,
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
    /// Name of the job.
    #[arg(long, value_name = "NAME", default_value = "build")]
    pub(crate) job: String,
    /// Nodes of the job.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) parallelism: u32,
    /// Which of the nodes this is, from 0.
    #[arg(long, value_name = "INDEX", default_value_t = 0)]
    pub(crate) node: u32,
    /// Print the whole answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct BuildFinishArguments {
    /// The job.
    #[arg(long, env = "LARDER_JOB", value_name = "ID")]
    pub(crate) job: String,
    /// How it ended.
    #[arg(long, value_enum, default_value_t = EndState::Passed)]
    pub(crate) state: EndState,
    /// Exit status of the step that decided it.
    #[arg(long, value_name = "N")]
    pub(crate) exit_status: Option<i32>,
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

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Users and their roles.
    #[command(subcommand)]
    User(UserCommand),
    /// Projects.
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// What becomes of artifacts past their retention.
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Compare rows and bytes; exits 1 and names each artifact that has not its exact bytes.
    Check {
        /// Fail also for bytes that no row names.
        #[arg(long)]
        strict: bool,
    },
    /// Free what nothing needs any more, now.
    Gc,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user; a token or a sign-in link lets the user in.
    Create {
        /// Name.
        name: String,
        /// Admin everywhere.
        #[arg(long)]
        admin: bool,
    },
    /// List users.
    List,
    /// Print a link that signs the user in once within ten minutes.
    Link {
        /// Name.
        name: String,
    },
    /// Give a user a role on a project: reader, writer or admin.
    Grant {
        /// Name.
        name: String,
        /// The project.
        #[arg(long, value_name = "SLUG")]
        project: String,
        /// The role.
        #[arg(long)]
        role: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Expire what is due, after the server's log said that nothing expires: the clock and the retention are right.
    Resume,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Make a project.
    Create {
        /// Like github/acme/demo.
        slug: String,
        /// Readable by all, also without a token where the API allows it.
        #[arg(long)]
        public: bool,
    },
    /// List projects: slug, readers, retention, when made.
    List,
    /// Set how long finished artifacts of a project are kept; it counts at once, for those that are there too.
    Retention {
        /// Like github/acme/demo.
        slug: String,
        /// A number of days from an artifact's completion, `none` for no end, or `default` for what the settings say.
        #[arg(value_name = "DAYS|none|default")]
        retention: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Issue a token and print it, this once.
    Create {
        /// For whom it speaks.
        #[arg(long, value_name = "NAME")]
        user: String,
        /// `read_artifacts`, `write_artifacts`, `delete_artifacts`, `read_builds`, `write_builds`, `read_user`,
        /// `read_organizations`, `read_pipelines`, `admin`, `view-builds`, `status`; separated by commas.
        #[arg(long)]
        scopes: String,
        /// The only project that it reaches.
        #[arg(long, value_name = "SLUG")]
        project: Option<String>,
        /// What people call it.
        #[arg(long, default_value = "")]
        name: String,
        /// Days until it stops to work [default: never].
        #[arg(long)]
        days: Option<u32>,
    },
    /// List the tokens of a user.
    List {
        /// Whose.
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// Take a token back.
    Revoke {
        /// Its id.
        id: String,
    },
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
