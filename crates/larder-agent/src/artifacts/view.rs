//! The file system as a job's steps see it: some of their folders are elsewhere on this machine.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The kernel follows 40 links in one path; so do we.
const LINKS_MAX: u32 = 40;

/// Which folders of the steps are which folders of this machine; all others are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    mounts: Vec<Mount>,
}

#[derive(Clone, Debug)]
pub(crate) struct Mount {
    /// As the steps name it.
    pub(crate) seen: PathBuf,
    /// Where it is; free of symbolic links.
    pub(crate) host: PathBuf,
}

impl View {
    pub(crate) fn new(mounts: Vec<Mount>) -> Self {
        Self { mounts }
    }

    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// Where the path that the steps call `seen` is, if no part of it is a symbolic link.
    pub(crate) fn host(&self, seen: &Path) -> PathBuf {
        let innermost = self
            .mounts
            .iter()
            .filter_map(|mount| Some((mount, seen.strip_prefix(&mount.seen).ok()?)))
            .min_by_key(|(_, rest)| rest.as_os_str().len());
        match innermost {
            Some((mount, rest)) if rest.as_os_str().is_empty() => mount.host.clone(),
            Some((mount, rest)) => mount.host.join(rest),
            None => seen.to_owned(),
        }
    }

    /// What the steps call the file `host`.
    pub(crate) fn seen(&self, host: &Path) -> PathBuf {
        let inside = self
            .mounts
            .iter()
            .find_map(|mount| Some((mount, host.strip_prefix(&mount.host).ok()?)));
        match inside {
            Some((mount, rest)) => mount.seen.join(rest),
            None => host.to_owned(),
        }
    }

    /// The same file without symbolic links and `..`, as the steps name it. Links are followed as
    /// they lead for the steps, which is not where they lead for this process.
    pub(crate) fn resolve(&self, seen: &Path) -> io::Result<PathBuf> {
        let mut rest: VecDeque<OsString> = VecDeque::new();
        push_front(&mut rest, seen);
        let mut current = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                current.pop();
                continue;
            }
            let next = current.join(&part);
            let host = self.host(&next);
            let metadata = host.symlink_metadata()?;
            if !metadata.file_type().is_symlink() {
                current = next;
                continue;
            }
            links += 1;
            if links > LINKS_MAX {
                return Err(io::Error::other("too many symbolic links"));
            }
            let target = host.read_link()?;
            if target.is_absolute() {
                current = PathBuf::from("/");
            }
            push_front(&mut rest, &target);
        }
        Ok(current)
    }
}

fn push_front(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(part) => rest.push_front(part.to_owned()),
            Component::ParentDir => rest.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_absolute_link_leads_where_it_leads_for_the_steps() {
        let host = tempfile::tempdir().unwrap();
        let tmp = host.path().canonicalize().unwrap();
        std::fs::create_dir(tmp.join("real")).unwrap();
        symlink("/tmp/real", tmp.join("link")).unwrap();
        symlink("loop", tmp.join("loop")).unwrap();
        let view = View::new(vec![Mount {
            seen: "/tmp".into(),
            host: tmp.clone(),
        }]);
        assert_eq!(
            view.resolve(Path::new("/tmp/link/../link")).unwrap(),
            Path::new("/tmp/real")
        );
        assert_eq!(view.host(Path::new("/tmp/real")), tmp.join("real"));
        assert_eq!(view.host(Path::new("/tmpfile")), Path::new("/tmpfile"));
        assert!(view.resolve(Path::new("/tmp/loop")).is_err());
    }
}
