//! `checkout`: the local tree, as a fresh clone would have it. Files that git ignores stay where
//! they are, and so do the secrets of `.git`.

use super::facts::without_credentials;
use crate::artifacts::OWN_FOLDERS;
use ignore::{DirEntry, WalkBuilder};
use std::fs;
use std::io;
use std::path::Path;

/// Parts of `.git` that may hold tokens: URLs with credentials are logged in several places.
const GIT_SECRETS: [&str; 5] = [
    "credentials",
    "FETCH_HEAD",
    "logs",
    "config.worktree",
    "hooks",
];

/// How much was copied.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Copied {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// Copies the tree `source` into the folder `target`, which is made if need be. A name at the top
/// of the tree that `target` already has is an error.
pub(super) fn copy_tree(source: &Path, target: &Path) -> io::Result<Copied> {
    fs::create_dir_all(target)?;
    let mut copied = Copied::default();
    let walk = WalkBuilder::new(source)
        .hidden(false)
        .ignore(false)
        .git_global(false)
        .follow_links(false)
        .filter_entry(|entry| !is_left_out(entry))
        .build();
    for entry in walk {
        let entry = entry.map_err(io::Error::other)?;
        let Some(relative) = entry
            .path()
            .strip_prefix(source)
            .ok()
            .filter(|it| !it.as_os_str().is_empty())
        else {
            continue;
        };
        let onto = target.join(relative);
        if entry.depth() == 1 && onto.symlink_metadata().is_ok() {
            let message = format!("{} is already in the working directory", relative.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        copy_entry(&entry, relative, &onto, &mut copied)?;
    }
    Ok(copied)
}

fn copy_entry(
    entry: &DirEntry,
    relative: &Path,
    onto: &Path,
    copied: &mut Copied,
) -> io::Result<()> {
    let from = entry.path();
    let Some(kind) = entry.file_type() else {
        return Ok(());
    };
    if kind.is_dir() {
        return fs::create_dir_all(onto);
    }
    if kind.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, onto);
    }
    if !kind.is_file() {
        return Ok(());
    }
    copied.files += 1;
    if relative == Path::new(".git/config") {
        return fs::write(
            onto,
            without_secrets(&String::from_utf8_lossy(&fs::read(from)?)),
        );
    }
    copied.bytes += fs::copy(from, onto)?;
    Ok(())
}

fn is_left_out(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    if entry.depth() > 0 && OWN_FOLDERS.contains(&name.as_ref()) {
        return true;
    }
    let parent = entry.path().parent().and_then(Path::file_name);
    let is_in_git = parent.is_some_and(|parent| parent == ".git");
    let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
    // `.git` as a file points to a repository elsewhere.
    (is_in_git && GIT_SECRETS.contains(&name.as_ref())) || (name == ".git" && is_file)
}

/// A git config without headers, helpers and the credentials in URLs.
fn without_secrets(config: &str) -> String {
    let mut is_credential_section = false;
    let mut kept = String::with_capacity(config.len());
    for line in config.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with('[') {
            is_credential_section = ["[credential", "[http", "[url", "[include"]
                .iter()
                .any(|section| trimmed.to_ascii_lowercase().starts_with(section));
        }
        if is_credential_section {
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) => {
                kept.push_str(key);
                kept.push_str("= ");
                kept.push_str(&without_credentials(value.trim()));
            }
            None => kept.push_str(line),
        }
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_the_tree_without_secrets_and_ignored_files() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        let files = [
            ("main.c", "int main;"),
            (".hidden", ""),
            (".gitignore", "ignored\n"),
            ("ignored", ""),
            ("sub/deep/file", "x"),
            (".git/HEAD", "ref: refs/heads/main\n"),
            (
                ".git/config",
                "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://me:s3cret@h/a.git\n[http \"x\"]\n\textraheader = AUTHORIZATION: s3cret\n",
            ),
            (".git/logs/HEAD", "clone: from https://me:s3cret@h/a.git"),
            ("larder-data/larder.db", ""),
            (".larder/x", ""),
        ];
        for (name, content) in files {
            let path = source.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        std::os::unix::fs::symlink("main.c", source.join("link")).unwrap();
        let target = folder.path().join("target");
        let copied = copy_tree(&source, &target).unwrap();
        assert_eq!(copied.files, 6);
        for kept in [
            "main.c",
            ".hidden",
            ".gitignore",
            "sub/deep/file",
            ".git/HEAD",
            ".git/config",
            "link",
        ] {
            assert!(target.join(kept).symlink_metadata().is_ok(), "{kept}");
        }
        for left_out in ["ignored", ".git/logs", "larder-data", ".larder"] {
            assert!(!target.join(left_out).exists(), "{left_out}");
        }
        let config = fs::read_to_string(target.join(".git/config")).unwrap();
        assert!(
            config.contains("https://h/a.git") && !config.contains("s3cret"),
            "{config}"
        );
        let again = copy_tree(&source, &target).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
