//! SHA-1, SHA-256 and CRC-32 in one pass.

use crate::model::{Digests, Sha1Digest, Sha256Digest};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Pieces that stay in the nearest cache while every digest sees them.
const PIECE_BYTES: usize = 16 * 1024;

/// Everything that is measured about bytes as they pass.
#[derive(Default)]
pub(super) struct Hasher {
    size: u64,
    sha1: Sha1,
    sha256: Sha256,
    crc32: crc32fast::Hasher,
}

impl Hasher {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        for piece in bytes.chunks(PIECE_BYTES) {
            self.sha1.update(piece);
            self.sha256.update(piece);
            self.crc32.update(piece);
        }
    }

    pub(super) fn finish(self) -> Digests {
        Digests {
            size: self.size,
            sha1: Sha1Digest(self.sha1.finalize().into()),
            sha256: Sha256Digest(self.sha256.finalize().into()),
            crc32: self.crc32.finalize(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_are_those_of_the_standards() {
        let mut hasher = Hasher::default();
        hasher.update(b"ab");
        hasher.update(b"c");
        let digests = hasher.finish();
        assert_eq!(digests.size, 3);
        assert_eq!(
            digests.sha1.hex(),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(
            digests.sha256.hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digests.crc32, 0x3524_41c2);
    }
}
