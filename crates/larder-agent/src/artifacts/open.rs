//! Opening what lies where it was seen: no symbolic link on the way is followed, whatever was put
//! there meanwhile, and nothing waits for the other end of a FIFO.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::io;
use std::path::{Component, Path};

const ALWAYS: OFlags = OFlags::CLOEXEC
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK);

/// Opens a path that has no symbolic link in it, and fails if it has got one.
pub(crate) fn open_strictly(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    open_below(CWD, path, flags)
}

/// Opens a path below an open folder.
pub(crate) fn open_below(folder: impl AsFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | ALWAYS;
    let folder = folder.as_fd();
    match rustix::fs::openat2(
        folder,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    ) {
        // Linux before 5.6, and sandboxes that do not know the call.
        Err(Errno::NOSYS | Errno::PERM) => {
            Ok(step_by_step(folder.try_clone_to_owned()?, path, flags)?)
        }
        answer => Ok(answer?),
    }
}

/// The same, one folder after the other.
fn step_by_step(mut folder: OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        let name: &Path = match part {
            Component::RootDir => Path::new("/"),
            _ => part.as_os_str().as_ref(),
        };
        let flags = if is_last { flags } else { step };
        folder = rustix::fs::openat(&folder, name, flags, Mode::empty())?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn neither_way_of_opening_follows_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::fs::write(root.join("real/file"), "").unwrap();
        symlink("real", root.join("link")).unwrap();
        symlink("file", root.join("real/link")).unwrap();
        let slowly = |path: &Path| {
            let here = rustix::fs::openat(CWD, "/", OFlags::PATH, Mode::empty()).unwrap();
            step_by_step(here, path, OFlags::RDONLY | ALWAYS).is_ok()
        };
        for (name, is_opened) in [
            ("real/file", true),
            ("link/file", false),
            ("real/link", false),
        ] {
            let path = root.join(name);
            assert_eq!(
                open_strictly(&path, OFlags::RDONLY).is_ok(),
                is_opened,
                "{name}"
            );
            assert_eq!(slowly(&path), is_opened, "{name}, step by step");
        }
    }
}
