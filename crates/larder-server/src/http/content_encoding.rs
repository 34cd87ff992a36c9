//! Uploads are stored as they come, so they must come as they are.

use http::{HeaderMap, header};

/// A body says that it is packed. Each API refuses it in its own form, with 415 and `Accept-Encoding: identity`.
///
/// Storing it packed would give it back as something else than the file, and unpacking it here would let a small
/// request fill the disk.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("Content-Encoding: send the bytes as they are; no other than `identity` is accepted")]
pub struct UnsupportedEncoding;

/// Refuses a body whose `Content-Encoding` names any coding but `identity`.
pub fn require_plain(headers: &HeaderMap) -> Result<(), UnsupportedEncoding> {
    if is_encoded(headers) {
        Err(UnsupportedEncoding)
    } else {
        Ok(())
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::CONTENT_ENCODING).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|coding| {
            let coding = coding.trim_ascii();
            !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
        })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(values: &[&'static str], expected: bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        assert_eq!(is_encoded(&headers), expected, "{values:?}");
    }

    #[test]
    fn only_identity_is_no_coding() {
        check(&[], false);
        check(&[""], false);
        check(&["identity"], false);
        check(&["Identity, identity"], false);
        check(&["gzip"], true);
        check(&["identity, br"], true);
        check(&["identity", "x-unknown"], true);
    }
}
