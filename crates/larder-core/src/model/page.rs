//! Where in a list, and where in a file.

use crate::clock::Timestamp;

/// A place in a list that is ordered by creation: the last row that was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cursor {
    /// When that row was made.
    pub created_at: Timestamp,
    /// Its number, which breaks ties.
    pub number: i64,
}

impl Cursor {
    /// The opaque form that an API hands out.
    pub fn encode(self) -> String {
        format!("{:x}-{:x}", self.created_at.0, self.number)
    }

    /// Reads what [`Cursor::encode`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, number) = text.split_once('-')?;
        Some(Self {
            created_at: Timestamp(i64::from_str_radix(created_at, 16).ok()?),
            number: i64::from_str_radix(number, 16).ok()?,
        })
    }
}

/// A place in a list that is shown by page numbers; only inside one build or job, where it is bounded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offset {
    /// Rows to skip.
    pub skip: u32,
    /// Rows to give at most.
    pub limit: u32,
}

/// Some rows of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Rows of the whole list.
    pub total: u64,
}

/// Bytes `start..end` of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Byte after the last.
    pub end: u64,
}

impl ByteRange {
    /// Bytes in it.
    pub fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}
