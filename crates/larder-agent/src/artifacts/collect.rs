//! Which files a step or a command means: a walk that never leaves where it may be and never waits.

use super::open::open_strictly;
use super::pattern::{Pattern, joined};
use super::view::View;
use rustix::fs::{Dir, OFlags};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStringExt;
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

/// A folder in which nothing is.
#[derive(Clone, Debug)]
pub(crate) struct EmptyFolder {
    /// As artifacts are named.
    pub(crate) path: String,
    /// Permission bits.
    pub(crate) mode: u32,
}

/// A walk and what it found.
#[derive(Debug)]
pub(crate) struct Collect<'a> {
    pub(crate) view: &'a View,
    /// What the names must match; without one everything is taken.
    pub(crate) wanted: Option<&'a Pattern>,
    /// What is left out without a word.
    pub(crate) excluded: Vec<&'a Pattern>,
    /// Folders into which a symbolic link may lead, resolved.
    pub(crate) allowed: Vec<PathBuf>,
    /// Takes `.git` and credential files too.
    pub(crate) include_all: bool,
    pub(crate) files: Vec<Found>,
    pub(crate) empty_folders: Vec<EmptyFolder>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Collect<'a> {
    pub(crate) fn new(view: &'a View, allowed: Vec<PathBuf>, include_all: bool) -> Self {
        Self {
            view,
            wanted: None,
            excluded: Vec::new(),
            allowed,
            include_all,
            files: Vec::new(),
            empty_folders: Vec::new(),
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

    pub(crate) fn warn(&mut self, warning: impl AsRef<str>) {
        self.warnings.push(printable(warning.as_ref()));
    }

    /// `above` holds the folders around this one, so that a link to one of them ends the walk.
    fn walk(&mut self, seen: &Path, folder: &Path, prefix: &str, above: &mut HashSet<(u64, u64)>) {
        let entries = match entries(&self.view.host(folder)) {
            Ok(entries) => entries,
            Err(error) => {
                return self.warn(format!("{}: {error}, skipped", seen.display()));
            }
        };
        let identity = entries.identity;
        if above.len() > DEPTH_MAX || !above.insert(identity) {
            return self.warn(format!("{}: a loop or too deep, skipped", seen.display()));
        }
        if entries.names.is_empty() && self.takes_empty(prefix) {
            self.empty_folders.push(EmptyFolder {
                path: prefix.to_owned(),
                mode: entries.mode,
            });
        }
        for name in entries.names {
            let seen = folder.join(&name);
            let path = joined(prefix, &name.to_string_lossy());
            if !self.takes_file(&path) && !self.enters(&path) {
                continue;
            }
            match name.to_str() {
                Some(name) if name.chars().any(char::is_control) => {
                    self.warn(format!(
                        "{}: its name has a control character, skipped",
                        seen.display()
                    ));
                }
                Some(name) => self.entry(&seen, name, path, above),
                None => self.warn(format!(
                    "{}: its name is not UTF-8, skipped",
                    seen.display()
                )),
            }
        }
        above.remove(&identity);
    }

    fn takes_file(&self, path: &str) -> bool {
        self.wanted
            .is_none_or(|pattern| pattern.matches(path).is_some())
            && !self.is_excluded(path)
    }

    fn enters(&self, path: &str) -> bool {
        self.wanted
            .is_none_or(|pattern| pattern.may_match_below(path))
            && !self.is_excluded(path)
    }

    /// Only a glob that means whole trees means empty folders.
    fn takes_empty(&self, path: &str) -> bool {
        !path.is_empty()
            && self.takes_file(path)
            && self.wanted.is_none_or(|pattern| pattern.is_deep)
    }

    fn is_excluded(&self, path: &str) -> bool {
        self.excluded
            .iter()
            .any(|pattern| pattern.matches(path).is_some())
    }

    fn entry(&mut self, seen: &Path, name: &str, path: String, above: &mut HashSet<(u64, u64)>) {
        let Some((resolved, metadata)) = self.follow(seen) else {
            return;
        };
        if resolved != seen
            && let Some(guarded) = self.guarded(&resolved)
        {
            return self.warn(format!(
                "{}: the link leads to {guarded}, which is left out too, skipped",
                seen.display()
            ));
        }
        if metadata.is_dir() {
            if self.enters(&path) && self.takes_folder(seen, name) {
                self.walk(seen, &resolved, &path, above);
            }
            return;
        }
        if !self.takes_file(&path) {
            return;
        }
        if metadata.is_file() {
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

    /// What on the way to where a link leads is left out under its own name, and so under that of the link.
    fn guarded(&self, resolved: &Path) -> Option<String> {
        let around = self.allowed.iter();
        let around = around.filter(|folder| resolved.starts_with(folder));
        let around = around.max_by_key(|folder| folder.as_os_str().len())?;
        let inner = resolved.strip_prefix(around).ok()?;
        let guarded = inner.iter().filter_map(|part| part.to_str()).find(|part| {
            let holds_credentials =
                CREDENTIAL_FOLDERS.contains(part) || CREDENTIAL_FILES.contains(part);
            OWN_FOLDERS.contains(part) || (holds_credentials && !self.include_all)
        });
        guarded.map(str::to_owned)
    }

    /// The entry itself, or where the link leads if it may lead there.
    fn follow(&mut self, seen: &Path) -> Option<(PathBuf, Metadata)> {
        let metadata = match fs::symlink_metadata(self.view.host(seen)) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.warn(format!("{}: {error}, skipped", seen.display()));
                return None;
            }
        };
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

/// A text with names in it, fit for a terminal and for logs that a CI reads line by line: characters that move the cursor,
/// end the line or turn the direction of text are spelled out.
pub fn printable(text: &str) -> String {
    let is_odd = |it: char| {
        it.is_control()
            || matches!(it, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut plain = String::with_capacity(text.len());
    for it in text.chars() {
        if is_odd(it) {
            plain.extend(it.escape_default());
        } else {
            plain.push(it);
        }
    }
    plain
}

/// A folder, read through one open handle: what it was is what was listed.
struct Entries {
    identity: (u64, u64),
    mode: u32,
    /// In order.
    names: Vec<OsString>,
}

fn entries(host: &Path) -> io::Result<Entries> {
    let folder = open_strictly(host, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let stat = rustix::fs::fstat(&folder)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(Entries {
        identity: (stat.st_dev, stat.st_ino),
        mode: stat.st_mode & 0o777,
        names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_to_what_is_left_out_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for inner in [".ssh", "larder-data", "real"] {
            fs::create_dir(root.join(inner)).unwrap();
            fs::write(root.join(inner).join("file"), "").unwrap();
        }
        fs::write(root.join(".npmrc"), "").unwrap();
        for (target, link) in [
            (".npmrc", "file-link"),
            (".ssh", "folder-link"),
            (".ssh/file", "inner-link"),
            ("larder-data", "own-link"),
            ("real/file", "good-link"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let view = View::default();
        let kept = |include_all: bool, below: &str| {
            let mut collect = Collect::new(&view, vec![root.clone()], include_all);
            collect.folder(&root.join(below), "");
            let names = collect.files.into_iter().map(|file| file.path);
            (names.collect::<Vec<_>>().join(" "), collect.warnings.len())
        };
        assert_eq!(kept(false, ""), ("good-link real/file".to_owned(), 7));
        let all = ".npmrc .ssh/file file-link folder-link/file good-link inner-link real/file";
        assert_eq!(kept(true, ""), (all.to_owned(), 2));
        symlink("file", root.join(".ssh/link")).unwrap();
        assert_eq!(kept(false, ".ssh"), ("file link".to_owned(), 0));
    }

    #[test]
    fn a_warning_is_one_line_of_plain_text() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::write(root.join("x\n::error::\u{1b}[2J"), "").unwrap();
        let view = View::default();
        let mut collect = Collect::new(&view, Vec::new(), false);
        collect.folder(&root, "");
        let said = collect.warnings.join("|");
        assert!(said.contains("x\\n::error::\\u{1b}[2J: its name"), "{said}");
        assert!(!said.contains('\n') && !said.contains('\u{1b}'), "{said}");
        assert_eq!(printable("a\u{202e}b é"), "a\\u{202e}b é");
    }

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
