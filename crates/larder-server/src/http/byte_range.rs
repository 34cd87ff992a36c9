//! `Range`: which part of a file a request asks for (RFC 9110, 14).

use http::HeaderValue;

/// What to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedRange {
    /// The whole file, 200.
    Whole,
    /// A part of it, 206.
    Part(ByteRange),
    /// No part of the file, 416 with [`unsatisfied_content_range`].
    Unsatisfiable,
}

/// A part of a file that exists: it has at least one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte's position.
    pub first: u64,
    /// The last byte's position, not after the file's end.
    pub last: u64,
}

impl ByteRange {
    /// How many bytes the part has.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The value of `Content-Range` in a 206.
    pub fn content_range(&self, size_bytes: u64) -> HeaderValue {
        header_value(format!("bytes {}-{}/{size_bytes}", self.first, self.last))
    }
}

/// The value of `Content-Range` in a 416.
pub fn unsatisfied_content_range(size_bytes: u64) -> HeaderValue {
    header_value(format!("bytes */{size_bytes}"))
}

/// What `range`, the value of the field, asks for in a file of `size_bytes`.
///
/// Several ranges, other units and what is not a range at all mean the whole file: a server may ignore the field,
/// and a multipart answer is a way to ask for the same bytes a thousand times.
pub fn requested_range(range: Option<&HeaderValue>, size_bytes: u64) -> RequestedRange {
    let Some((first, last)) = range.and_then(|range| range.to_str().ok()).and_then(bounds) else {
        return RequestedRange::Whole;
    };
    let end = size_bytes.saturating_sub(1);
    let part = match (parse_position(first), parse_position(last)) {
        (Position::At(first), Position::At(last)) if first > last => return RequestedRange::Whole,
        (Position::At(first), Position::At(last)) => ByteRange {
            first,
            last: last.min(end),
        },
        (Position::At(first), Position::Absent) => ByteRange { first, last: end },
        (Position::Absent, Position::At(0)) => return RequestedRange::Unsatisfiable,
        (Position::Absent, Position::At(length)) => ByteRange {
            first: size_bytes.saturating_sub(length),
            last: end,
        },
        _ => return RequestedRange::Whole,
    };
    if part.first >= size_bytes {
        return RequestedRange::Unsatisfiable;
    }
    RequestedRange::Part(part)
}

enum Position {
    At(u64),
    Absent,
    Wrong,
}

/// The texts on both sides of the hyphen, if there is one range of bytes.
fn bounds(range: &str) -> Option<(&str, &str)> {
    let (unit, bounds) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || bounds.contains(',') {
        return None;
    }
    bounds.trim().split_once('-')
}

fn parse_position(digits: &str) -> Position {
    if digits.is_empty() {
        return Position::Absent;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Position::Wrong;
    }
    // A number too large for the type is behind the end of every file all the same.
    Position::At(digits.parse().unwrap_or(u64::MAX))
}

fn header_value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and a few signs are a header value")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::RequestedRange::{Part, Unsatisfiable, Whole};
    use super::*;

    #[track_caller]
    fn check(range: &str, size_bytes: u64, expected: RequestedRange) {
        let value = HeaderValue::from_str(range).unwrap();
        assert_eq!(
            requested_range(Some(&value), size_bytes),
            expected,
            "{range} of {size_bytes}"
        );
    }

    fn part(first: u64, last: u64) -> RequestedRange {
        Part(ByteRange { first, last })
    }

    #[test]
    fn one_range_of_bytes_is_a_part() {
        check("bytes=0-0", 10, part(0, 0));
        check("bytes=2-5", 10, part(2, 5));
        check("bytes=2-", 10, part(2, 9));
        check("bytes=-3", 10, part(7, 9));
        check("bytes=-30", 10, part(0, 9));
        check("bytes=2-500", 10, part(2, 9));
        check("BYTES=2-5", 10, part(2, 5));
        check("bytes=5-99999999999999999999999", 10, part(5, 9));
    }

    #[test]
    fn a_range_behind_the_end_is_unsatisfiable() {
        check("bytes=10-", 10, Unsatisfiable);
        check("bytes=10-20", 10, Unsatisfiable);
        check("bytes=-0", 10, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=-5", 0, Unsatisfiable);
        check("bytes=99999999999999999999999-", 10, Unsatisfiable);
        assert_eq!(unsatisfied_content_range(10), "bytes */10");
    }

    #[test]
    fn everything_else_is_the_whole_file() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=0-0,",
            "bytes 0-1",
            "bytes=0x1-5",
        ] {
            check(range, 10, Whole);
        }
        assert_eq!(requested_range(None, 10), Whole);
        let not_text = HeaderValue::from_bytes(b"bytes=\xff-2").unwrap();
        assert_eq!(requested_range(Some(&not_text), 10), Whole);
    }

    proptest! {
        #[test]
        fn a_part_is_inside_the_file(range in "(bytes=)?[0-9]{0,22}-?[0-9]{0,22}[,x]?", size_bytes in 0_u64..5000) {
            let value = HeaderValue::from_str(&range).unwrap();
            if let Part(part) = requested_range(Some(&value), size_bytes) {
                prop_assert!(part.first <= part.last && part.last < size_bytes);
                prop_assert!((1..=size_bytes).contains(&part.len()));
            }
        }

        #[test]
        fn a_range_that_is_there_is_given_exactly(first in 0_u64..1000, length in 1_u64..1000, more in 0_u64..1000) {
            let (last, size_bytes) = (first + length - 1, first + length + more);
            check(&format!("bytes={first}-{last}"), size_bytes, part(first, last));
            check(&format!("bytes=-{length}"), size_bytes, part(size_bytes - length, size_bytes - 1));
        }
    }
}
