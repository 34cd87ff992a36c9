//! The files that the rules read: what git tracks, and what it would track if it were added now.

use super::rust_text::RustText;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Every text file of the repository.
#[derive(Debug)]
pub(crate) struct Tree {
    /// In the order of their paths.
    pub(crate) files: Vec<File>,
}

/// One text file.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Taken apart, if it is Rust.
    pub(crate) rust: Option<RustText>,
}

impl Tree {
    /// Reads the repository at `root`. Files that are not UTF-8 are left out; so are links, which name no text.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let output = Command::new("git")
            .args([
                "ls-files",
                "--cached",
                "--others",
                "--exclude-standard",
                "-z",
            ])
            .current_dir(root)
            .output()
            .context("run git to list the files of the repository")?;
        ensure!(
            output.status.success(),
            "list the files of the repository: git says: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let listing = String::from_utf8(output.stdout).context("read the list of files")?;
        let mut paths: Vec<&str> = listing
            .split('\0')
            .filter(|path| !path.is_empty())
            .collect();
        paths.sort_unstable();
        paths.dedup();
        let readable = paths.into_iter().filter(|path| {
            fs::symlink_metadata(root.join(path)).is_ok_and(|metadata| metadata.is_file())
        });
        let mut files = Vec::new();
        for path in readable {
            let bytes = fs::read(root.join(path)).with_context(|| format!("read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File::new(path, text));
            }
        }
        Ok(Self { files })
    }

    /// A tree of these files, for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| File::new(path, (*text).to_owned()))
            .collect();
        Self { files }
    }

    /// Every file of Rust with its text taken apart.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&File, &RustText)> {
        self.files
            .iter()
            .filter_map(|file| file.rust.as_ref().map(|rust| (file, rust)))
    }

    /// Whether a file or a folder of this path exists.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self
                .files
                .iter()
                .any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

impl File {
    fn new(path: &str, text: String) -> Self {
        let rust = extension(path).eq("rs").then(|| RustText::parse(&text));
        Self {
            path: path.to_owned(),
            text,
            rust,
        }
    }

    /// Whether the whole file is test code: in a folder `tests`, or a module named `tests`.
    pub(crate) fn is_test(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "tests" || part == "tests.rs")
    }

    /// What follows the last dot of the name.
    pub(crate) fn extension(&self) -> &str {
        extension(&self.path)
    }

    /// The lines, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line))
    }
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}
