//! Where a step's paths are on this machine, and whether they are the job's own.

use super::folders::NodeFolders;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

impl NodeFolders {
    /// The path that a step means, as it sees it: no part before the last is a link.
    pub(super) fn locate(&self, path: &str) -> io::Result<PathBuf> {
        let seen = self.expand(path, &self.working_directory);
        match (seen.parent(), seen.file_name()) {
            (Some(folder), Some(name)) => Ok(self.view.resolve(folder)?.join(name)),
            _ => self.view.resolve(&seen),
        }
    }

    /// Whether the resolved path is in a folder that jobs write to: their home, their working
    /// directory, `/tmp`.
    pub(super) fn is_own(&self, resolved: &Path) -> bool {
        let mut own = vec![&self.working_directory, &self.home];
        own.extend(self.temporary.as_ref());
        own.into_iter()
            .map(PathBuf::as_path)
            .chain([Path::new("/tmp")])
            .filter_map(|folder| self.view.resolve(folder).ok())
            .any(|folder| resolved.starts_with(folder))
    }

    /// The folder `seen`, made if need be; where it is on this machine. What a link leads out of
    /// the job's own folders is refused.
    pub(super) fn make_own(&self, seen: &Path) -> io::Result<PathBuf> {
        let mut missing = Vec::new();
        let mut existing = seen;
        let resolved = loop {
            match self.view.resolve(existing) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let (Some(folder), Some(Component::Normal(name))) =
                        (existing.parent(), existing.components().next_back())
                    else {
                        return Err(error);
                    };
                    missing.push(name);
                    existing = folder;
                }
                other => break other?,
            }
        };
        let resolved = missing
            .iter()
            .rev()
            .fold(resolved, |folder, name| folder.join(name));
        if !self.is_own(&resolved) {
            let message = format!("{} is outside of the job's own folders", resolved.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let host = self.view.host(&resolved);
        fs::create_dir_all(&host)?;
        Ok(host)
    }
}
