//! `larder upload`, `download`, `list`, `search`, `shasum` and `delete`.

use super::ServerArguments;
use clap::{Args, ValueEnum};

/// The language of patterns and queries, in front of what is particular to a command.
macro_rules! with_patterns {
    ($help:literal) => {
        concat!(
            "\
Patterns and queries:
  *  ?  [a-z]  [!a-z]    characters within one name; hidden files are names like others
  **                     any number of folders; dist/** is all below dist
  {a,b}                  one or the other; \\ takes a character as it is
  a name                 that file, or all below that folder, whatever its characters
  '!X'                   leaves out what matches X; the last pattern that matches decides
  'X => Y'               Y in place of what is in front of the first glob:
                           'dist/** => release/'        dist/a/b    becomes  release/a/b
                           'target/*/app => bin/'       target/x/app         bin/x/app
                           'out/app.tgz => app-1.tgz'   out/app.tgz          app-1.tgz
Case counts. Several patterns are several arguments.

",
            $help
        )
    };
}

pub(crate) const UPLOAD_HELP: &str = with_patterns!(
    "\
Exit codes: 0 everything is kept, 1 something is not, 2 wrong usage, or a pattern that means nothing, 3 no server.

A file above 32 MiB goes in parts: after a cut or a kill the same command sends only what is missing. Standard input is
put into a temporary file first, since its digest is sent ahead, and is not resumable. Symbolic links are followed inside
the folder; .git and well-known credential files are left out of folders and globs with a warning.

Examples:
  larder upload 'dist/**' coverage.xml
  larder upload --destination release/ 'target/*.tar.gz' '!**/*.tmp'
  larder upload 'dist/** => release/' --dry-run
  make report | larder upload - --name report.txt"
);

pub(crate) const DOWNLOAD_HELP: &str = with_patterns!(
    "\
Files are verified by digest before they get their names; nothing is written outside of DIR, and links in it are not
followed. What was cut off goes on where it was when the same command is run again.

Examples:
  larder download --latest --project github/acme/demo --branch main --successful 'dist/**' out
  larder download --build 0199… 'dist/** => release/' out
  larder download --build 0199… --per-job '**/*.xml' reports
  larder download --job 0199… version.txt -"
);

pub(crate) const SEARCH_HELP: &str = with_patterns!(
    "\
--format: %p path, %u address, %s size, %d SHA-256, %1 SHA-1, %i id, %j job, %T time, %% percent sign, \\t, \\n.

Examples:
  larder search --build 0199… '**/*.xml'
  larder search --latest --project github/acme/demo 'dist/*' --format '%p\\t%u'"
);

pub(crate) const SHASUM_HELP: &str = with_patterns!(
    "\
Each line is what sha256sum or sha1sum prints, so that they can check it.

Examples:
  larder shasum --build 0199… dist/app.tar.gz
  larder shasum --job 0199… 'dist/*' | sha256sum --check"
);

#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own on the command line"
)]
pub(crate) struct UploadArguments {
    /// Files, folders and globs; `-` is the standard input.
    #[arg(required = true, value_name = "PATTERN")]
    pub(crate) patterns: Vec<String>,
    /// The job that the files belong to [default: the one that the CI runs, else one of a new build].
    #[arg(long, env = "LARDER_JOB", value_name = "ID")]
    pub(crate) job: Option<String>,
    /// End the job afterwards: passed if everything is kept, else failed.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) finish: bool,
    /// Put in front of the names; for one file without a trailing `/` it is the whole name.
    #[arg(long, value_name = "PATH")]
    pub(crate) destination: Option<String>,
    /// Folder to take away from the beginning of the names that `=>` gives no new one.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) strip: Option<String>,
    /// Name of what comes from the standard input.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Take .git and well-known credential files too.
    #[arg(long)]
    pub(crate) include_all: bool,
    /// What a pattern that matches no file is.
    #[arg(long, value_enum, default_value = "error", value_name = "WHAT")]
    pub(crate) if_no_files: NoFiles,
    /// Say what would be kept under which name; nothing is sent.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object for each kept file.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// What to do about a pattern that matches no file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum NoFiles {
    /// Nothing is sent, and the command fails.
    Error,
    /// A warning.
    Warn,
    /// Nothing.
    Ignore,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArguments {
    /// Names, folders or globs of artifacts, and the folder to write into; `-` is the standard output, for one file.
    #[arg(required = true, num_args = 2.., value_names = ["QUERY", "DIR"])]
    pub(crate) queries_and_target: Vec<String>,
    /// Folder to take away from the beginning of the names.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) strip: Option<String>,
    /// Give the files of each node a folder of their own: NAME/INDEX.
    #[arg(long)]
    pub(crate) per_job: bool,
    #[command(flatten)]
    pub(crate) holder: HolderArguments,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

/// Whose artifacts.
#[derive(Clone, Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct HolderArguments {
    /// Of this job.
    #[arg(long, env = "LARDER_JOB", value_name = "ID")]
    pub(crate) job: Option<String>,
    /// Of all jobs of this build.
    #[arg(long, value_name = "ID", conflicts_with = "latest")]
    pub(crate) build: Option<String>,
    /// Of the newest build of the project that has ended; builds of forks do not count.
    #[arg(long)]
    pub(crate) latest: bool,
    /// The project of --latest: vcs/org/name.
    #[arg(long, env = "LARDER_PROJECT", value_name = "SLUG")]
    pub(crate) project: Option<String>,
    /// The newest of this branch.
    #[arg(long, value_name = "NAME", requires = "latest")]
    pub(crate) branch: Option<String>,
    /// The newest of this tag.
    #[arg(long, value_name = "NAME", requires = "latest")]
    pub(crate) tag: Option<String>,
    /// The newest that passed.
    #[arg(long, requires = "latest", group = "state")]
    pub(crate) successful: bool,
    /// The newest that has ended, however it did: what --latest means by itself.
    #[arg(long, requires = "latest", group = "state")]
    pub(crate) completed: bool,
    /// The newest, even if it runs.
    #[arg(long, requires = "latest", group = "state")]
    pub(crate) any: bool,
    /// Builds of forks count too.
    #[arg(long, requires = "latest")]
    pub(crate) forks: bool,
    /// Only jobs of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) job_name: Option<String>,
    /// Only the nodes of this index.
    #[arg(long, value_name = "INDEX")]
    pub(crate) node: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Names, folders or globs of artifacts; all if there is none.
    #[arg(value_name = "QUERY")]
    pub(crate) queries: Vec<String>,
    #[command(flatten)]
    pub(crate) holder: HolderArguments,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    /// Names, folders or globs of artifacts.
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) queries: Vec<String>,
    #[command(flatten)]
    pub(crate) holder: HolderArguments,
    /// What to print of each.
    #[arg(long, value_name = "TEXT", conflicts_with = "json")]
    pub(crate) format: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ShasumArguments {
    /// Names, folders or globs of artifacts.
    #[arg(required = true, value_name = "QUERY")]
    pub(crate) queries: Vec<String>,
    #[command(flatten)]
    pub(crate) holder: HolderArguments,
    /// SHA-256, which is what is printed without this too.
    #[arg(long, conflicts_with = "sha1")]
    pub(crate) sha256: bool,
    /// SHA-1.
    #[arg(long)]
    pub(crate) sha1: bool,
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
