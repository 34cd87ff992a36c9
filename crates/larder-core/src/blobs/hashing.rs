//! SHA-1, SHA-256 and CRC-32 in one pass.

use crate::model::{Digests, Sha1Digest, Sha256Digest};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

/// Pieces that stay in the nearest cache while every digest sees them.
const PIECE_BYTES: usize = 16 * 1024;

/// What is measured about bytes as they pass.
pub(crate) trait Measure: Send + 'static {
    /// What comes of it.
    type Measured: Send + 'static;

    /// More bytes have passed.
    fn update(&mut self, bytes: &[u8]);

    /// There are no more.
    fn finish(self) -> Self::Measured;
}

/// Everything that is measured about bytes as they pass.
#[derive(Clone, Default)]
pub(crate) struct Hasher {
    size: u64,
    sha1: Sha1,
    sha256: Sha256,
    crc32: crc32fast::Hasher,
}

/// What is measured of a part: the whole that it belongs to is measured by itself.
pub(crate) struct PartMeasure {
    size: u64,
    sha256: Option<Sha256>,
}

impl PartMeasure {
    /// The digest takes its time, and is measured only where it is compared with another.
    pub(crate) fn new(with_digest: bool) -> Self {
        Self {
            size: 0,
            sha256: with_digest.then(Sha256::new),
        }
    }
}

impl Measure for PartMeasure {
    type Measured = (u64, Option<Sha256Digest>);

    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    fn finish(self) -> Self::Measured {
        let digest = |sha256: Sha256| Sha256Digest(sha256.finalize().into());
        (self.size, self.sha256.map(digest))
    }
}

impl Measure for Hasher {
    type Measured = Digests;

    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        for piece in bytes.chunks(PIECE_BYTES) {
            self.sha1.update(piece);
            self.sha256.update(piece);
            self.crc32.update(piece);
        }
    }

    fn finish(self) -> Digests {
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
