//! Uploads are stored as they come, so they must come as they are.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, header};

/// Answers 415 to an upload whose `Content-Encoding` says that the bytes are packed.
///
/// Storing them packed would give them back as something else than the file, and unpacking them here would let a
/// small request fill the disk. For `axum::middleware::from_fn`.
pub async fn refuse_encoded_uploads(request: Request, next: Next) -> Response {
    let takes_a_body = !matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if takes_a_body && is_encoded(request.headers()) {
        let text = "send the bytes as they are: a Content-Encoding other than `identity` is not accepted\n";
        return (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            [(header::ACCEPT_ENCODING, "identity")],
            text,
        )
            .into_response();
    }
    next.run(request).await
}

/// Whether any coding but `identity` is named; a façade that says no in its own form asks this itself.
pub fn is_encoded(headers: &HeaderMap) -> bool {
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
