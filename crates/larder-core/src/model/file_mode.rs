//! Permission bits of a file.

use crate::error::{Error, Result};

/// Who may read, write and execute a file, 000 to 777; never the bits that make it run as somebody else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FileMode(u16);

impl FileMode {
    /// Reads three octal digits; a `0` before them is allowed, as C writes them.
    pub fn parse(text: &str) -> Result<Self> {
        let digits = match text.len() {
            4 => text.strip_prefix('0'),
            3 => Some(text),
            _ => None,
        };
        digits
            .filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')))
            .and_then(|digits| u16::from_str_radix(digits, 8).ok())
            .map(Self)
            .ok_or_else(|| Error::invalid("mode", "must be three octal digits, 000 to 777"))
    }

    pub(crate) fn of_bits(bits: i64) -> Option<Self> {
        u16::try_from(bits)
            .ok()
            .filter(|bits| *bits <= 0o777)
            .map(Self)
    }

    pub(crate) fn bits(self) -> i64 {
        self.0.into()
    }
}

impl std::fmt::Display for FileMode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:03o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_three_octal_digits_and_nothing_more() {
        for (text, expected) in [("755", "755"), ("0644", "644"), ("000", "000")] {
            assert_eq!(FileMode::parse(text).unwrap().to_string(), expected);
        }
        for text in ["", "7", "888", "1777", "4755", "+75", "0x1", "75 ", "00755"] {
            assert!(FileMode::parse(text).is_err(), "{text:?}");
        }
        assert!(FileMode::of_bits(0o4755).is_none());
    }
}
