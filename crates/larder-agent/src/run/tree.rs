//! Copies of files and folders for caches and workspaces: links stay links, and none is written
//! through.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// Deeper trees are refused: no build makes them on purpose.
const DEPTH_MAX: usize = 256;

/// A copy that is under way, and what came of it so far.
#[derive(Debug)]
pub(super) struct Copy {
    /// Ends it between two files, with [`io::ErrorKind::Interrupted`].
    cancel: CancellationToken,
    /// More than this is refused with [`io::ErrorKind::FileTooLarge`].
    bytes_max: u64,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// Neither file, folder nor link.
    pub(super) left_out: Vec<String>,
}

impl Copy {
    pub(super) fn new(cancel: CancellationToken, bytes_max: u64) -> Self {
        Self {
            cancel,
            bytes_max,
            files: 0,
            bytes: 0,
            left_out: Vec::new(),
        }
    }

    /// Makes `onto` what `from` is. The folder around `onto` exists and is what it seems to be.
    /// Folders that are there already get what they lack; files and links are replaced, and so is
    /// a link where a folder is to be.
    pub(super) fn tree(&mut self, from: &Path, onto: &Path) -> io::Result<()> {
        self.entry(from, onto, 0)
    }

    fn entry(&mut self, from: &Path, onto: &Path, depth: usize) -> io::Result<()> {
        if self.cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if depth > DEPTH_MAX {
            return Err(named(from, &io::Error::other("the tree is too deep")));
        }
        let metadata = from
            .symlink_metadata()
            .map_err(|error| named(from, &error))?;
        let kind = metadata.file_type();
        let copied = if kind.is_dir() {
            return self.folder(from, onto, &metadata, depth);
        } else if kind.is_symlink() {
            self.files += 1;
            make_room(onto).and_then(|()| symlink(from.read_link()?, onto))
        } else if kind.is_file() {
            self.file(from, onto, &metadata)
        } else {
            self.left_out.push(from.display().to_string());
            Ok(())
        };
        copied.map_err(|error| named(from, &error))
    }

    fn folder(
        &mut self,
        from: &Path,
        onto: &Path,
        metadata: &Metadata,
        depth: usize,
    ) -> io::Result<()> {
        let is_there = onto.symlink_metadata().is_ok_and(|it| it.is_dir());
        if !is_there {
            make_room(onto)
                .and_then(|()| fs::create_dir(onto))
                .map_err(|error| named(onto, &error))?;
        }
        for entry in fs::read_dir(from).map_err(|error| named(from, &error))? {
            let name = entry.map_err(|error| named(from, &error))?.file_name();
            self.entry(&from.join(&name), &onto.join(&name), depth + 1)?;
        }
        if is_there {
            return Ok(());
        }
        // Last, since a folder may forbid writing.
        fs::set_permissions(onto, mode_of(metadata)).map_err(|error| named(onto, &error))
    }

    fn file(&mut self, from: &Path, onto: &Path, metadata: &Metadata) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(metadata.len());
        if self.bytes > self.bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        make_room(onto)?;
        let mut source = File::open(from)?;
        // Made anew, so that a link which somebody puts there meanwhile is not followed.
        let mut target = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(onto)?;
        io::copy(&mut source, &mut target)?;
        target.set_permissions(mode_of(metadata))?;
        // Build tools compare these times.
        target.set_modified(metadata.modified()?)?;
        self.files += 1;
        Ok(())
    }
}

/// Takes away the file or link at this place; a folder is not taken away for either.
fn make_room(onto: &Path) -> io::Result<()> {
    match fs::remove_file(onto) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn mode_of(metadata: &Metadata) -> Permissions {
    Permissions::from_mode(metadata.permissions().mode() & 0o7777)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    match error.kind() {
        // These two are for the caller, who has words of its own for them.
        kind @ (io::ErrorKind::Interrupted | io::ErrorKind::FileTooLarge) => kind.into(),
        kind => io::Error::new(kind, format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy() -> Copy {
        Copy::new(CancellationToken::new(), 1_000)
    }

    #[test]
    fn a_copy_has_the_same_files_links_modes_and_times() {
        let folder = tempfile::tempdir().unwrap();
        let (from, onto) = (folder.path().join("from"), folder.path().join("onto"));
        fs::create_dir_all(from.join("sub/empty")).unwrap();
        fs::write(from.join("sub/run.sh"), "x").unwrap();
        fs::set_permissions(from.join("sub/run.sh"), Permissions::from_mode(0o751)).unwrap();
        fs::set_permissions(from.join("sub/empty"), Permissions::from_mode(0o500)).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        let file = File::open(from.join("sub/run.sh")).unwrap();
        file.set_modified(long_ago).unwrap();
        symlink("/etc", from.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.join("socket")).unwrap();

        let mut made = copy();
        made.tree(&from, &onto).unwrap();
        assert_eq!((made.files, made.bytes), (2, 1));
        assert!(made.left_out[0].ends_with("/socket"), "{made:?}");
        let metadata = onto.join("sub/run.sh").metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o751);
        assert_eq!(metadata.modified().unwrap(), long_ago);
        let empty = onto.join("sub/empty").metadata().unwrap().permissions();
        assert_eq!(empty.mode() & 0o7777, 0o500);
        assert_eq!(onto.join("link").read_link().unwrap(), Path::new("/etc"));
        fs::set_permissions(from.join("sub/empty"), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(onto.join("sub/empty"), Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for made in ["from/a", "onto", "outside"] {
            fs::create_dir_all(at(made)).unwrap();
        }
        fs::write(at("from/a/file"), "new").unwrap();
        fs::write(at("from/b"), "new").unwrap();
        fs::write(at("outside/victim"), "old").unwrap();
        symlink("../outside", at("onto/a")).unwrap();
        symlink("../outside/victim", at("onto/b")).unwrap();
        copy().tree(&at("from"), &at("onto")).unwrap();
        assert_eq!(fs::read_to_string(at("outside/victim")).unwrap(), "old");
        assert!(!at("outside/file").exists());
        assert_eq!(fs::read_to_string(at("onto/a/file")).unwrap(), "new");
        assert_eq!(fs::read_to_string(at("onto/b")).unwrap(), "new");
    }

    #[test]
    fn a_copy_ends_at_its_limit_and_when_it_is_canceled() {
        let folder = tempfile::tempdir().unwrap();
        let (from, onto) = (folder.path().join("from"), folder.path().join("onto"));
        fs::write(&from, vec![0; 1_001]).unwrap();
        let error = copy().tree(&from, &onto).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(!onto.exists());
        let mut canceled = copy();
        canceled.cancel.cancel();
        let error = canceled.tree(&from, &onto).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
