//! The folders of a run and of each of its nodes, and where what a step calls `/tmp/x` is.

use super::environment::home_of;
use crate::artifacts::{Mount, View};
use crate::error::{Error, Result};
use crate::plan::{Plan, StepKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Where a run's folders are made if nobody says: unlike `/tmp` it is never laid over.
const SCRATCH: &str = "/var/tmp";
/// Names of runs' folders begin so, and go on with letters and digits.
const PREFIX: &str = "larder-";
const RANDOM_CHARS: usize = 7;
/// The file of which the sandboxes of a run share the lock.
pub(super) const STEPS: &str = "steps";
/// In a node's folder: what the node has on the machine itself.
const CLAIMS: &str = "claims";

/// How a run's nodes get folders of their own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// By a mount namespace.
    Namespace,
    /// By `HOME` and `TMPDIR` alone.
    RunFolder,
    /// Not at all.
    Host,
}

/// The folder in which runs have theirs, without links.
pub(super) fn scratch(given: Option<&Path>) -> Result<PathBuf> {
    let scratch = given.unwrap_or(Path::new(SCRATCH));
    let what = format!("make a folder for the run in {}", scratch.display());
    scratch.canonicalize().map_err(Error::io(what))
}

/// Whether a folder's name is one that runs get.
pub(super) fn is_name_of_run(name: &OsStr) -> bool {
    let random = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    random.is_some_and(|it| {
        it.len() == RANDOM_CHARS && it.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The folder of one run, removed with all that is in it when the run is over.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    mode: Mode,
    /// Empty folders that were made on the machine for namespaces to lay others over.
    made: Mutex<Vec<PathBuf>>,
    /// Set while the run may be taken up again.
    is_kept: Arc<AtomicBool>,
}

impl RunFolder {
    pub(crate) fn create(given: Option<&Path>, mode: Mode) -> Result<Self> {
        let scratch = scratch(given)?;
        if mode == Mode::Namespace && scratch.starts_with("/tmp") {
            let message = format!(
                "{}: the run's folder cannot be in /tmp, which each node gets anew",
                scratch.display()
            );
            return Err(Error::Usage(message));
        }
        let what = format!("make a folder for the run in {}", scratch.display());
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(RANDOM_CHARS)
            // Steps write secrets to their home and to the file that bash reads first.
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(scratch)
            .map_err(Error::io(&what))?;
        fs::write(folder.path().join(STEPS), "").map_err(Error::io(what))?;
        Ok(Self::of(folder.keep(), mode))
    }

    /// That of a run that broke off.
    pub(super) fn of_unfinished(path: PathBuf, mode: Mode) -> Self {
        let folder = Self::of(path, mode);
        folder.keep(true);
        folder
    }

    fn of(path: PathBuf, mode: Mode) -> Self {
        Self {
            path,
            mode,
            made: Mutex::default(),
            is_kept: Arc::default(),
        }
    }

    /// Whether the folder outlasts this value.
    pub(super) fn keep(&self, is_kept: bool) {
        self.is_kept.store(is_kept, Ordering::SeqCst);
    }

    /// The file of which the sandboxes share the lock.
    pub(super) fn steps(&self) -> PathBuf {
        self.path.join(STEPS)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// The part of its name that no other run has.
    fn suffix(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        name.trim_start_matches(PREFIX).to_owned()
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if self.is_kept.load(Ordering::SeqCst) {
            return;
        }
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
    /// `$CIRCLE_TEST_REPORTS`, as the steps see it.
    pub(super) test_reports: PathBuf,
    /// Where steps run, as they see it.
    pub(super) working_directory: PathBuf,
    /// What the job leaves on the machine itself.
    leavings: Vec<PathBuf>,
    /// The node's folder in that of the run.
    base: PathBuf,
    /// Set while the run may be taken up again.
    is_kept: Arc<AtomicBool>,
}

impl NodeFolders {
    pub(super) fn create(
        run: &RunFolder,
        name: &str,
        plan: &Plan,
        source: &Path,
        caller: &[(OsString, OsString)],
    ) -> Result<Self> {
        let base = run.path.join(name);
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
            test_reports: PathBuf::new(),
            working_directory,
            leavings: Vec::new(),
            base,
            is_kept: run.is_kept.clone(),
        };
        folders.claim(run, plan, source)?;
        folders.artifacts = make_collected_folder(run, &tmp, "circle-artifacts")?;
        folders.test_reports = make_collected_folder(run, &tmp, "circle-tests")?;
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

    /// Takes what the node needs on the machine itself, which must be free, and makes its working
    /// directory. What it took before its run broke off is still its own.
    fn claim(&mut self, run: &RunFolder, plan: &Plan, source: &Path) -> Result<()> {
        let file = self.base.join(CLAIMS);
        let known = fs::read(&file).ok();
        let known = known.and_then(|text| serde_json::from_slice(&text).ok());
        let claims = if let Some(claims) = known {
            claims
        } else {
            let mut claims = match run.mode {
                Mode::RunFolder => free_names_in_tmp(plan, source)?,
                Mode::Namespace | Mode::Host => Vec::new(),
            };
            claims.extend(self.missing_folders(run)?);
            let text = serde_json::to_vec(&claims).map_err(io::Error::other);
            let written = text.and_then(|text| fs::write(&file, text));
            written.map_err(Error::io(file.display().to_string()))?;
            claims
        };
        if run.mode != Mode::Namespace {
            self.leavings = claims;
        } else if let Ok(mut made) = run.made.lock() {
            made.extend(claims);
        }
        self.make_working_directory(run)
    }

    /// Whether the working directory is below a folder of the node's own.
    fn works_at_home(&self, run: &RunFolder) -> bool {
        let seen = &self.working_directory;
        seen.starts_with(&self.home) || seen.starts_with("/tmp") || run.mode == Mode::Host
    }

    /// Folders to be made on the machine for the working directory, from the outermost one on.
    fn missing_folders(&self, run: &RunFolder) -> Result<Vec<PathBuf>> {
        if self.works_at_home(run) {
            return Ok(Vec::new());
        }
        let host = self.view.host(&self.working_directory);
        match fs::read_dir(&host).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(self.refused(&"it exists and is not empty")),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.refused(&error));
            }
            Ok(false) | Err(_) => {}
        }
        let mut missing: Vec<PathBuf> = host
            .ancestors()
            .take_while(|folder| !folder.exists())
            .map(Path::to_owned)
            .collect();
        missing.reverse();
        Ok(missing)
    }

    fn make_working_directory(&mut self, run: &RunFolder) -> Result<()> {
        let host = self.view.host(&self.working_directory);
        fs::create_dir_all(&host).map_err(|error| self.refused(&error))?;
        if run.mode == Mode::Namespace && !self.works_at_home(run) {
            let work = self.base.join("work");
            fs::create_dir_all(&work).map_err(Error::io(work.display().to_string()))?;
            let mut mounts = self.view.mounts().to_vec();
            mounts.push(Mount {
                seen: self.working_directory.clone(),
                host: work,
            });
            self.view = View::new(mounts);
        }
        Ok(())
    }

    fn refused(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Usage(format!(
            "working_directory {}: {error}; choose one below ~ or /tmp, or run with --host",
            self.working_directory.display(),
        ))
    }
}

impl Drop for NodeFolders {
    /// Takes away what the job made on the machine itself.
    fn drop(&mut self) {
        if self.is_kept.load(Ordering::SeqCst) {
            return;
        }
        for leaving in self.leavings.iter().rev() {
            remove_tree(leaving);
        }
        // Nothing is the node's any more, should its folder outlast it.
        let _ = fs::remove_file(self.base.join(CLAIMS));
    }
}

/// Without a namespace `/tmp` is everybody's: names that the config's own text mentions there must
/// be free, and are the job's until its end.
fn free_names_in_tmp(plan: &Plan, source: &Path) -> Result<Vec<PathBuf>> {
    let names = names_in_tmp(plan)
        .into_iter()
        .chain(names_of_checkout(plan, source));
    let paths: Vec<PathBuf> = names.map(|name| Path::new("/tmp").join(name)).collect();
    match paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        None => Ok(paths),
        Some(path) => Err(Error::Usage(format!(
            "{}: exists, and the job would overwrite it; move it away, or run where mount namespaces are allowed",
            path.display(),
        ))),
    }
}

/// A folder of which the content is kept at the job's end, as the steps see it.
fn make_collected_folder(run: &RunFolder, tmp: &Path, name: &str) -> Result<PathBuf> {
    let name = format!("{name}.{}", run.suffix());
    let host = tmp.join(&name);
    fs::create_dir_all(&host).map_err(Error::io(host.display().to_string()))?;
    Ok(match run.mode {
        Mode::Namespace => Path::new("/tmp").join(name),
        Mode::RunFolder | Mode::Host => host,
    })
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
        StepKind::AttachWorkspace(workspace) => &workspace.at,
        StepKind::StoreTestResults(results) => &results.path,
        StepKind::PersistToWorkspace(_)
        | StepKind::SaveCache(_)
        | StepKind::RestoreCache(_)
        | StepKind::Unknown(_) => "",
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
        _ => false,
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
pub(super) fn remove_tree(path: &Path) {
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
    fn nobody_else_looks_into_the_folder_of_a_run() {
        let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
        for mode in [Mode::Namespace, Mode::RunFolder, Mode::Host] {
            let run = RunFolder::create(Some(scratch.path()), mode).unwrap();
            let mode = run.path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o7777, 0o700);
        }
    }

    #[test]
    fn a_working_directory_that_is_somebody_elses_is_refused() {
        let scratch = tempfile::tempdir_in("/var/tmp").unwrap();
        let text = "version: 2\njobs: {build: {working_directory: /etc, steps: [checkout]}}";
        let plan = Plan::parse("c", text, None).unwrap();
        for mode in [Mode::Namespace, Mode::RunFolder] {
            let run = RunFolder::create(Some(scratch.path()), mode).unwrap();
            let error = NodeFolders::create(&run, "0-0", &plan, Path::new("/"), &[]).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("working_directory /etc: it exists and is not empty"),
                "{error}"
            );
        }
    }
}
