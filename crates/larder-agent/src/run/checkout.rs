//! `checkout`: the local tree, as a fresh clone would have it. Files that git ignores and does not
//! track stay where they are, and so do the secrets of `.git`.

use super::context::Context;
use super::facts::without_credentials;
use super::folders::remove_tree;
use super::output::Output;
use super::step::Ended;
use crate::artifacts::OWN_FOLDERS;
use crate::error::{Error, Result};
use crate::plan::Checkout;
use ignore::{DirEntry, WalkBuilder};
use larder_protocol::StepState;
use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

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

/// In a node's own folder, with the place of a step: its copy has begun.
const BEGUN: &str = "checkout";

/// Carries out a `checkout` step. A repository that is there already stays as it is; a folder with
/// anything else in it fails the step (`docs/api/circleci.md`).
pub(super) async fn check_out(
    context: &Arc<Context>,
    seq: u32,
    checkout: &Checkout,
    output: &mut Output,
) -> Result<Ended> {
    let folders = &context.folders;
    let seen = folders.expand(&checkout.path, &folders.working_directory);
    let source = context.run.options.source.display().to_string();
    let line = format!("Copying {source} to {}", seen.display());
    output.line(&line).await;
    let inner = context.clone();
    let copied = tokio::task::spawn_blocking(move || check_out_now(&inner, seq, &seen))
        .await
        .map_err(|error| Error::io("copy the local tree")(io::Error::other(error)))?;
    let line = match &copied {
        Ok(Some(copied)) => format!("{} files, {} bytes", copied.files, copied.bytes),
        Ok(None) => "There is a git repository already; it stays as it is".to_owned(),
        Err(error) => format!("Error: {error}"),
    };
    output.line(&line).await;
    Ok(match copied {
        Ok(_) => Ended {
            state: StepState::Passed,
            exit_status: Some(0),
        },
        Err(_) => Ended::refused(),
    })
}

/// `None` if there is a repository already.
fn check_out_now(context: &Context, seq: u32, seen: &Path) -> io::Result<Option<Copied>> {
    let view = &context.folders.view;
    let resolved = view.resolve(seen).unwrap_or_else(|_| seen.to_owned());
    let target = view.host(&resolved);
    let source = &context.run.options.source;
    let begun = context.folders.own.join(format!("{BEGUN}-{seq}"));
    if begun.exists() {
        // What the run had copied when it broke off; the folder was free then.
        for entry in fs::read_dir(source)? {
            remove_tree(&target.join(entry?.file_name()));
        }
        return copy_tree(source, &target).map(Some);
    }
    if target.join(".git/HEAD").exists() {
        return Ok(None);
    }
    // There, programs of all kinds have files: only names that would be overwritten matter.
    if resolved != Path::new("/tmp") {
        let entries = fs::read_dir(&target).into_iter().flatten().flatten();
        let own = [&context.folders.artifacts, &context.folders.test_reports];
        let foreign = entries.map(|entry| resolved.join(entry.file_name()));
        if let Some(name) = foreign.filter(|path| !own.contains(&path)).min() {
            let message = format!(
                "{} is neither empty nor a git repository: it has {}",
                seen.display(),
                name.file_name().unwrap_or_default().display()
            );
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
    }
    fs::write(&begun, "")?;
    copy_tree(source, &target).map(Some)
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
        if let Some(kind) = entry.file_type() {
            copy_entry(entry.path(), kind, relative, &onto, &mut copied)?;
        }
    }
    for relative in tracked_and_ignored(source) {
        let (from, onto) = (source.join(&relative), target.join(&relative));
        // Git follows no links on the way to a file; nor is one followed here.
        let is_linked = |above: &Path| source.join(above).is_symlink();
        let is_own = |above: &Path| OWN_FOLDERS.iter().any(|own| above.ends_with(own));
        let mut above = relative.ancestors().skip(1);
        if onto.symlink_metadata().is_ok() || above.any(|it| is_linked(it) || is_own(it)) {
            continue;
        }
        // Whoever deleted a file wants a tree without it.
        if let Ok(metadata) = from.symlink_metadata() {
            fs::create_dir_all(onto.parent().unwrap_or(target))?;
            copy_entry(&from, metadata.file_type(), &relative, &onto, &mut copied)?;
        }
    }
    Ok(copied)
}

/// Files that are in the repository although a `.gitignore` names them, by what git itself says;
/// none where there is no repository, or no git.
fn tracked_and_ignored(source: &Path) -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C"])
        .arg(source)
        .args(["ls-files", "-z", "--cached", "--ignored"])
        .arg("--exclude-standard")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .output();
    let listed = listed.map_or_else(|_| Vec::new(), |answer| answer.stdout);
    let names = listed.split(|byte| *byte == 0).filter(|it| !it.is_empty());
    names.map(|name| OsStr::from_bytes(name).into()).collect()
}

fn copy_entry(
    from: &Path,
    kind: FileType,
    relative: &Path,
    onto: &Path,
    copied: &mut Copied,
) -> io::Result<()> {
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
    fn what_git_tracks_is_checked_out_although_it_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        let ignored = [
            "dist/keep.js",
            "own.log",
            ".larder/x",
            "gone.log",
            "out/x.log",
        ];
        for name in ignored
            .into_iter()
            .chain(["dist/untracked.js", "outside/x.log"])
        {
            let path = source.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        fs::write(source.join(".gitignore"), "dist/\n*.log\n.larder\n").unwrap();
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.arg("-C").arg(&source).args(arguments);
            assert!(git.output().unwrap().status.success(), "{arguments:?}");
        };
        git(&["init", "-q"]);
        git(&[&["add", "-f", ".gitignore"], &ignored[..]].concat());
        fs::remove_file(source.join("gone.log")).unwrap();
        // A folder that has become a link since: nothing is written through it.
        fs::remove_dir_all(source.join("out")).unwrap();
        std::os::unix::fs::symlink("outside", source.join("out")).unwrap();
        copy_tree(&source, &target).unwrap();
        for (name, is_there) in [
            ("dist/keep.js", true),
            ("own.log", true),
            ("dist/untracked.js", false),
            ("gone.log", false),
            (".larder", false),
            ("outside/x.log", false),
        ] {
            assert_eq!(target.join(name).exists(), is_there, "{name}");
        }
    }

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
