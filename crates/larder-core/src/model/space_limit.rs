//! How many bytes a project may keep.

use crate::error::{Error, Result};
use std::num::NonZeroU64;

/// Units of a number of bytes.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KIB", 1 << 10),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

/// How many bytes a project may keep.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SpaceLimit {
    /// As the instance says.
    OfInstance,
    /// As many as there is room for, whatever the instance says.
    Unlimited,
    /// So many.
    Bytes(NonZeroU64),
}

/// What goes when something is deleted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Contents {
    /// Builds.
    pub builds: i64,
    /// Artifacts of them.
    pub artifacts: i64,
    /// Bytes of those.
    pub bytes: i64,
}

impl SpaceLimit {
    /// Reads a number of bytes, perhaps with a unit (`10GB`, `512 MiB`), `none` for no limit, or `default` for what the
    /// instance says.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "none" => return Ok(Self::Unlimited),
            "default" => return Ok(Self::OfInstance),
            _ => {}
        }
        let bytes = bytes(text).filter(|bytes| i64::try_from(*bytes).is_ok());
        bytes.and_then(NonZeroU64::new).map(Self::Bytes).ok_or_else(|| {
            let reason =
                format!("`{text}` is neither a number of bytes like 10GB or 512MiB, nor `none` or `default`");
            Error::invalid("max_bytes", reason)
        })
    }

    /// What a row says: bytes, 0 for no limit, nothing for what the instance says.
    pub(crate) fn to_stored(self) -> Option<i64> {
        match self {
            Self::OfInstance => None,
            Self::Unlimited => Some(0),
            Self::Bytes(bytes) => i64::try_from(bytes.get()).ok(),
        }
    }

    /// Reads what a row says.
    pub(crate) fn from_stored(bytes: Option<i64>) -> Self {
        match bytes.map(|bytes| NonZeroU64::new(u64::try_from(bytes).unwrap_or(0))) {
            None => Self::OfInstance,
            Some(None) => Self::Unlimited,
            Some(Some(bytes)) => Self::Bytes(bytes),
        }
    }
}

fn bytes(text: &str) -> Option<u64> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let unit = text[end..].trim().to_ascii_uppercase();
    let (_, factor) = UNITS.iter().find(|(known, _)| *known == unit)?;
    text[..end].parse::<u64>().ok()?.checked_mul(*factor)
}

impl std::fmt::Display for SpaceLimit {
    /// As [`SpaceLimit::parse`] reads it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OfInstance => formatter.write_str("default"),
            Self::Unlimited => formatter.write_str("none"),
            Self::Bytes(bytes) => write!(formatter, "{bytes}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let parsed = SpaceLimit::parse(text).ok();
        let shown = parsed.map(|limit| limit.to_string());
        assert_eq!(shown.as_deref(), expected, "{text}");
        if let Some(limit) = parsed {
            assert_eq!(SpaceLimit::from_stored(limit.to_stored()), limit);
        }
    }

    #[test]
    fn a_limit_is_a_number_of_bytes_none_or_the_default() {
        check("none", Some("none"));
        check("default", Some("default"));
        check("1", Some("1"));
        check("10GB", Some("10000000000"));
        check("10 gb", Some("10000000000"));
        check("512MiB", Some("536870912"));
        check("9223372036854775807", Some("9223372036854775807"));
        for wrong in [
            "",
            "0",
            "0GB",
            "-1",
            "1.5GB",
            "GB",
            "10G",
            "9223372036854775808",
            "99999999999TB",
            "much",
        ] {
            check(wrong, None);
        }
    }
}
