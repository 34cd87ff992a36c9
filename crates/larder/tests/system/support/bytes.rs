//! Bytes that can be made again from a seed.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// A generator of numbers without patterns (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Made(u64);

impl Made {
    /// Equal seeds give equal numbers.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of this run: another one each time, unless `LARDER_TEST_SEED` was set when the tests were built.
    pub(crate) fn seed() -> u64 {
        use std::hash::{BuildHasher as _, Hasher as _};
        let given = option_env!("LARDER_TEST_SEED").map(|text| text.parse().unwrap());
        given.unwrap_or_else(|| std::hash::RandomState::new().build_hasher().finish())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// A size up to `2^bits` bytes of which every order of magnitude is as likely as the next; 0 is one of them.
    pub(crate) fn size(&mut self, bits: u32) -> usize {
        let order = u32::try_from(self.below(u64::from(bits) + 1)).unwrap();
        let least = if order == 0 { 0 } else { 1_u64 << (order - 1) };
        usize::try_from(least + self.below((1 << order) - least + 1)).unwrap()
    }

    pub(crate) fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }
}

/// SHA-256 as lower-case hex.
pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
