//! A folder for one run.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A new folder that is removed at the end, whatever the end is.
#[derive(Debug)]
pub(crate) struct EmptyFolder(PathBuf);

impl EmptyFolder {
    /// Makes one in `parent`, which is made too. One process makes one of a name at a time.
    pub(crate) fn make_in(parent: &Path, name: &str) -> Result<Self> {
        let path = parent.join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for EmptyFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("remove {}: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_it_stays() -> Result<()> {
        let folder = EmptyFolder::make_in(&std::env::temp_dir(), "larder-xtask-folder")?;
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "x")?;
        drop(folder);
        assert!(!path.exists());
        Ok(())
    }
}
