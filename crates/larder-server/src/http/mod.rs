//! What APIs share and none of them defines.

pub mod byte_range;
pub mod content_encoding;
pub mod content_headers;
pub mod content_type;
pub mod download;
pub mod hosts;
pub mod invalid_tokens;
pub mod password_tries;
pub mod per_minute;
pub(crate) mod proxied;
pub mod request_log;
pub mod routes;
pub mod session;
pub mod state;
pub mod status;
pub mod upload;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same for a path, whose `/` separate its segments.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// One segment of a path, percent-encoded.
pub fn encode_segment(segment: &str) -> String {
    utf8_percent_encode(segment, RESERVED).to_string()
}

/// A path, each segment percent-encoded and `/` kept.
pub fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, RESERVED_IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_encoded_and_slashes_kept() {
        assert_eq!(
            encode_path("~/a b (1),{x}/é+.txt"),
            "~/a%20b%20%281%29%2C%7Bx%7D/%C3%A9%2B.txt"
        );
    }
}
