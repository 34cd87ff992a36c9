//! Runs that broke off: found again to be taken up, and swept away when nobody does.

use super::folders::{self, remove_tree};
use super::journal::{self, Header, Journal, Past};
use super::options::{Isolation, RunOptions};
use crate::error::{Error, Result};
use crate::server::ServerAddress;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Older ones go.
const AGE_MAX: Duration = Duration::from_hours(24);
/// The processes of a run whose agent died end within this time.
const STEPS_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// A run that broke off. Nobody else can take it up while this value lives.
#[derive(Debug)]
pub struct Unfinished {
    pub(super) folder: PathBuf,
    pub(super) journal: Journal,
    pub(super) past: Past,
}

impl Unfinished {
    /// The newest one of the folder `source`, and of the project and the config (by its name) if
    /// they are given; `scratch` is that of [`RunOptions::scratch`]. Runs of living processes and of
    /// other users do not count.
    pub fn newest(
        scratch: Option<&Path>,
        source: &Path,
        project: Option<&str>,
        config_name: Option<&str>,
    ) -> Result<Option<Self>> {
        let source = source
            .canonicalize()
            .map_err(Error::io(source.display().to_string()))?;
        let mut newest: Option<(std::time::SystemTime, Self)> = None;
        for (folder, modified) in folders_of_runs(scratch)? {
            if newest.as_ref().is_some_and(|(other, _)| *other > modified) {
                continue;
            }
            let what = || format!("read the journal of {}", folder.display());
            let Some((journal, past)) = Journal::take(&folder).map_err(Error::io(what()))? else {
                continue;
            };
            let header = &past.header;
            if header.source == source
                && project.is_none_or(|project| project == header.project)
                && config_name.is_none_or(|name| name == header.config_name)
            {
                let found = Self {
                    folder,
                    journal,
                    past,
                };
                newest = Some((modified, found));
            }
        }
        Ok(newest.map(|(_, found)| found))
    }

    /// Where it keeps its artifacts, as it was told at its beginning.
    pub fn server_url(&self) -> &str {
        &self.past.header.server_url
    }

    /// Whether that was a store that was served for this run only ([`RunOptions::is_local_store`]).
    pub fn is_local_store(&self) -> bool {
        self.past.header.is_local_store
    }

    /// Name and text of its config.
    pub fn config(&self) -> (&str, &str) {
        (&self.past.header.config_name, &self.past.header.config)
    }

    /// What it was asked to do, for [`super::resume`]; caches, the caller's environment and how it is
    /// canceled are the caller's to fill in again.
    pub fn options(
        &self,
        server: ServerAddress,
        caller_environment: Vec<(OsString, OsString)>,
        sandbox_program: impl Into<PathBuf>,
    ) -> RunOptions {
        let Header {
            version: _,
            source,
            project,
            config_name,
            config,
            job,
            workflow,
            parameters,
            facts,
            variables,
            mode,
            server_url: _,
            is_local_store,
            jobs_max,
            parallelism,
            core_dumps,
            include_all,
            allow_secrets,
        } = self.past.header.clone();
        RunOptions {
            job,
            workflow,
            parameters,
            facts,
            variables,
            caller_environment,
            isolation: match mode {
                folders::Mode::Namespace => Isolation::Automatic,
                folders::Mode::RunFolder => Isolation::RunFolder,
                folders::Mode::Host => Isolation::Host,
            },
            is_local_store,
            jobs_max,
            parallelism,
            core_dumps,
            include_all,
            allow_secrets,
            ..RunOptions::new(
                config_name,
                config,
                project,
                server,
                source,
                sandbox_program,
            )
        }
    }

    /// Waits for the last of the steps' processes, which end when their agent has died.
    pub(super) async fn wait_for_steps(&self) -> Result<()> {
        let path = self.folder.join(folders::STEPS);
        let what = || format!("wait for the steps of the run in {}", self.folder.display());
        let file = File::options().read(true).write(true).open(&path);
        let file = file.map_err(Error::io(what()))?;
        let deadline = tokio::time::Instant::now() + STEPS_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(fs::TryLockError::Error(error)) => return Err(Error::io(what())(error)),
                Err(fs::TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let message = "processes that it started have not ended; end them first";
                    return Err(Error::io(what())(io::Error::other(message)));
                }
            }
        }
    }
}

/// Removes the folders of runs that nobody has taken up for a day. What cannot be removed stays.
pub(super) fn sweep(scratch: Option<&Path>) {
    let Ok(found) = folders_of_runs(scratch) else {
        return;
    };
    for (folder, modified) in found {
        let is_old = modified.elapsed().is_ok_and(|age| age > AGE_MAX);
        if is_old && let Ok(Some(_lock)) = journal::lock(&folder) {
            remove_tree(&folder);
        }
    }
}

/// Folders that have the name, the owner and the journal of a run, and when the journal was written.
fn folders_of_runs(scratch: Option<&Path>) -> Result<Vec<(PathBuf, std::time::SystemTime)>> {
    let scratch = folders::scratch(scratch)?;
    let what = format!("look for runs in {}", scratch.display());
    let user = rustix::process::geteuid().as_raw();
    let mut found = Vec::new();
    for entry in fs::read_dir(&scratch).map_err(Error::io(what))? {
        let Ok(entry) = entry else { continue };
        if !folders::is_name_of_run(&entry.file_name()) {
            continue;
        }
        let folder = entry.path();
        let is_own_folder = folder
            .symlink_metadata()
            .is_ok_and(|it| it.is_dir() && it.uid() == user);
        let journal = folder.join(journal::FILE).symlink_metadata();
        if let Ok(journal) = journal
            && is_own_folder
            && journal.is_file()
            && journal.uid() == user
            && let Ok(modified) = journal.modified()
        {
            found.push((folder, modified));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::folders::{Mode, RunFolder};
    use crate::run::journal::Record;

    /// A run that broke off, of the folder `source`; its journal was written so long ago.
    fn broken_off(scratch: &Path, source: &Path, project: &str, ago: Duration) -> PathBuf {
        let server = ServerAddress {
            url: "http://127.0.0.1:1".into(),
            token: "of-the-user".into(),
            ca_pem: None,
        };
        let options = RunOptions::new("c.yml", "jobs: {}", project, server, source, "/program");
        let folder = RunFolder::create(Some(scratch), Mode::RunFolder).unwrap();
        folder.keep(true);
        let journal = Journal::create(folder.path()).unwrap();
        let header = Header::new(&options, Mode::RunFolder);
        journal.note(&Record::Run(Box::new(header)));
        let path = folder.path().to_owned();
        age(&path.join(journal::FILE), ago);
        path
    }

    fn age(file: &Path, ago: Duration) {
        let file = File::options().write(true).open(file).unwrap();
        let now = file.metadata().unwrap().modified().unwrap();
        file.set_modified(now - ago).unwrap();
    }

    #[test]
    fn the_newest_run_of_a_folder_is_found_and_is_one_owners_at_a_time() {
        let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
        let (here, there) = (scratch.path().join("here"), scratch.path().join("there"));
        fs::create_dir_all(&here).unwrap();
        fs::create_dir_all(&there).unwrap();
        let minutes = Duration::from_mins;
        let old = broken_off(scratch.path(), &here, "github/acme/old", minutes(3));
        let new = broken_off(scratch.path(), &here, "github/acme/new", minutes(2));
        broken_off(scratch.path(), &there, "github/acme/old", minutes(1));
        let newest = |project, config| {
            Unfinished::newest(Some(scratch.path()), &here, project, config).unwrap()
        };
        assert_eq!(newest(None, None).unwrap().folder, new);
        assert_eq!(newest(None, Some("c.yml")).unwrap().folder, new);
        assert_eq!(newest(Some("github/acme/old"), None).unwrap().folder, old);
        assert!(newest(Some("github/acme/none"), None).is_none());
        assert!(newest(None, Some("d.yml")).is_none());
        let held = newest(None, None).unwrap();
        assert_eq!(newest(None, None).unwrap().folder, old);
        drop(held);
        let journal = fs::read_to_string(new.join(journal::FILE)).unwrap();
        assert!(!journal.contains("of-the-user"), "{journal}");
    }

    #[test]
    fn only_runs_that_nobody_took_up_for_a_day_are_swept() {
        let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
        let source = scratch.path().join("source");
        fs::create_dir_all(&source).unwrap();
        let make = |hours| {
            let ago = Duration::from_hours(hours);
            broken_off(scratch.path(), &source, "github/acme/demo", ago)
        };
        let (young, gone) = (make(23), make(25));
        // Somebody owns this one.
        let owned = make(25);
        let (_owner, _) = Journal::take(&owned).unwrap().unwrap();
        // These are not a run's.
        let unlike = scratch.path().join("larder-of-mine");
        fs::rename(make(25), &unlike).unwrap();
        let without = make(25);
        fs::remove_file(without.join(journal::FILE)).unwrap();
        let linked = scratch.path().join("larder-abcdefg");
        std::os::unix::fs::symlink(make(25), &linked).unwrap();
        let target = fs::read_link(&linked).unwrap();
        let elsewhere = scratch.path().join("elsewhere");
        fs::rename(&target, &elsewhere).unwrap();
        fs::remove_file(&linked).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &linked).unwrap();
        sweep(Some(scratch.path()));
        assert!(!gone.exists());
        for left in [&young, &owned, &unlike, &without, &linked, &elsewhere] {
            assert!(left.exists(), "{}", left.display());
        }
    }
}
