//! The folder into which files are saved: nothing is ever written outside of it, whatever the names
//! say and whatever links lie in it.

use super::open::open_below;
use crate::error::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Folders on the way are opened, never followed if they are links.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// An open folder.
#[derive(Debug)]
pub(crate) struct Target {
    folder: OwnedFd,
    path: PathBuf,
}

/// Where one file goes.
#[derive(Debug)]
pub(crate) struct Place {
    parent: OwnedFd,
    name: String,
    /// What the file is called until it is complete; the same for the same content, so that what
    /// was cut off goes on.
    part: String,
    /// For people.
    pub(crate) shown: PathBuf,
}

impl Target {
    /// Opens the folder, which is made if it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let what = path.display().to_string();
        std::fs::create_dir_all(path).map_err(Error::io(&what))?;
        let path = path.canonicalize().map_err(Error::io(&what))?;
        let folder = super::open::open_strictly(&path, FOLDER).map_err(Error::io(&what))?;
        Ok(Self { folder, path })
    }

    /// Where the file called `name` goes, with the folders in front of it made.
    pub(crate) fn place(&self, name: &str, sha256: &str) -> Result<Place> {
        let parts = self.parts(name)?;
        let (file_name, folders) = parts.split_last().ok_or_else(|| self.outside(name))?;
        let key = Sha256::digest(format!("{name}\0{sha256}"));
        Ok(Place {
            parent: self.folders(name, folders)?,
            name: (*file_name).to_owned(),
            part: format!(".larder-{}.part", super::file::hex(&key[..12])),
            shown: self.path.join(name),
        })
    }

    /// Makes a folder; `mode` are its permission bits.
    pub(crate) fn make_folder(&self, name: &str, mode: Option<u32>) -> Result<()> {
        let parts = self.parts(name)?;
        let (last, above) = parts.split_last().ok_or_else(|| self.outside(name))?;
        if let Some(mode) = mode
            && has_mode(&self.folders(name, above)?, last, mode & 0o777)
        {
            return Ok(());
        }
        let folder = self.folders(name, &parts)?;
        if let Some(mode) = mode {
            rustix::fs::fchmod(&folder, Mode::from_raw_mode(mode & 0o777))
                .map_err(|error| Error::io(name)(error.into()))?;
        }
        Ok(())
    }

    fn parts<'a>(&self, name: &'a str) -> Result<Vec<&'a str>> {
        let parts: Vec<_> = name.split('/').collect();
        let is_plain = parts.iter().all(|part| !matches!(*part, "" | "." | ".."));
        if is_plain && !name.contains('\0') {
            Ok(parts)
        } else {
            Err(self.outside(name))
        }
    }

    fn folders(&self, name: &str, parts: &[&str]) -> Result<OwnedFd> {
        let failed = |error: Errno| Error::io(name)(error.into());
        let mut folder = self.folder.try_clone().map_err(Error::io(name))?;
        for part in parts {
            match rustix::fs::mkdirat(&folder, *part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
            folder = match rustix::fs::openat(&folder, *part, FOLDER, Mode::empty()) {
                Ok(folder) => folder,
                Err(error @ (Errno::LOOP | Errno::NOTDIR)) => {
                    return Err(if is_link(&folder, part) {
                        self.outside(name)
                    } else {
                        failed(error)
                    });
                }
                Err(error) => return Err(failed(error)),
            };
        }
        Ok(folder)
    }

    fn outside(&self, name: &str) -> Error {
        Error::Damaged {
            what: name.to_owned(),
            reason: format!(
                "its name or a link in its way leads outside of {}, refused",
                self.path.display()
            ),
        }
    }
}

/// Whether the folder is as it should be: perhaps so that nobody may open it.
fn has_mode(parent: &OwnedFd, name: &str, mode: u32) -> bool {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::Directory && stat.st_mode & 0o777 == mode
    })
}

fn is_link(parent: &OwnedFd, name: &str) -> bool {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

impl Place {
    /// The file that is there already, if it is one.
    pub(crate) fn existing(&self) -> Option<File> {
        let file: File = open_below(&self.parent, Path::new(&self.name), OFlags::RDONLY)
            .ok()?
            .into();
        file.metadata().is_ok_and(|it| it.is_file()).then_some(file)
    }

    /// What has arrived before, or an empty file.
    pub(crate) fn open_part(&self) -> io::Result<File> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.parent, &self.part, flags, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(file);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::other("something else has the name of its part"))
        }
    }

    /// Gives the complete file its name, in place of what had it.
    pub(crate) fn publish(&self) -> io::Result<()> {
        rustix::fs::renameat(&self.parent, &self.part, &self.parent, &self.name)?;
        Ok(())
    }

    /// Takes away what has arrived.
    pub(crate) fn discard(&self) {
        // It may never have been made.
        let _ = rustix::fs::unlinkat(&self.parent, &self.part, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_outside_of_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let target = Target::open(&root.join("target")).unwrap();
        std::os::unix::fs::symlink(&root, root.join("target/link")).unwrap();
        std::os::unix::fs::symlink(root.join("new"), root.join("target/dangling")).unwrap();
        for name in [
            "../x",
            "a/../../x",
            "/etc/x",
            "a//x",
            "link/x",
            "link/y/x",
            "dangling/x",
            "",
            ".",
            "a/\0",
        ] {
            assert!(target.place(name, "").is_err(), "{name:?}");
            assert!(target.make_folder(name, None).is_err(), "{name:?}");
        }
        // What is no link is no trick.
        std::fs::write(root.join("target/file"), "").unwrap();
        let error = target.place("file/x", "").unwrap_err().to_string();
        assert!(error.contains("Not a directory"), "{error}");
        for _ in 0..2 {
            target.make_folder("closed", Some(0)).unwrap();
        }
        let place = target.place("a/b/c d!.txt", "").unwrap();
        assert_eq!(place.shown, root.join("target/a/b/c d!.txt"));
        assert!(root.join("target/a/b").is_dir());
        assert!(!root.join("new").exists() && !root.join("x").exists());
        place.open_part().unwrap();
        place.publish().unwrap();
        assert!(root.join("target/a/b/c d!.txt").is_file());
        // A link that has the name of a file is replaced, not written through.
        let place = target.place("link", "").unwrap();
        assert!(place.existing().is_none());
        place.open_part().unwrap();
        place.publish().unwrap();
        assert!(
            root.join("target/link")
                .symlink_metadata()
                .unwrap()
                .is_file()
        );
    }
}
