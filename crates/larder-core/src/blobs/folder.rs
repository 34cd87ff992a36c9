//! Folders that do not vanish with the power.

use crate::error::{Context as _, Result};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Makes a folder, and those that it lies in, for the larder's user alone, and syncs whatever holds one that was made:
/// none of them may vanish with the power. What is there already keeps its mode. How many were made.
pub(crate) fn make_folder(folder: &Path) -> Result<usize> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let made: Vec<_> = folder.ancestors().take_while(is_missing).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .context_at("make a folder", folder)?;
    for made in &made {
        made.parent().map_or(Ok(()), sync_folder)?;
    }
    Ok(made.len())
}

/// Makes what was made, renamed or removed in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)
        .and_then(|opened| opened.sync_all())
        .context_at("sync a folder", folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn every_folder_on_the_way_is_made_for_us_alone_and_made_durable() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        assert_eq!(make_folder(&deep).unwrap(), 3);
        assert_eq!(make_folder(&deep).unwrap(), 0);
        for made in deep.ancestors().take(3) {
            let mode = made.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), b"").unwrap();
        let error = make_folder(&root.path().join("file/folder")).unwrap_err();
        assert!(error.to_string().contains("file/folder"), "{error}");
    }
}
