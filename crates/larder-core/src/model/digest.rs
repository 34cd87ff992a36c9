//! Digests of bytes.

/// Lower-case hex of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub struct $name(pub [u8; $bytes]);

        impl $name {
            /// Lower-case hex.
            pub fn hex(&self) -> String {
                hex(&self.0)
            }

            /// Reads hex in either case.
            pub fn parse_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; $bytes];
                if text.len() != $bytes * 2 || !text.is_ascii() {
                    return None;
                }
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
                }
                if text.bytes().any(|byte| !byte.is_ascii_hexdigit()) {
                    return None;
                }
                Some(Self(bytes))
            }

            pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }
    };
}

digest!(/// SHA-1, as Buildkite's API shows it.
    Sha1Digest, 20);
digest!(/// SHA-256, by which the larder knows equal bytes.
    Sha256Digest, 32);

/// CRC-32 (IEEE), as a zip archive wants it.
pub type Crc32 = u32;

/// Everything that one pass over the bytes measures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Digests {
    /// Bytes.
    pub size: u64,
    /// SHA-1.
    pub sha1: Sha1Digest,
    /// SHA-256.
    pub sha256: Sha256Digest,
    /// CRC-32.
    pub crc32: Crc32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_rejects_what_is_not_hex() {
        let digest = Sha1Digest([0xab; 20]);
        assert_eq!(Sha1Digest::parse_hex(&digest.hex()), Some(digest));
        assert_eq!(
            Sha1Digest::parse_hex(&digest.hex().to_uppercase()),
            Some(digest)
        );
        assert_eq!(Sha1Digest::parse_hex("ab"), None);
        assert_eq!(Sha1Digest::parse_hex(&"+a".repeat(20)), None);
        assert_eq!(Sha1Digest::parse_hex(&"é".repeat(20)), None);
    }
}
