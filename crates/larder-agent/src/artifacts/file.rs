//! The bytes of one file: opened so that nothing can be slipped in between, measured, and read again
//! in pieces.

use super::open::open_strictly;
use super::secrets::Secrets;
use crate::error::{Error, Result};
use base64::Engine;
use bytes::Bytes;
use futures_util::Stream;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Read and sent at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// Files up to here are read once and sent from memory.
pub(crate) const SMALL_BYTES_MAX: u64 = 256 * 1024;
/// Files that say that they are empty, as those below `/proc` do, are read to here.
const UNTOLD_BYTES_MAX: u64 = 1024 * 1024;

/// An open file whose size and digest are known.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    file: Arc<File>,
    /// All of it, if it is small.
    content: Option<Bytes>,
    pub(crate) size: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Whether there was more of it after it had been measured: that is not kept.
    pub(crate) grew: bool,
    sha256: [u8; 32],
}

/// Opens a regular file and reads it once. `local` has no symbolic link in it, and must not have
/// got one meanwhile.
pub(crate) fn measure(local: &Path, bytes_max: u64, secrets: &Secrets) -> Result<Measured> {
    let what = local.display().to_string();
    let mut file: File = open_strictly(local, OFlags::RDONLY)
        .map_err(Error::io(&what))?
        .into();
    let metadata = file.metadata().map_err(Error::io(&what))?;
    if !metadata.is_file() {
        return Err(Error::io(&what)(io::Error::other("not a regular file")));
    }
    let told = metadata.len();
    let refused = |reason: String| {
        Err(Error::Damaged {
            what: what.clone(),
            reason,
        })
    };
    if told > bytes_max {
        return refused(format!(
            "larger than {bytes_max} bytes, the limit of one file"
        ));
    }
    // What is written behind the end from now on is another file's business: a log may have no end.
    let end = if told == 0 {
        UNTOLD_BYTES_MAX + 1
    } else {
        told
    };
    let mut source = (&mut file).take(end);
    let mut digest = Sha256::new();
    let mut search = secrets.search();
    let mut content = (end <= SMALL_BYTES_MAX || told == 0).then(Vec::new);
    let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(end).unwrap_or(PIECE_BYTES))];
    let mut size = 0;
    loop {
        let read = source.read(&mut piece).map_err(Error::io(&what))?;
        if read == 0 {
            break;
        }
        let piece = &piece[..read];
        if let Some(name) = search.find(piece) {
            return refused(format!(
                "holds the value of {name}, not kept (--allow-secrets keeps it)"
            ));
        }
        digest.update(piece);
        if let Some(content) = &mut content {
            content.extend_from_slice(piece);
        }
        size += read as u64;
    }
    if told == 0 && size > UNTOLD_BYTES_MAX.min(bytes_max) {
        return refused("it says that it is empty and goes on and on, not kept".to_owned());
    }
    if size < told {
        return Err(Error::Changed {
            what,
            how: "it shrank",
        });
    }
    let now = file.metadata().map_err(Error::io(&what))?.len();
    Ok(Measured {
        file: Arc::new(file),
        content: content.map(Bytes::from),
        size,
        mode: metadata.permissions().mode() & 0o777,
        grew: now > size,
        sha256: digest.finalize().into(),
    })
}

impl Measured {
    /// Lower-case hex.
    pub(crate) fn sha256_hex(&self) -> String {
        hex(&self.sha256)
    }

    pub(crate) fn sha256_base64(&self) -> String {
        base64(&self.sha256)
    }

    /// The whole file, if it is at hand.
    pub(crate) fn content(&self) -> Option<Bytes> {
        self.content.clone()
    }

    /// Whether there is less of it than was measured.
    pub(crate) fn has_shrunk(&self) -> bool {
        self.content.is_none() && self.file.metadata().is_ok_and(|now| now.len() < self.size)
    }

    /// SHA-256 of a part in base64; blocks.
    pub(crate) fn sha256_base64_of(&self, part: Range<u64>) -> io::Result<String> {
        let mut digest = Sha256::new();
        let mut at = part.start;
        while at < part.end {
            let piece = read_piece(&self.file, at..part.end)?;
            at += piece.len() as u64;
            digest.update(&piece);
        }
        Ok(base64(&digest.finalize()))
    }

    /// A part in pieces; it ends in an error where the file does.
    pub(crate) fn pieces(
        &self,
        part: Range<u64>,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        let file = self.file.clone();
        futures_util::stream::try_unfold(part, move |rest| {
            let file = file.clone();
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let wanted = rest.clone();
                let piece = tokio::task::spawn_blocking(move || read_piece(&file, wanted))
                    .await
                    .map_err(io::Error::other)??;
                let size = piece.len() as u64;
                Ok(Some((piece, rest.start + size..rest.end)))
            }
        })
    }
}

fn read_piece(file: &File, range: Range<u64>) -> io::Result<Bytes> {
    let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut piece = vec![0; wanted.min(PIECE_BYTES)];
    let read = file.read_at(&mut piece, range.start)?;
    if read == 0 {
        return Err(io::Error::other("the file shrank"));
    }
    piece.truncate(read);
    Ok(piece.into())
}

fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
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
        assert_eq!((measured.size, measured.grew), (17, false));
        let expected = "f4b3d5991582fa065adb764ef3a1845463b7ed1ecb5ed89d81752adfcb424a44";
        assert_eq!(measured.sha256_hex(), expected);
        assert_eq!(
            measured.sha256_base64_of(0..17).unwrap(),
            measured.sha256_base64()
        );
        let too_large = measure(&root.join("file"), 16, &none).unwrap_err();
        assert!(
            too_large.to_string().contains("larger than 16 bytes"),
            "{too_large}"
        );
        assert!(measure(&root.join("link"), 17, &none).is_err());
        assert!(measure(&root.join("here/file"), 17, &none).is_err());
        assert!(measure(&root, 17, &none).is_err());
        let fifo = root.join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RWXU,
            0,
        )
        .unwrap();
        assert!(measure(&fifo, 17, &none).is_err());
    }

    #[test]
    fn a_file_that_does_not_tell_its_size_is_read_to_a_limit() {
        let none = Secrets::default();
        let measured = measure(Path::new("/proc/version"), 1 << 30, &none).unwrap();
        assert!(measured.size > 10 && measured.content().is_some());
        // The memory of this process: endless for all that matters, and refused by the kernel or here.
        assert!(measure(Path::new("/proc/kallsyms"), 1 << 30, &none).is_err());
    }
}
