//! The bytes of one file: opened so that nothing can be slipped in between, and measured.

use super::secrets::Secrets;
use crate::error::{Error, Result};
use base64::Engine;
use bytes::Bytes;
use futures_util::Stream;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// Read and sent at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// An open file whose size and digest are known.
#[derive(Debug)]
pub(crate) struct Measured {
    file: File,
    pub(crate) size: u64,
    sha256: [u8; 32],
}

/// Opens a regular file and reads it once. `local` has no symbolic link in it, and must not have
/// got one meanwhile.
pub(crate) fn measure(local: &Path, bytes_max: u64, secrets: &Secrets) -> Result<Measured> {
    let what = local.display().to_string();
    let mut file = open(local).map_err(Error::io(&what))?;
    let metadata = file.metadata().map_err(Error::io(&what))?;
    if !metadata.is_file() {
        return Err(Error::io(&what)(io::Error::other("not a regular file")));
    }
    let mut digest = Sha256::new();
    let mut search = secrets.search();
    let mut piece = vec![0; PIECE_BYTES];
    let mut size = 0;
    loop {
        if size > bytes_max || metadata.len() > bytes_max {
            let reason = format!("larger than {bytes_max} bytes, the limit of one file");
            return Err(Error::Damaged { what, reason });
        }
        let read = file.read(&mut piece).map_err(Error::io(&what))?;
        if read == 0 {
            break;
        }
        if let Some(name) = search.find(&piece[..read]) {
            let reason = format!("holds the value of {name}, not kept (--allow-secrets keeps it)");
            return Err(Error::Damaged { what, reason });
        }
        digest.update(&piece[..read]);
        size += read as u64;
    }
    file.rewind().map_err(Error::io(&what))?;
    Ok(Measured {
        file,
        size,
        sha256: digest.finalize().into(),
    })
}

impl Measured {
    /// Lower-case hex.
    pub(crate) fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    pub(crate) fn sha256_base64(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(self.sha256)
    }

    /// The measured bytes; a file that grew meanwhile is cut there, and the digest tells.
    pub(crate) fn into_stream(
        self,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
        let content = tokio::fs::File::from_std(self.file).take(self.size);
        ReaderStream::with_capacity(content, PIECE_BYTES)
    }
}

/// Without following links, and without waiting for the other end of a FIFO.
fn open(local: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let strict = rustix::fs::openat2(CWD, local, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let file = match strict {
        // Linux before 5.6, and sandboxes that do not know the call.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
            rustix::fs::openat(CWD, local, flags, Mode::empty())
        }
        answer => answer,
    }?;
    Ok(File::from(file))
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_measured_and_what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::write(root.join("file"), "my artifact file\n").unwrap();
        std::os::unix::fs::symlink("file", root.join("link")).unwrap();
        std::os::unix::fs::symlink(".", root.join("here")).unwrap();
        let none = Secrets::default();

        let measured = measure(&root.join("file"), 17, &none).unwrap();
        assert_eq!(measured.size, 17);
        let expected = "f4b3d5991582fa065adb764ef3a1845463b7ed1ecb5ed89d81752adfcb424a44";
        assert_eq!(measured.sha256_hex(), expected);
        let too_large = measure(&root.join("file"), 16, &none).unwrap_err();
        assert!(
            too_large.to_string().contains("larger than 16 bytes"),
            "{too_large}"
        );
        assert!(measure(&root.join("link"), 17, &none).is_err());
        assert!(measure(&root.join("here/file"), 17, &none).is_err());
        assert!(measure(&root, 17, &none).is_err());
    }
}
