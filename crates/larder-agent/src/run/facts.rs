//! What is built: branch, commit and repository, read from a folder's `.git` without running git.

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// `.git` files that are read here are a few lines; a larger one is something else.
const GIT_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What is built. Unknown facts are `None`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct BuildFacts {
    /// Branch.
    pub branch: Option<String>,
    /// Commit, as 40 or 64 hex digits.
    pub revision: Option<String>,
    /// Tag, if a tag is built; never read from a folder.
    pub tag: Option<String>,
    /// Subject of the commit, or why the build runs; never read from a folder.
    pub message: Option<String>,
    /// Where the code comes from, without credentials.
    pub repository_url: Option<String>,
}

impl BuildFacts {
    /// What the git repository of `folder`, or of the nearest folder above it, says. Whatever
    /// cannot be read stays unknown.
    pub fn of_folder(folder: &Path) -> Self {
        let Some(git) = folder
            .ancestors()
            .map(|above| above.join(".git"))
            .find(|git| git.is_dir())
        else {
            return Self::default();
        };
        let head = read(&git.join("HEAD")).unwrap_or_default();
        let reference = head.trim().strip_prefix("ref: ");
        let revision = match reference {
            Some(reference) => resolve(&git, reference),
            None => Some(head.trim().to_owned()),
        };
        Self {
            branch: reference
                .and_then(|it| it.strip_prefix("refs/heads/"))
                .map(str::to_owned),
            revision: revision
                .filter(|it| it.len() >= 40 && it.bytes().all(|byte| byte.is_ascii_hexdigit())),
            tag: None,
            message: None,
            repository_url: read(&git.join("config")).and_then(|config| origin(&config)),
        }
    }
}

/// The project of a folder outside of any vcs: `local/USER/FOLDER`, with anything but letters,
/// digits, `.`, `_` and `-` replaced.
pub fn default_project(user: &str, folder: &Path) -> String {
    let folder: PathBuf = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    format!(
        "local/{}/{}",
        plain(user, "user"),
        plain(&name.unwrap_or_default(), "root")
    )
}

fn plain(text: &str, default: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
                c
            } else {
                '-'
            }
        })
        .collect();
    if plain.chars().all(|c| c == '.') {
        default.to_owned()
    } else {
        plain
    }
}

fn read(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    (metadata.is_file() && metadata.len() <= GIT_FILE_BYTES_MAX)
        .then(|| fs::read_to_string(path).ok())?
}

fn resolve(git: &Path, reference: &str) -> Option<String> {
    if reference.split('/').any(|part| part == "..") {
        return None;
    }
    if let Some(loose) = read(&git.join(reference)) {
        return Some(loose.trim().to_owned());
    }
    let packed = read(&git.join("packed-refs"))?;
    let line = packed.lines().find(|line| {
        line.split_once(' ')
            .is_some_and(|(_, name)| name == reference)
    })?;
    Some(line.split_once(' ')?.0.to_owned())
}

/// `url` of the remote `origin`.
fn origin(config: &str) -> Option<String> {
    let mut is_origin = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            is_origin = line == "[remote \"origin\"]";
        } else if is_origin
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "url"
        {
            return Some(without_credentials(value.trim()));
        }
    }
    None
}

/// `https://user:secret@host/…` without what is before the `@`.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) if scheme != "ssh" => format!("{scheme}://{}", &rest[at + 1..]),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_read_without_git_and_without_its_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let git = folder.path().join(".git");
        fs::create_dir_all(git.join("refs/heads/feature")).unwrap();
        fs::create_dir_all(folder.path().join("sub")).unwrap();
        let commit = "0123456789abcdef0123456789abcdef01234567";
        fs::write(git.join("HEAD"), "ref: refs/heads/feature/x\n").unwrap();
        fs::write(
            git.join("packed-refs"),
            format!("# pack\n{commit} refs/heads/feature/x\n"),
        )
        .unwrap();
        fs::write(
            git.join("config"),
            "[remote \"origin\"]\n\turl = https://me:s3cret@host/a/b.git\n",
        )
        .unwrap();
        let facts = BuildFacts::of_folder(&folder.path().join("sub"));
        assert_eq!(facts.branch.as_deref(), Some("feature/x"));
        assert_eq!(facts.revision.as_deref(), Some(commit));
        assert_eq!(
            facts.repository_url.as_deref(),
            Some("https://host/a/b.git")
        );
    }

    #[test]
    fn a_project_outside_of_any_vcs_is_named_after_user_and_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("my project!");
        fs::create_dir(&inner).unwrap();
        assert_eq!(
            default_project("me@host", &inner),
            "local/me-host/my-project-"
        );
        assert_eq!(default_project("", Path::new("/")), "local/user/root");
    }
}
