//! Which files a step or a command means: a walk that never leaves where it may be and never waits.

use super::view::View;
use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Deeper trees are cut off with a warning.
const DEPTH_MAX: usize = 128;
/// More files than this in one step are a mistake.
const FILES_MAX: usize = 1_000_000;

/// Folders of Larder itself: keeping them would keep everything that was ever kept.
pub(crate) const OWN_FOLDERS: [&str; 3] = [".larder", "larder-data", "larder-demo"];
/// Folders that hold credentials, whatever the files in them are called.
const CREDENTIAL_FOLDERS: [&str; 6] = [".git", ".ssh", ".gnupg", ".aws", ".kube", ".docker"];
/// Files that hold credentials, wherever they are.
const CREDENTIAL_FILES: [&str; 12] = [
    ".git-credentials",
    ".netrc",
    "_netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".env",
    "id_rsa",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
];

/// A file to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Where it is on this machine; no part is a symbolic link.
    pub(crate) local: PathBuf,
    /// Name of the artifact.
    pub(crate) path: String,
}

/// A walk and what it found.
#[derive(Debug)]
pub(crate) struct Collect<'a> {
    pub(crate) view: &'a View,
    /// Folders into which a symbolic link may lead, resolved.
    pub(crate) allowed: Vec<PathBuf>,
    /// Takes `.git` and credential files too.
    pub(crate) include_all: bool,
    pub(crate) files: Vec<Found>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Collect<'a> {
    pub(crate) fn new(view: &'a View, allowed: Vec<PathBuf>, include_all: bool) -> Self {
        Self {
            view,
            allowed,
            include_all,
            files: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes the file `resolved` as the artifact `path`.
    pub(crate) fn file(&mut self, resolved: &Path, path: String) {
        if self.files.len() == FILES_MAX {
            self.warn(format!(
                "{} and more: a step keeps at most {FILES_MAX} files",
                resolved.display()
            ));
        }
        if self.files.len() <= FILES_MAX {
            self.files.push(Found {
                local: self.view.host(resolved),
                path,
            });
        }
    }

    /// Takes all files below the folder `resolved`, in the order of their names, as artifacts below
    /// `prefix`.
    pub(crate) fn folder(&mut self, resolved: &Path, prefix: &str) {
        self.allowed.push(resolved.to_owned());
        self.walk(resolved, resolved, prefix, &mut HashSet::new());
        self.allowed.pop();
    }

    /// Whether a symbolic link may lead there.
    pub(crate) fn is_allowed(&self, resolved: &Path) -> bool {
        self.allowed
            .iter()
            .any(|folder| resolved.starts_with(folder))
    }

    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// `above` holds the folders around this one, so that a link to one of them ends the walk.
    fn walk(&mut self, seen: &Path, folder: &Path, prefix: &str, above: &mut HashSet<(u64, u64)>) {
        let host = self.view.host(folder);
        let (Ok(metadata), Ok(entries)) = (fs::symlink_metadata(&host), fs::read_dir(&host)) else {
            return self.warn(format!("{}: cannot be read, skipped", seen.display()));
        };
        let identity = (metadata.dev(), metadata.ino());
        if above.len() > DEPTH_MAX || !above.insert(identity) {
            return self.warn(format!("{}: a loop or too deep, skipped", seen.display()));
        }
        let mut names: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        for name in names {
            let seen = folder.join(&name);
            match name.to_str() {
                Some(name) if name.chars().any(char::is_control) => {
                    self.warn(format!(
                        "{}: its name has a control character, skipped",
                        seen.display()
                    ));
                }
                Some(name) => self.entry(&seen, name, prefix, above),
                None => self.warn(format!(
                    "{}: its name is not UTF-8, skipped",
                    seen.display()
                )),
            }
        }
        above.remove(&identity);
    }

    fn entry(&mut self, seen: &Path, name: &str, prefix: &str, above: &mut HashSet<(u64, u64)>) {
        let Some((resolved, metadata)) = self.follow(seen) else {
            return;
        };
        let path = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}/{name}")
        };
        if metadata.is_dir() {
            if self.takes_folder(seen, name) {
                self.walk(seen, &resolved, &path, above);
            }
        } else if metadata.is_file() {
            if self.include_all || !CREDENTIAL_FILES.contains(&name) {
                self.file(&resolved, path);
            } else {
                self.warn(format!(
                    "{}: holds credentials, skipped (--include-all keeps it)",
                    seen.display()
                ));
            }
        } else {
            self.warn(format!(
                "{}: neither a file nor a folder, skipped",
                seen.display()
            ));
        }
    }

    fn takes_folder(&mut self, seen: &Path, name: &str) -> bool {
        if OWN_FOLDERS.contains(&name) {
            self.warn(format!(
                "{}: a folder of Larder itself, skipped",
                seen.display()
            ));
            return false;
        }
        if !self.include_all && CREDENTIAL_FOLDERS.contains(&name) {
            self.warn(format!(
                "{}: may hold credentials, skipped (--include-all keeps it)",
                seen.display()
            ));
            return false;
        }
        true
    }

    /// The entry itself, or where the link leads if it may lead there.
    fn follow(&mut self, seen: &Path) -> Option<(PathBuf, Metadata)> {
        let metadata = fs::symlink_metadata(self.view.host(seen)).ok()?;
        if !metadata.file_type().is_symlink() {
            return Some((seen.to_owned(), metadata));
        }
        let Ok(resolved) = self.view.resolve(seen) else {
            self.warn(format!(
                "{}: the link leads nowhere, skipped",
                seen.display()
            ));
            return None;
        };
        if !self.is_allowed(&resolved) {
            self.warn(format!(
                "{}: the link leads outside, skipped",
                seen.display()
            ));
            return None;
        }
        let metadata = fs::symlink_metadata(self.view.host(&resolved)).ok()?;
        Some((resolved, metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_walk_keeps_files_and_inner_links_and_names_what_it_leaves_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        for inner in ["root/a/b", "root/.git", "root/larder-data", "outside"] {
            fs::create_dir_all(folder.path().join(inner)).unwrap();
        }
        for file in [
            "a/b/1",
            "a/.hidden",
            "empty",
            ".git/config",
            "larder-data/x",
            ".netrc",
            "../outside/secret",
        ] {
            fs::write(root.join(file), "").unwrap();
        }
        symlink("a/b/1", root.join("inner")).unwrap();
        symlink("../outside/secret", root.join("outer")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("..", root.join("a/up")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();

        let view = View::default();
        let mut collect = Collect::new(&view, Vec::new(), false);
        collect.folder(&root, "out");
        let paths: Vec<_> = collect
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(
            paths,
            ["out/a/.hidden", "out/a/b/1", "out/empty", "out/inner"]
        );
        let warnings = collect.warnings.join("\n");
        for named in [
            ".git",
            ".netrc",
            "larder-data",
            "outer",
            "dangling",
            "a/up",
            "socket",
        ] {
            assert!(
                warnings.contains(&format!("/{named}: ")),
                "{named} in {warnings}"
            );
        }

        let mut collect = Collect::new(&view, Vec::new(), true);
        collect.folder(&root, "");
        let paths: Vec<_> = collect
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                ".git/config",
                ".netrc",
                "a/.hidden",
                "a/b/1",
                "empty",
                "inner"
            ]
        );
    }
}
