//! Folders that do not vanish with the power.

use crate::error::{Context as _, Result};
use std::fs::File;
use std::path::Path;

/// Makes what was made, renamed or removed in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .context("sync a folder")
}
