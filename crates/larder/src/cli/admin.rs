//! `larder admin`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Users and their roles.
    #[command(subcommand)]
    User(UserCommand),
    /// Projects.
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Builds.
    #[command(subcommand)]
    Build(AdminBuildCommand),
    /// Tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// What becomes of artifacts past their retention.
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Read the log of acts, newest first: time, actor, token, act, what.
    #[command(
        after_help = "Examples:\n  larder admin audit --days 1\n  larder admin audit --user ada --act 'sign in'\n  larder admin audit --since 2026-11-21 --project github/acme/demo --limit 1000 --json"
    )]
    Audit(AuditArguments),
    /// Compare rows and bytes; exits 1 and names each artifact that has not its exact bytes.
    #[command(after_help = "Examples:\n  larder admin check\n  larder admin check --strict")]
    Check {
        /// Fail also for bytes that no row names.
        #[arg(long)]
        strict: bool,
    },
    /// The keys that sign links.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Free what nothing needs any more, now.
    Gc,
    /// Copy a store with its rows in SQLite and its bytes in a folder, while it is in use; exits 1 and names each artifact
    /// that has not its exact bytes.
    #[command(
        after_help = "Again with the same DIR, only new files are copied; until it is finished, DIR is the former backup.\n\nExample:\n  larder admin backup /mnt/backup/larder"
    )]
    Backup {
        /// Empty, not there yet, or an earlier backup of the same store; best on another disk.
        dir: PathBuf,
    },
    /// Make a new store from a backup; exits 1 and names each artifact whose bytes the backup has not.
    #[command(
        after_help = "The store must not be there yet. What was interrupted goes on with the same command.\n\nExample:\n  larder admin --data /var/lib/larder restore /mnt/backup/larder"
    )]
    Restore {
        /// What `larder admin backup` made.
        dir: PathBuf,
    },
}

#[derive(Args, Debug)]
pub(crate) struct AuditArguments {
    /// Acts at this time or later: a day like 2026-11-21, or a time like 2026-11-21T02:15:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Acts of the last so many days.
    #[arg(long, value_name = "N", conflicts_with = "since")]
    pub(crate) days: Option<u32>,
    /// Acts of this user, or done to this user.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Exactly this act, like `delete artifact`.
    #[arg(long, value_name = "TEXT")]
    pub(crate) act: Option<String>,
    /// Acts in the project that had this name then.
    #[arg(long, value_name = "SLUG")]
    pub(crate) project: Option<String>,
    /// So many acts at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a new key, which signs from now on; links that were signed before stay good to their end.
    #[command(after_help = "Example:\n  larder admin keys rotate")]
    Rotate,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user, without asking for anything; a password, a token or a sign-in link lets the user in.
    #[command(
        after_help = "Examples:\n  larder admin user create ada --admin\n  larder admin user reset ada        # a link by which ada sets a password"
    )]
    Create {
        /// Name.
        name: String,
        /// Admin everywhere.
        #[arg(long)]
        admin: bool,
    },
    /// List users: name, kind, when made, and `disabled` for those whom nothing lets in.
    List,
    /// Set the password of a user, who then signs in with it and is signed out everywhere; asks for it twice.
    #[command(
        after_help = "Examples:\n  larder admin user password ada\n  pass show larder/ada | larder admin user password ada --stdin"
    )]
    Password {
        /// Name.
        name: String,
        /// Read it from the standard input, one line, in place of asking.
        #[arg(long)]
        stdin: bool,
    },
    /// Print a link by which the user sets a new password, once and within ten minutes.
    #[command(after_help = "Example:\n  larder admin user reset ada")]
    Reset {
        /// Name.
        name: String,
    },
    /// Let nothing of a user in any more, at once: sessions and links end, tokens are refused.
    #[command(after_help = "Example:\n  larder admin user disable ada")]
    Disable {
        /// Name.
        name: String,
    },
    /// Let a disabled user in again: tokens work as before, sessions and links are over.
    #[command(after_help = "Example:\n  larder admin user enable ada")]
    Enable {
        /// Name.
        name: String,
    },
    /// Print a link that signs the user in once within ten minutes.
    #[command(after_help = "Example:\n  larder admin user link ada")]
    Link {
        /// Name.
        name: String,
    },
    /// Give a user a role on a project: reader, writer or admin.
    #[command(
        after_help = "Example:\n  larder admin user grant ada --project github/acme/demo --role writer"
    )]
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
    #[command(after_help = "Example:\n  larder admin project create github/acme/demo --public")]
    Create {
        /// Like github/acme/demo.
        slug: String,
        /// Readable by all, also without a token where the API allows it.
        #[arg(long)]
        public: bool,
    },
    /// List projects: slug, readers, retention, bytes kept and how many may be, when made.
    List,
    /// Give a project another name, perhaps in another organization. The old name answers as if it had never been; roles and
    /// tokens of the project stay.
    #[command(
        after_help = "Example:\n  larder admin project rename github/acme/demo github/acme/pantry"
    )]
    Rename {
        /// Like github/acme/demo.
        #[arg(value_name = "OLD")]
        from: String,
        /// Like github/acme/pantry.
        #[arg(value_name = "NEW")]
        to: String,
    },
    /// Delete a project with all that it holds: it answers 404 at once, and its bytes are freed by the next sweeps.
    #[command(
        after_help = "Examples:\n  larder admin project delete github/acme/demo          # says what would go, and exits 2\n  larder admin project delete github/acme/demo --yes"
    )]
    Delete {
        /// Like github/acme/demo.
        slug: String,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    /// Set how many bytes a project may keep; what would pass that is refused. What is there stays.
    #[command(
        after_help = "Examples:\n  larder admin project limit github/acme/demo --max-bytes 10GB\n  larder admin project limit github/acme/demo --max-bytes none"
    )]
    Limit {
        /// Like github/acme/demo.
        slug: String,
        /// A number of bytes like 10GB or 512MiB, `none` for no limit, or `default` for what the settings say.
        #[arg(long, value_name = "BYTES|none|default")]
        max_bytes: String,
    },
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
pub(crate) enum AdminBuildCommand {
    /// Delete a build with all that it holds: it answers 404 at once, and its bytes are freed by the next sweeps.
    #[command(
        after_help = "Examples:\n  larder admin build delete github/acme/demo 7          # says what would go, and exits 2\n  larder admin build delete github/acme/demo 7 --yes"
    )]
    Delete {
        /// Like github/acme/demo.
        slug: String,
        /// The build's number in the project.
        number: i64,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Issue a token and print it, this once.
    #[command(
        after_help = "Examples:\n  larder admin token create --user ada --scopes read_artifacts,read_builds\n  larder admin token create --user ci --scopes write_builds,write_artifacts --project github/acme/demo --days 90"
    )]
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
    #[command(after_help = "Example:\n  larder admin token revoke 0199…")]
    Revoke {
        /// Its id.
        id: String,
    },
}
