//! What is uploaded.

use super::super::table::Amount;
use super::super::workload::random;
use anyhow::{Context, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

const MIB: u64 = 1024 * 1024;
/// Files in one folder.
const IN_ONE_FOLDER: u64 = 100;

/// Many small files or a large one.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// So many files of 1 to 16 KiB, a hundred in a folder.
    Many(u64),
    /// One file of so many MiB.
    Large(u64),
}

/// A folder with files in it.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) folder: PathBuf,
    /// Relative to the folder.
    pub(crate) names: Vec<String>,
}

impl Kind {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Many(count) => format!("{count} files of 1 to 16 KiB"),
            Self::Large(mib) => format!("one file of {mib} MiB"),
        }
    }

    pub(crate) fn amount(self) -> Amount {
        match self {
            Self::Many(count) => Amount::Requests(count),
            Self::Large(mib) => Amount::Bytes(mib * MIB),
        }
    }
}

impl Files {
    /// Writes them into an empty folder; `serial` decides the content.
    pub(crate) fn write(folder: &Path, kind: Kind, serial: u64) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let names = match kind {
            Kind::Many(count) => many(folder, count, serial)?,
            Kind::Large(mib) => {
                fs::create_dir_all(folder)?;
                large(&folder.join("large.bin"), mib, serial).context("write the large file")?;
                vec!["large.bin".to_owned()]
            }
        };
        let folder = folder.to_owned();
        Ok(Self { folder, names })
    }
}

fn many(folder: &Path, count: u64, serial: u64) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for number in 0..count {
        let inner = format!("part-{:03}", number / IN_ONE_FOLDER);
        fs::create_dir_all(folder.join(&inner))?;
        let name = format!("{inner}/file-{number:05}.bin");
        let length = 1024 + (number * 7919 % (15 * 1024)) as usize;
        fs::write(folder.join(&name), random(length, serial << 32 | number))?;
        names.push(name);
    }
    Ok(names)
}

fn large(path: &Path, mib: u64, serial: u64) -> Result<()> {
    let mut file = fs::File::create(path)?;
    let mut piece = random(1024 * 1024, serial);
    for number in 0..mib {
        // No two pieces are equal, so that no part of the file is another part of it.
        piece[..8].copy_from_slice(&(serial << 32 | number).to_le_bytes());
        file.write_all(&piece)?;
    }
    Ok(())
}
