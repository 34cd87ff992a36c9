//! Core files that a step left, found whatever the kernel calls them and linked under the name
//! that the documentation promises (`docs/api/circleci.md`). The machine's settings are only read.

mod spool;

use super::core_file::CoreFile;
use crate::artifacts::View;
use rustix::process::{Resource, getrlimit};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Folders below a working directory that are looked into, and entries in all.
const DEPTH_MAX: usize = 6;
const ENTRIES_MAX: usize = 20_000;
/// Full of files and never a crash's working directory.
const NEVER_INTO: [&str; 2] = [".git", "node_modules"];
/// Signals for which the kernel writes a core.
const CORE_SIGNALS: [i32; 10] = [3, 4, 5, 6, 7, 8, 11, 24, 25, 31];

/// Where to look.
pub(super) struct Search<'a> {
    pub(super) view: &'a View,
    /// Where the step ran, as it saw it.
    pub(super) directory: &'a Path,
    /// When it began, by the clock of the file system.
    pub(super) since: SystemTime,
    /// The session of the step's processes, if it is known: a core in a folder of the whole machine
    /// may be somebody else's.
    pub(super) session: Option<i32>,
}

/// Links each core that was written since the step began beside itself; a core that the kernel put
/// into a folder of its own, or gave to a program that keeps cores, gets its link in the step's
/// directory. Gives the new names.
pub(super) fn link(search: &Search<'_>, pattern: &str) -> Vec<PathBuf> {
    if is_pipe(pattern) {
        return search.take_spooled(&spool::FOLDERS.map(Path::new));
    }
    let mut cores = Vec::new();
    let mut left = ENTRIES_MAX;
    let start = pattern_start(pattern);
    search.find(search.directory, start, DEPTH_MAX, &mut left, &mut cores);
    if let Some((folder, depth)) = pattern_folder(pattern)
        && !folder.starts_with(search.directory)
    {
        let mut elsewhere = Vec::new();
        search.find(folder, start, depth, &mut left, &mut elsewhere);
        elsewhere.retain(|core| search.is_own(core));
        cores.append(&mut elsewhere);
    }
    cores
        .iter()
        .filter_map(|core| search.link_one(core))
        .collect()
}

/// Whether cores may still be on their way: a program that gets them through a pipe writes them
/// down in its own time.
pub(super) fn may_come_later(exit_status: i32, pattern: &str) -> bool {
    let is_spooled = || {
        let has_folder = |folder: &&str| Path::new(folder).is_dir();
        spool::FOLDERS.iter().any(has_folder)
    };
    is_core_signal(exit_status) && is_pipe(pattern) && is_spooled()
}

/// Whether the shell says that a signal ended it, or what it waited for, for which there are cores.
pub(super) fn is_core_signal(exit_status: i32) -> bool {
    CORE_SIGNALS.contains(&(exit_status - 128))
}

/// A step that may have been meant to leave a core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    pub(super) exit_status: i32,
    /// The limits that its shell began with, soft and hard, in bytes; none is no limit.
    pub(super) limits: (Option<u64>, Option<u64>),
    /// Its command sets limits itself.
    pub(super) sets_limits: bool,
    pub(super) since: SystemTime,
}

/// Why a step left no core, if the machine's settings are the reason.
pub(super) fn why_none(missing: &Missing, pattern: &str) -> Option<String> {
    let is_due = is_core_signal(missing.exit_status);
    let (soft, hard) = missing.limits;
    // A shell that may not raise the limit fails there, before anything can crash.
    if hard == Some(0) && (is_due || (missing.sets_limits && missing.exit_status != 0)) {
        return Some(
            "No core file: this machine's hard limit for core files is 0 (ulimit -Hc), which no \
             step can raise."
                .to_owned(),
        );
    }
    if !is_due {
        return None;
    }
    if soft == Some(0) && !missing.sets_limits && !is_pipe(pattern) {
        return Some(
            "No core file: the limit for core files is 0; `ulimit -c unlimited` in the step lifts \
             it, and so does `larder run --core-dumps`."
                .to_owned(),
        );
    }
    let program = pattern.strip_prefix('|')?;
    let program = program.split_whitespace().next().unwrap_or_default();
    let mut reason = format!(
        "No core file: this machine pipes cores to {program} (/proc/sys/kernel/core_pattern), and \
         none of the step's is readable in {}.",
        spool::FOLDERS.join(" or "),
    );
    for report in spool::reports(missing.since) {
        reason = format!("{reason} Crash report: {}.", report.display());
    }
    Some(reason)
}

/// The limits that a step's shell starts with: soft and hard.
pub(super) fn limits(raises_soft: bool) -> (Option<u64>, Option<u64>) {
    let limits = getrlimit(Resource::Core);
    let soft = if raises_soft {
        limits.maximum
    } else {
        limits.current
    };
    (soft, limits.maximum)
}

/// The kernel's setting.
pub(super) fn pattern() -> String {
    let pattern =
        fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_else(|_| "core".to_owned());
    pattern.trim_end().to_owned()
}

fn is_pipe(pattern: &str) -> bool {
    pattern.starts_with('|')
}

/// The folder of an absolute pattern, up to where that depends on the process, and how many folders
/// below it cores may be.
fn pattern_folder(pattern: &str) -> Option<(&Path, usize)> {
    let folder = Path::new(pattern)
        .parent()
        .filter(|_| pattern.starts_with('/'))?;
    let is_fixed = |folder: &&Path| !folder.to_string_lossy().contains('%');
    let fixed = folder.ancestors().find(is_fixed)?;
    let depth = folder.components().count() - fixed.components().count();
    Some((fixed, depth))
}

/// What the name of every core begins with; what comes after the first `%` depends on the process.
fn pattern_start(pattern: &str) -> &str {
    let name = pattern.rsplit('/').next().unwrap_or(pattern);
    &name[..name.find('%').unwrap_or(name.len())]
}

impl Search<'_> {
    fn find(
        &self,
        folder: &Path,
        start: &str,
        depth: usize,
        left: &mut usize,
        cores: &mut Vec<PathBuf>,
    ) {
        for entry in fs::read_dir(self.view.host(folder))
            .into_iter()
            .flatten()
            .flatten()
        {
            let Some(remaining) = left.checked_sub(1) else {
                return;
            };
            *left = remaining;
            let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else {
                continue;
            };
            let seen = folder.join(&name);
            let name = name.to_string_lossy();
            if kind.is_dir() && depth > 0 && !NEVER_INTO.contains(&name.as_ref()) {
                self.find(&seen, start, depth - 1, left, cores);
            }
            let is_new = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|modified| modified >= self.since);
            if kind.is_file() && is_new && name.starts_with(start) {
                cores.push(seen);
            }
        }
    }

    /// Cores in a folder that only the job's nodes see are the job's.
    fn is_own(&self, core: &Path) -> bool {
        let host = self.view.host(core);
        let is_shared = host == core;
        let read = || CoreFile::read(&host).ok().flatten();
        match self.session {
            Some(session) if is_shared => read().is_some_and(|core| core.session == session),
            _ => true,
        }
    }

    fn take_spooled(&self, folders: &[&Path]) -> Vec<PathBuf> {
        let user = rustix::process::getuid().as_raw();
        let into = self.view.host(self.directory);
        let mut taken = Vec::new();
        for folder in folders {
            for spooled in spool::list(folder, self.since, user) {
                match spooled.take(&into, self.session.unwrap_or(0)) {
                    Ok(name) => taken.extend(name.map(|name| self.directory.join(name))),
                    Err(error) => tracing::warn!(%error, ?spooled, "take a core from the spool"),
                }
            }
        }
        taken
    }

    fn link_one(&self, core: &Path) -> Option<PathBuf> {
        let host = self.view.host(core);
        let name = CoreFile::read(&host).ok()??.documented_name();
        let beside = core
            .parent()
            .filter(|folder| folder.starts_with(self.directory));
        let link = beside.unwrap_or(self.directory).join(name);
        let onto = self.view.host(&link);
        if onto.exists() {
            return None;
        }
        // Across file systems, and where the kernel refuses links to files of others, a copy does.
        let made = fs::hard_link(&host, &onto).or_else(|_| fs::copy(&host, &onto).map(|_| ()));
        match made {
            Ok(()) => Some(link),
            Err(error) => {
                tracing::warn!(%error, core = %core.display(), "link the core file");
                None
            }
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "files of a test are as old as the test"
)]
mod tests {
    use super::*;
    use crate::artifacts::Mount;
    use crate::run::core_file::tests::real_core;

    /// Pattern, what the kernel made of it (`{P}` is the process, `{E}` the program), and whether a link is new.
    const LEFT: [(&str, &str, bool); 10] = [
        ("core", "here/core", true),
        ("core.%p", "here/core.{P}", true),
        ("core.%p.%E", "here/core.{P}.{E}", false),
        ("core", "here/sub/core", true),
        ("/tmp/cores/%e-%p.core", "cores/crash-1.core", true),
        (
            "%e.%p.%t.%s.%g.%h.%%.core",
            "here/crash.1.2.6.0.host.%.core",
            true,
        ),
        (
            "cores/core.%P.%i.%I.%d.%c.%C.%f",
            "here/sub/core.1.1.1",
            true,
        ),
        ("/tmp/cores/%u/%h/core", "cores/1000/host/core.7", true),
        ("/tmp/here/core.%p", "here/core.{P}", true),
        ("core", "here/core.{P}", true),
    ];

    #[test]
    fn a_core_gets_its_documented_name_whatever_the_kernel_calls_it() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let Some((core, pid)) = real_core(&root) else {
            eprintln!("skipped: this machine writes no core files here, or has no gcc");
            return;
        };
        let documented = format!(
            "core.{pid}.{}",
            root.join("crash").to_str().unwrap().replace('/', "!")
        );
        let program = root.join("crash").to_str().unwrap().replace('/', "!");
        let check = |pattern: &str, left: &str, is_linked: bool| {
            let node = tempfile::tempdir_in("/var/tmp").unwrap();
            let tmp = node.path().canonicalize().unwrap();
            let host = tmp.join(left);
            fs::create_dir_all(tmp.join("here")).unwrap();
            fs::create_dir_all(host.parent().unwrap()).unwrap();
            fs::copy(&core, &host).unwrap();
            let since = fs::metadata(&host).unwrap().modified().unwrap();
            let view = View::new(vec![Mount {
                seen: "/tmp".into(),
                host: tmp.clone(),
            }]);
            let search = |since| Search {
                view: &view,
                directory: Path::new("/tmp/here"),
                since,
                session: None,
            };
            let later = since + std::time::Duration::from_secs(1);
            assert_eq!(
                link(&search(later), pattern),
                Vec::<PathBuf>::new(),
                "{pattern}: an old core"
            );
            let linked = link(&search(since), pattern);
            let beside = if left.starts_with("here/sub") {
                "here/sub"
            } else {
                "here"
            };
            let expected: Vec<PathBuf> = is_linked
                .then(|| Path::new("/tmp").join(beside).join(&documented))
                .into_iter()
                .collect();
            assert_eq!(linked, expected, "{pattern}");
            assert!(tmp.join(beside).join(&documented).exists(), "{pattern}");
            assert_eq!(
                link(&search(since), pattern),
                Vec::<PathBuf>::new(),
                "{pattern}: once is enough"
            );
        };
        for (pattern, left, is_linked) in LEFT {
            let left = left.replace("{P}", &pid.to_string());
            check(pattern, &left.replace("{E}", &program), is_linked);
        }
    }

    #[test]
    fn another_file_is_no_core_even_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("core.c"), "int main;").unwrap();
        let view = View::default();
        let search = Search {
            view: &view,
            directory: folder.path(),
            since: SystemTime::UNIX_EPOCH,
            session: None,
        };
        assert_eq!(link(&search, "core.%p"), Vec::<PathBuf>::new());
    }

    #[test]
    fn every_common_pattern_has_its_start() {
        let check =
            |pattern: &str, start: &str| assert_eq!(pattern_start(pattern), start, "{pattern}");
        check("core", "core");
        check("core.%p", "core.");
        check("core.%p.%E", "core.");
        check("/var/crash/core.%e.%p", "core.");
        check("%e.core", "");
    }

    #[test]
    fn a_core_in_a_folder_of_the_machine_is_taken_only_if_it_is_the_steps() {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let root = folder.path().canonicalize().unwrap();
        let Some((core, _)) = real_core(&root) else {
            eprintln!("skipped: this machine writes no core files here, or has no gcc");
            return;
        };
        let session = CoreFile::read(&core).unwrap().unwrap().session;
        for folder in ["cores", "here"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        fs::copy(&core, root.join("cores/core.crash.1")).unwrap();
        let pattern = format!("{}/cores/core.%e.%p", root.display());
        let view = View::default();
        let linked = |session| {
            let search = Search {
                view: &view,
                directory: &root.join("here"),
                since: SystemTime::UNIX_EPOCH,
                session: Some(session),
            };
            link(&search, &pattern).len()
        };
        assert_eq!(linked(session + 1), 0);
        assert_eq!(linked(session), 1);
    }

    #[test]
    fn spooled_cores_are_taken_into_the_steps_directory() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let Some((core, pid)) = real_core(&root) else {
            eprintln!("skipped: this machine writes no core files here, or has no gcc");
            return;
        };
        let session = CoreFile::read(&core).unwrap().unwrap().session;
        for folder in ["spool", "tmp"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        let user = rustix::process::getuid().as_raw();
        let name = format!("spool/core.crash.{user}.b00t.{pid}.1700000000000000");
        fs::copy(&core, root.join(name)).unwrap();
        let mount = Mount {
            seen: "/tmp".into(),
            host: root.join("tmp"),
        };
        let view = View::new(vec![mount]);
        let search = Search {
            view: &view,
            directory: Path::new("/tmp"),
            since: SystemTime::UNIX_EPOCH,
            session: Some(session),
        };
        let program = root.join("crash").to_str().unwrap().replace('/', "!");
        let expected = Path::new("/tmp").join(format!("core.{pid}.{program}"));
        assert_eq!(search.take_spooled(&[&root.join("spool")]), [expected]);
    }

    #[test]
    fn a_missing_core_is_explained_only_where_one_was_due() {
        let check = |exit_status: i32, pattern: &str, limits, said: Option<&str>| {
            let missing = Missing {
                exit_status,
                limits,
                sets_limits: pattern == "sets",
                since: SystemTime::now(),
            };
            let found = why_none(&missing, pattern);
            let is_right = match (&found, said) {
                (Some(found), Some(said)) => found.contains(said),
                (found, said) => found.is_none() && said.is_none(),
            };
            assert!(is_right, "{pattern} {missing:?}: {found:?}");
        };
        let (open, none) = ((None, None), (Some(0), Some(0)));
        let systemd = "|/usr/lib/systemd/systemd-coredump %P";
        check(
            134,
            systemd,
            open,
            Some("/usr/lib/systemd/systemd-coredump ("),
        );
        check(134, "core.%p", none, Some("hard limit"));
        check(134, systemd, none, Some("hard limit"));
        check(1, "sets", none, Some("hard limit"));
        check(0, "sets", none, None);
        check(1, "core.%p", none, None);
        check(139, "core.%p", (Some(0), None), Some("--core-dumps"));
        check(139, "sets", (Some(0), None), None);
        check(139, "core.%p", open, None);
        check(1, "|/usr/bin/x", open, None);
        check(137, "|/usr/bin/x", open, None);
    }
}
