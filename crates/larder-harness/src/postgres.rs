//! A private PostgreSQL: its own cluster in a temporary folder, on a port of its own.

#[cfg(feature = "tls")]
use crate::certificate::Certificate;
use crate::port;
use crate::process::{self, find, is_root, tied, wait_until};
use crate::secret;
use crate::server::Server;
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Where Debian keeps each major version, out of everybody's PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
/// The user that Debian's package makes; the server refuses to run as root.
const SYSTEM_USER: &str = "postgres";
const SUPERUSER: &str = "larder";
const FIRST_DATABASE: &str = "postgres";

/// A start takes a second; one after a crash reads the log again first.
const START_MAX: Duration = Duration::from_mins(1);
/// The end writes what was changed to its place first.
const STOP_MAX: Duration = Duration::from_mins(1);
/// An end without care takes milliseconds.
const QUIT_MAX: Duration = Duration::from_secs(5);
/// Ports that somebody else took between our look and the server's.
const PORTS_MAX: usize = 5;
/// Each test of a suite has a pool of its own.
const CONNECTIONS_MAX: u32 = 400;

/// A server with one superuser, reached by password, that ends with this value.
///
/// It is killed when this program is, but then its folder stays.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    /// Since the last start: what a killed server leaves in the kernel has to go by hand.
    was_killed: bool,
    programs: PathBuf,
    port: u16,
    password: String,
    options: PostgresOptions,
    #[cfg(feature = "tls")]
    certificate: Option<Certificate>,
    folder: TempDir,
}

/// How a server is.
#[derive(Clone, Copy, Debug)]
pub struct PostgresOptions {
    /// Whether a commit waits for the disk. Off is for tests that break nothing.
    pub fsync: bool,
    /// Whether it offers TLS, with a certificate for `127.0.0.1` and `localhost`. Needs the feature `tls`.
    pub tls: bool,
}

impl PostgresOptions {
    /// For tests that break nothing: no commit waits for the disk.
    pub const QUICK: Self = Self {
        fsync: false,
        tls: false,
    };
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            fsync: true,
            tls: false,
        }
    }
}

impl Postgres {
    /// Why no server can run here, if so.
    pub fn missing() -> Option<String> {
        if programs().is_none() {
            return Some("needs PostgreSQL".to_owned());
        }
        if is_root() && find("setpriv").is_none() {
            return Some("needs setpriv, to run PostgreSQL as root".to_owned());
        }
        (is_root() && id("-u").is_err()).then(|| format!("needs the user {SYSTEM_USER}"))
    }

    /// Makes a cluster and starts its server; returns when it answers.
    pub fn start(options: PostgresOptions) -> Result<Self> {
        let programs =
            programs().context("find PostgreSQL: install Debian's package postgresql")?;
        let folder = tempfile::Builder::new()
            .prefix("larder-postgres-")
            .tempdir()
            .context("make a folder for PostgreSQL")?;
        let mut server = Self {
            server: Server::new("PostgreSQL", folder.path().join("log")),
            was_killed: false,
            programs,
            port: 0,
            password: secret::hex(16)?,
            options,
            #[cfg(feature = "tls")]
            certificate: if options.tls {
                Some(Certificate::make_in(folder.path())?)
            } else {
                None
            },
            folder,
        };
        server.hand_over()?;
        server.make_cluster()?;
        let mut refused = None;
        for _ in 0..PORTS_MAX {
            server.port = port::free()?;
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) => refused = Some(error),
            }
            if !server
                .server
                .last_words()
                .contains("Address already in use")
            {
                break;
            }
        }
        Err(refused.context("start PostgreSQL")?)
    }

    /// The address of the database that every cluster has.
    pub fn url(&self) -> String {
        self.url_of(FIRST_DATABASE)
    }

    /// The address of a database; its name is taken as it is.
    pub fn url_of(&self, database: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The port on 127.0.0.1; it stays the same.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that signed the server's, if it offers TLS.
    #[cfg(feature = "tls")]
    pub fn authority(&self) -> Option<&Path> {
        self.certificate
            .as_ref()
            .map(|certificate| certificate.authority.as_path())
    }

    /// Makes a database and gives its address.
    pub fn create_database(&self, name: &str) -> Result<String> {
        process::run(self.client("createdb").arg("--").arg(name))
            .with_context(|| format!("make the database {name}"))?;
        Ok(self.url_of(name))
    }

    /// Removes a database, with the connections to it.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        process::run(self.client("dropdb").args(["--force", "--", name]))
            .with_context(|| format!("remove the database {name}"))?;
        Ok(())
    }

    /// Runs statements and gives what they answer, without headings, columns apart by `|`.
    pub fn run(&self, database: &str, statements: &str) -> Result<String> {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--dbname", database])
            .args(["--command", statements]);
        Ok(process::run(&mut psql)?.trim().to_owned())
    }

    /// How often somebody other than this value connected since the cluster was made.
    pub fn connections(&self) -> Result<usize> {
        let log = self.server.said()?;
        let ours = ["psql", "createdb", "dropdb"].map(|name| format!("application_name={name}"));
        let connected = log
            .lines()
            .filter(|line| line.contains("connection authorized:"));
        Ok(connected
            .filter(|line| !ours.iter().any(|own| line.contains(own)))
            .count())
    }

    /// Kills the server and all that it started, as a crash would; returns when nothing of it is left.
    pub fn kill(&mut self) -> Result<()> {
        self.was_killed = true;
        self.server.kill()
    }

    /// Ends the server with care: transactions are rolled back, and everything is on the disk.
    pub fn stop(&mut self) -> Result<()> {
        self.server.stop(Signal::INT, STOP_MAX)
    }

    /// Starts the server again, on the same port with the same data; one that runs is stopped first.
    pub fn restart(&mut self) -> Result<()> {
        if self.server.runs() {
            self.stop()?;
        }
        let command = self.command();
        self.server.start(command)?;
        self.was_killed = false;
        let answered = self.wait_for_answer();
        if answered.is_err() {
            // Nobody can have written anything yet.
            self.quit();
        }
        answered
    }

    /// Stops the server and its children where they are: connections stay open, and nothing answers.
    pub fn pause(&mut self) -> Result<()> {
        self.server.pause()
    }

    /// Lets a paused server go on.
    pub fn resume(&mut self) -> Result<()> {
        self.server.resume()
    }

    /// All that the server has said so far.
    pub fn said(&self) -> Result<String> {
        self.server.said()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Gives the folder and what is in it to the user that runs the server.
    fn hand_over(&self) -> Result<()> {
        if !is_root() {
            return Ok(());
        }
        let (user, group) = (id("-u")?, id("-g")?);
        let folder = self.folder.path();
        let mut paths = vec![folder.to_owned()];
        for entry in fs::read_dir(folder)? {
            paths.push(entry?.path());
        }
        for path in paths {
            chown(&path, Some(user), Some(group))
                .with_context(|| format!("give {} to {SYSTEM_USER}", path.display()))?;
        }
        Ok(())
    }

    fn make_cluster(&self) -> Result<()> {
        let password = self.folder.path().join("password");
        fs::write(&password, &self.password)?;
        self.hand_over()?;
        // Sorted as people sort, so that a column that forgot to sort by bytes is seen; not every build can.
        let sorted = ["--locale-provider=icu", "--icu-locale=en-US"];
        if self.initdb(&password, &sorted).is_err() {
            self.initdb(&password, &[])?;
        }
        fs::remove_file(password)?;
        Ok(())
    }

    fn initdb(&self, password: &Path, options: &[&str]) -> Result<()> {
        let mut initdb = self.as_system_user("initdb");
        initdb
            .arg("--pgdata")
            .arg(self.data())
            .arg("--pwfile")
            .arg(password)
            .args(["--username", SUPERUSER, "--auth", "scram-sha-256"])
            .args(["--encoding", "UTF8", "--locale", "C", "--no-sync"])
            .args(options);
        process::run(&mut initdb).context("make a cluster")?;
        Ok(())
    }

    fn command(&self) -> Command {
        let on = |is_on| if is_on { "on" } else { "off" };
        let settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={}", self.port),
            format!("unix_socket_directories={}", self.folder.path().display()),
            format!("max_connections={CONNECTIONS_MAX}"),
            "log_connections=on".to_owned(),
            // In the folder, so that it goes with it, however the server ended.
            "dynamic_shared_memory_type=mmap".to_owned(),
            format!("fsync={}", on(self.options.fsync)),
            // What they guard against without it is lost anyway.
            format!("synchronous_commit={}", on(self.options.fsync)),
            format!("full_page_writes={}", on(self.options.fsync)),
        ];
        #[cfg(feature = "tls")]
        let settings = [settings, self.tls_settings()].concat();
        let mut postgres = self.as_system_user("postgres");
        postgres.arg("-D").arg(self.data());
        for setting in settings {
            postgres.arg("-c").arg(setting);
        }
        postgres
    }

    #[cfg(feature = "tls")]
    fn tls_settings(&self) -> Vec<String> {
        let Some(Certificate { server, key, .. }) = &self.certificate else {
            return Vec::new();
        };
        vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", server.display()),
            format!("ssl_key_file={}", key.display()),
        ]
    }

    /// A program of the server's side. It starts in a folder that its user may enter.
    fn as_system_user(&self, program: &str) -> Command {
        let user = is_root().then_some(SYSTEM_USER);
        let mut command = tied(&self.programs.join(program), user);
        command.current_dir(self.folder.path());
        command.env("LC_ALL", "C");
        command
    }

    /// A program of the client's side, connected by password.
    fn client(&self, program: &str) -> Command {
        let beside = self.programs.join(program);
        let mut command = Command::new(if beside.is_file() {
            beside
        } else {
            PathBuf::from(program)
        });
        command
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", SUPERUSER)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", FIRST_DATABASE)
            .env("PGCONNECT_TIMEOUT", "5");
        command
    }

    fn wait_for_answer(&mut self) -> Result<()> {
        let address = port::loopback(self.port);
        let waited = wait_until(START_MAX, || {
            self.server.require_alive()?;
            // A socket is asked first, because a process for each look would take longer than the start.
            Ok(std::net::TcpStream::connect(address).is_ok()
                && self.run(FIRST_DATABASE, "\\conninfo").is_ok())
        });
        waited.context("wait until PostgreSQL answers")
    }

    /// Ends the server without care, but so that the kernel keeps nothing of it.
    fn quit(&mut self) {
        if let Some(process) = self.server.hand_over() {
            // Whatever is left of it, there is nobody to tell.
            self.was_killed = process.end(Signal::QUIT, QUIT_MAX).is_err();
        }
    }

    /// Removes the segment of shared memory that a killed server leaves: the kernel has room for a few thousand.
    fn forget_memory(&self) -> Option<()> {
        let lock = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        // The seventh line is its key and its number.
        let number = lock.lines().nth(6)?.split_whitespace().nth(1)?;
        process::run(Command::new("ipcrm").args(["--shmem-id", number])).ok()?;
        Some(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.quit();
        if self.was_killed {
            // A machine without `ipcrm` loses 56 bytes until it starts again.
            let _: Option<()> = self.forget_memory();
        }
    }
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|version| {
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            let programs = version.path().join("bin");
            let is_whole = programs.join("postgres").is_file() && programs.join("initdb").is_file();
            is_whole.then_some((number, programs))
        })
        .max();
    let in_path = || {
        let programs = find("initdb")?.parent()?.to_owned();
        programs.join("postgres").is_file().then_some(programs)
    };
    newest.map(|(_, programs)| programs).or_else(in_path)
}

/// The number of the system's user or of its group.
fn id(which: &str) -> Result<u32> {
    let said = process::run(Command::new("id").args([which, SYSTEM_USER]))?;
    Ok(said.trim().parse()?)
}
