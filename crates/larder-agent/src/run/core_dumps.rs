//! Core files that a step left, found whatever the kernel calls them and linked under the name
//! that the documentation promises (`docs/api/circleci.md`). The machine's settings are only read.

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
}

/// Links each core that was written since the step began beside itself; a core that the kernel put
/// into a folder of its own gets its link in the step's directory. Gives the new names.
pub(super) fn link(search: &Search<'_>, pattern: &str) -> Vec<PathBuf> {
    let mut cores = Vec::new();
    let mut left = ENTRIES_MAX;
    search.find(
        search.directory,
        pattern_start(pattern),
        DEPTH_MAX,
        &mut left,
        &mut cores,
    );
    if let Some(folder) = Path::new(pattern)
        .parent()
        .filter(|_| pattern.starts_with('/'))
    {
        let elsewhere = !folder.starts_with(search.directory);
        if elsewhere && !folder.to_string_lossy().contains('%') {
            search.find(folder, pattern_start(pattern), 0, &mut left, &mut cores);
        }
    }
    cores
        .iter()
        .filter_map(|core| search.link_one(core))
        .collect()
}

/// Why a step that died of a signal left no core, if the machine's settings are the reason.
pub(super) fn why_none(exit_status: i32, pattern: &str) -> Option<String> {
    if !CORE_SIGNALS.contains(&(exit_status - 128)) {
        return None;
    }
    if let Some(program) = pattern.strip_prefix('|') {
        let program = program.split_whitespace().next().unwrap_or_default();
        return Some(format!(
            "No core file: this machine pipes cores to {program} (/proc/sys/kernel/core_pattern)."
        ));
    }
    (getrlimit(Resource::Core).maximum == Some(0)).then(|| {
        "No core file: this machine's hard limit for core files is 0 (ulimit -Hc).".to_owned()
    })
}

/// The kernel's setting.
pub(super) fn pattern() -> String {
    let pattern =
        fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_else(|_| "core".to_owned());
    pattern.trim_end().to_owned()
}

/// What the name of every core begins with.
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
mod tests {
    use super::*;
    use crate::artifacts::Mount;
    use crate::run::core_file::tests::real_core;

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
            fs::create_dir_all(tmp.join("work")).unwrap();
            fs::create_dir_all(host.parent().unwrap()).unwrap();
            fs::copy(&core, &host).unwrap();
            let since = fs::metadata(&host).unwrap().modified().unwrap();
            let view = View::new(vec![Mount {
                seen: "/tmp".into(),
                host: tmp.clone(),
            }]);
            let search = |since| Search {
                view: &view,
                directory: Path::new("/tmp/work"),
                since,
            };
            let later = since + std::time::Duration::from_secs(1);
            assert_eq!(
                link(&search(later), pattern),
                Vec::<PathBuf>::new(),
                "{pattern}: an old core"
            );
            let linked = link(&search(since), pattern);
            let beside = if left.starts_with("work/sub") {
                "work/sub"
            } else {
                "work"
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
        check("core", "work/core", true);
        check("core.%p", &format!("work/core.{pid}"), true);
        check("core.%p.%E", &format!("work/core.{pid}.{program}"), false);
        check("core", "work/sub/core", true);
        check("/tmp/cores/%e-%p.core", "cores/crash-1.core", true);
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
    fn a_missing_core_is_explained_only_where_one_was_due() {
        assert!(
            why_none(134, "|/usr/lib/systemd/systemd-coredump %P")
                .unwrap()
                .contains("systemd-coredump")
        );
        assert_eq!(why_none(1, "|/usr/bin/x"), None);
        assert_eq!(why_none(137, "|/usr/bin/x"), None);
    }
}
