//! The folders of a run and of each of its nodes, and where what a step calls `/tmp/x` is.

use super::environment::home_of;
use crate::artifacts::{Mount, View};
use crate::error::{Error, Result};
use crate::plan::{Plan, StepKind};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Where a run's folders are made if nobody says: unlike `/tmp` it is never laid over.
const SCRATCH: &str = "/var/tmp";

/// How a run's nodes get folders of their own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// By a mount namespace.
    Namespace,
    /// By `HOME` and `TMPDIR` alone.
    RunFolder,
    /// Not at all.
    Host,
}

/// The folder of one run, removed with all that is in it when the run is over.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    mode: Mode,
    /// Empty folders that were made on the machine for namespaces to lay others over.
    made: Mutex<Vec<PathBuf>>,
}

impl RunFolder {
    pub(crate) fn create(scratch: Option<&Path>, mode: Mode) -> Result<Self> {
        let scratch = scratch.unwrap_or(Path::new(SCRATCH));
        let what = format!("make a folder for the run in {}", scratch.display());
        let scratch = scratch.canonicalize().map_err(Error::io(&what))?;
        if mode == Mode::Namespace && scratch.starts_with("/tmp") {
            let message = format!(
                "{}: the run's folder cannot be in /tmp, which each node gets anew",
                scratch.display()
            );
            return Err(Error::Usage(message));
        }
        let folder = tempfile::Builder::new()
            .prefix("larder-")
            .rand_bytes(7)
            .tempdir_in(scratch)
            .map_err(Error::io(&what))?;
        Ok(Self {
            path: folder.keep(),
            mode,
            made: Mutex::default(),
        })
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The part of its name that no other run has.
    fn suffix(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        name.trim_start_matches("larder-").to_owned()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        remove_tree(&self.path);
        let made = self.made.get_mut().map(std::mem::take).unwrap_or_default();
        for folder in made.iter().rev() {
            // Only what is still empty was made for the run alone.
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The folders of one node.
#[derive(Debug)]
pub(super) struct NodeFolders {
    /// As the steps see the machine.
    pub(super) view: View,
    /// `~`; the same path for the steps and for the machine.
    pub(super) home: PathBuf,
    /// The agent's own files, which no step is meant to touch.
    pub(super) own: PathBuf,
    /// `TMPDIR`, if `/tmp` is not the node's own.
    pub(super) temporary: Option<PathBuf>,
    /// `$CIRCLE_ARTIFACTS`, as the steps see it.
    pub(super) artifacts: PathBuf,
    /// Where steps run, as they see it.
    pub(super) working_directory: PathBuf,
    /// What the job leaves on the machine itself.
    leavings: Vec<PathBuf>,
}

impl NodeFolders {
    pub(super) fn create(
        run: &RunFolder,
        index: u32,
        plan: &Plan,
        source: &Path,
        caller: &[(OsString, OsString)],
    ) -> Result<Self> {
        let base = run.path.join(index.to_string());
        let [own, own_home, tmp] = ["agent", "home", "tmp"].map(|name| base.join(name));
        for folder in [&own, &own_home, &tmp] {
            fs::create_dir_all(folder).map_err(Error::io(folder.display().to_string()))?;
        }
        fs::set_permissions(&tmp, Permissions::from_mode(0o1777))
            .map_err(Error::io(tmp.display().to_string()))?;
        let home = match run.mode {
            Mode::Host => home_of(caller).ok_or_else(|| {
                Error::Usage("HOME is not set; a job on the machine as it is needs it".to_owned())
            })?,
            Mode::Namespace | Mode::RunFolder => own_home,
        };
        let working_directory = expand(&plan.working_directory, &home, &home);
        let mut mounts = Vec::new();
        if run.mode == Mode::Namespace {
            mounts.push(Mount {
                seen: "/tmp".into(),
                host: tmp.clone(),
            });
        }
        let mut folders = Self {
            view: View::new(mounts),
            home,
            own,
            temporary: (run.mode == Mode::RunFolder).then(|| tmp.clone()),
            artifacts: PathBuf::new(),
            working_directory,
            leavings: Vec::new(),
        };
        if run.mode == Mode::RunFolder {
            folders.claim_names_in_tmp(plan, source)?;
        }
        folders.make_working_directory(run, &base)?;
        folders.make_artifacts_folder(run, &tmp)?;
        Ok(folders)
    }

    /// The path that a config means: `~` is the home folder, and what is relative is so to `base`.
    pub(super) fn expand(&self, path: &str, base: &Path) -> PathBuf {
        expand(path, &self.home, base)
    }

    /// Mounts in the form in which the sandbox takes them.
    pub(super) fn mounts(&self) -> Vec<(PathBuf, PathBuf)> {
        self.view
            .mounts()
            .iter()
            .map(|mount| (mount.host.clone(), mount.seen.clone()))
            .collect()
    }

    fn make_working_directory(&mut self, run: &RunFolder, base: &Path) -> Result<()> {
        let seen = self.working_directory.clone();
        let host = self.view.host(&seen);
        let refused = |error: &dyn std::fmt::Display| {
            Error::Usage(format!(
                "working_directory {}: {error}; choose one below ~ or /tmp, or run with --host",
                seen.display(),
            ))
        };
        let is_own =
            seen.starts_with(&self.home) || seen.starts_with("/tmp") || run.mode == Mode::Host;
        if is_own {
            return fs::create_dir_all(&host).map_err(|error| refused(&error));
        }
        match fs::read_dir(&host).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(refused(&"it exists and is not empty")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refused(&error)),
            Ok(false) | Err(_) => {}
        }
        let missing: Vec<PathBuf> = host
            .ancestors()
            .take_while(|folder| !folder.exists())
            .map(Path::to_owned)
            .collect();
        fs::create_dir_all(&host).map_err(|error| refused(&error))?;
        if run.mode == Mode::Namespace {
            let work = base.join("work");
            fs::create_dir_all(&work).map_err(Error::io(work.display().to_string()))?;
            let mut mounts = self.view.mounts().to_vec();
            mounts.push(Mount {
                seen: seen.clone(),
                host: work,
            });
            self.view = View::new(mounts);
            if let Ok(mut made) = run.made.lock() {
                made.extend(missing.into_iter().rev());
            }
        } else {
            self.leavings.extend(missing.into_iter().rev());
        }
        Ok(())
    }

    fn make_artifacts_folder(&mut self, run: &RunFolder, tmp: &Path) -> Result<()> {
        let name = format!("circle-artifacts.{}", run.suffix());
        let host = tmp.join(&name);
        fs::create_dir_all(&host).map_err(Error::io(host.display().to_string()))?;
        self.artifacts = match run.mode {
            Mode::Namespace => Path::new("/tmp").join(name),
            Mode::RunFolder | Mode::Host => host,
        };
        Ok(())
    }

    /// Without a namespace `/tmp` is everybody's: names that the config's own text mentions there
    /// must be free, and are the job's until its end.
    fn claim_names_in_tmp(&mut self, plan: &Plan, source: &Path) -> Result<()> {
        for name in names_in_tmp(plan)
            .into_iter()
            .chain(names_of_checkout(plan, source))
        {
            let path = Path::new("/tmp").join(name);
            if path.symlink_metadata().is_ok() {
                let message = format!(
                    "{}: exists, and the job would overwrite it; move it away, or run where mount namespaces are allowed",
                    path.display(),
                );
                return Err(Error::Usage(message));
            }
            self.leavings.push(path);
        }
        Ok(())
    }
}

impl Drop for NodeFolders {
    /// Takes away what the job made on the machine itself.
    fn drop(&mut self) {
        for leaving in self.leavings.iter().rev() {
            remove_tree(leaving);
        }
    }
}

fn expand(path: &str, home: &Path, base: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(rest) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => base.join(path),
    }
}

fn names_in_tmp(plan: &Plan) -> BTreeSet<String> {
    let texts = plan.steps.iter().map(|step| match &step.kind {
        StepKind::Run(run) => run.command.as_str(),
        StepKind::StoreArtifacts(store) => &store.path,
        StepKind::Checkout(checkout) => &checkout.path,
        StepKind::Unknown(_) => "",
    });
    let mut names = BTreeSet::new();
    for text in texts.chain([plan.working_directory.as_str()]) {
        for part in text.split("/tmp/").skip(1) {
            let name: String = part
                .chars()
                .take_while(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
                .collect();
            if !name.chars().all(|c| c == '.') {
                names.insert(name);
            }
        }
    }
    names
}

/// What `checkout` puts right into `/tmp`, if it does.
fn names_of_checkout(plan: &Plan, source: &Path) -> BTreeSet<String> {
    let is_into_tmp = plan.steps.iter().any(|step| match &step.kind {
        StepKind::Checkout(checkout) => expand(
            &checkout.path,
            Path::new("/"),
            Path::new(&plan.working_directory),
        )
        .components()
        .eq(Path::new("/tmp").components()),
        StepKind::Run(_) | StepKind::StoreArtifacts(_) | StepKind::Unknown(_) => false,
    });
    if !is_into_tmp {
        return BTreeSet::new();
    }
    let entries = fs::read_dir(source).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// Removes a tree in which a job may have made folders that cannot be written to.
fn remove_tree(path: &Path) {
    let is_folder = path
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_folder {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    if removed.is_ok() || !is_folder {
        return;
    }
    make_writable(path);
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(%error, path = %path.display(), "remove the run's folder");
    }
}

fn make_writable(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tilde_is_the_home_folder_and_nothing_else_is_expanded() {
        let check = |path: &str, expected: &str| {
            assert_eq!(
                expand(path, Path::new("/h"), Path::new("/w")),
                Path::new(expected),
                "{path}"
            );
        };
        check("~", "/h");
        check("~/out", "/h/out");
        check("~other/out", "/w/~other/out");
        check("$HOME/x", "/w/$HOME/x");
        check("dist/*", "/w/dist/*");
        check("/tmp/a", "/tmp/a");
    }

    #[test]
    fn names_in_tmp_are_read_from_the_configs_text() {
        let plan =
            Plan::parse("c", include_str!("../../../../samples/artifacts.yml"), None).unwrap();
        assert_eq!(
            names_in_tmp(&plan).into_iter().collect::<Vec<_>>(),
            ["artifact-1", "artifacts"]
        );
    }

    #[test]
    fn a_run_leaves_nothing_behind_even_where_a_job_forbade_writing() {
        let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
        let run = RunFolder::create(Some(scratch.path()), Mode::Namespace).unwrap();
        let locked = run.path.join("a/b");
        fs::create_dir_all(&locked).unwrap();
        fs::write(locked.join("file"), "").unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o500)).unwrap();
        drop(run);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_working_directory_that_is_somebody_elses_is_refused() {
        let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
        let text = "version: 2\njobs: {build: {working_directory: /etc, steps: [checkout]}}";
        let plan = Plan::parse("c", text, None).unwrap();
        for mode in [Mode::Namespace, Mode::RunFolder] {
            let run = RunFolder::create(Some(scratch.path()), mode).unwrap();
            let error = NodeFolders::create(&run, 0, &plan, Path::new("/"), &[]).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("working_directory /etc: it exists and is not empty"),
                "{error}"
            );
        }
    }
}
