//! What the path and the headers of a PUT say of the file that follows.

use crate::api::larder::error::Error;
use crate::http::content_type::content_type_of;
use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use larder_core::model::{ArtifactPath, FileMode, NewArtifact, Sha256Digest};
use percent_encoding::percent_decode_str;

/// Longest media type in bytes.
const MEDIA_TYPE_BYTES_MAX: usize = 255;
/// Standard alphabet; some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The artifact that a PUT is about to bring.
pub(super) fn new_artifact(path: &str, headers: &HeaderMap) -> Result<NewArtifact, Error> {
    let path = ArtifactPath::parse(path)?;
    let content_type = match client_type(headers)? {
        Some(given) => given,
        None => content_type_of(path.as_str()),
    };
    let new = NewArtifact::new(path, content_type);
    Ok(NewArtifact {
        alias: alias(headers)?,
        sha256: expected_sha256(headers)?,
        mode: mode(headers)?,
        ..new
    })
}

/// `Larder-Alias`: percent-encoded UTF-8, since headers hold ASCII only.
fn alias(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = headers.get("larder-alias") else {
        return Ok(None);
    };
    let decoded = value.to_str().ok().and_then(|text| {
        percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .ok()
    });
    match decoded {
        Some(alias) => Ok(Some(alias)),
        None => Err(Error::invalid(
            "Larder-Alias: must be UTF-8 with every other than ASCII byte percent-encoded",
        )),
    }
}

/// `Larder-Mode`: permission bits in octal.
pub(super) fn mode(headers: &HeaderMap) -> Result<Option<FileMode>, Error> {
    let Some(value) = headers.get("larder-mode") else {
        return Ok(None);
    };
    let mode = value.to_str().ok().map(FileMode::parse);
    match mode {
        Some(Ok(mode)) => Ok(Some(mode)),
        _ => Err(Error::invalid(
            "Larder-Mode: must be three octal digits, 000 to 777",
        )),
    }
}

/// The SHA-256 that the bytes must have, from `Repr-Digest` or `Content-Digest` (RFC 9530); without a content coding
/// both mean the same.
pub(super) fn expected_sha256(headers: &HeaderMap) -> Result<Option<Sha256Digest>, Error> {
    let mut expected = None;
    for name in ["repr-digest", "content-digest"] {
        for value in headers.get_all(name) {
            for digest in sha256_of(name, value)? {
                if expected.is_some_and(|other| other != digest) {
                    return Err(Error::invalid(format!(
                        "{name}: names two different SHA-256"
                    )));
                }
                expected = Some(digest);
            }
        }
    }
    Ok(expected)
}

/// The entries `sha-256` of a dictionary such as `sha-256=:BASE64:, sha-512=:BASE64:`. Other algorithms are passed over,
/// as the standard asks.
fn sha256_of(name: &str, value: &HeaderValue) -> Result<Vec<Sha256Digest>, Error> {
    let malformed = || {
        Error::invalid(format!(
            "{name}: must have the form `sha-256=:BASE64 of 32 bytes:`"
        ))
    };
    let text = value.to_str().map_err(|_| malformed())?;
    let mut digests = Vec::new();
    for entry in text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let (algorithm, value) = entry.split_once('=').ok_or_else(malformed)?;
        if !algorithm.trim().eq_ignore_ascii_case("sha-256") {
            continue;
        }
        let item = value.split(';').next().unwrap_or_default().trim();
        let encoded = item
            .strip_prefix(':')
            .and_then(|rest| rest.strip_suffix(':'))
            .ok_or_else(malformed)?;
        let bytes = BASE64.decode(encoded).map_err(|_| malformed())?;
        digests.push(Sha256Digest(bytes.try_into().map_err(|_| malformed())?));
    }
    Ok(digests)
}

/// The media type that the client names, if it means one: curl and urllib call everything a form, and what is no media
/// type is passed over.
fn client_type(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(given) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return Ok(None);
    };
    let given = given.trim();
    let essence = given
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if essence == "multipart/form-data" {
        return Err(Error::invalid(
            "Content-Type: send the bytes of the file as they are (curl -T FILE), not as a form",
        ));
    }
    let is_meant = essence != "application/x-www-form-urlencoded" && is_media_type(&essence);
    let is_plain = given.len() <= MEDIA_TYPE_BYTES_MAX
        && given.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    Ok((is_meant && is_plain).then(|| given.to_owned()))
}

/// `type/subtype` of RFC 9110's token characters.
fn is_media_type(essence: &str) -> bool {
    let is_token = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    essence
        .split_once('/')
        .is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `abc`.
    const ABC: &str = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    #[track_caller]
    fn check_digest(value: &str, accepted: bool, found: bool) {
        let digest = expected_sha256(&headers(&[("repr-digest", value)]));
        assert_eq!(digest.is_ok(), accepted, "{value}");
        assert_eq!(
            digest.is_ok_and(|digest| digest.is_some()),
            found,
            "{value}"
        );
    }

    #[test]
    fn digests_are_read_leniently_and_never_guessed() {
        check_digest(&format!("sha-256=:{ABC}:"), true, true);
        check_digest(
            &format!("SHA-256 = :{}: ;q=1", ABC.trim_end_matches('=')),
            true,
            true,
        );
        check_digest(&format!("sha-512=:AAAA:, sha-256=:{ABC}:"), true, true);
        check_digest("sha-512=:AAAA:", true, false);
        check_digest("", true, false);
        check_digest("sha-256", false, false);
        check_digest(&format!("sha-256={ABC}"), false, false);
        check_digest("sha-256=:AAAA:", false, false);
        check_digest("sha-256=:!!!!:", false, false);
        let two = headers(&[
            ("repr-digest", &format!("sha-256=:{ABC}:")),
            ("content-digest", "sha-256=:x:"),
        ]);
        assert!(expected_sha256(&two).is_err());
    }

    #[track_caller]
    fn check_type(given: Option<&str>, path: &str, expected: &str) {
        let given: Vec<_> = given
            .map(|given| ("content-type", given))
            .into_iter()
            .collect();
        assert_eq!(
            new_artifact(path, &headers(&given)).unwrap().content_type,
            expected,
            "{given:?} {path}"
        );
    }

    #[test]
    fn the_client_names_the_type_or_the_extension_does() {
        check_type(
            Some("text/html; charset=utf-8"),
            "a.bin",
            "text/html; charset=utf-8",
        );
        check_type(
            Some("application/x-www-form-urlencoded"),
            "a.json",
            "application/json",
        );
        check_type(
            Some("Application/X-WWW-Form-Urlencoded; charset=x"),
            "a.json",
            "application/json",
        );
        check_type(Some("nonsense"), "a.json", "application/json");
        check_type(None, "dist/app.tar.gz", "application/x-gzip");
        check_type(None, "dist/app.TGZ", "application/x-gzip");
        check_type(None, "core.1234", "application/octet-stream");
        assert!(
            new_artifact(
                "a",
                &headers(&[("content-type", "multipart/form-data; boundary=x")])
            )
            .is_err()
        );
    }

    #[test]
    fn an_alias_is_percent_encoded_utf_8() {
        let alias_of = |text| alias(&headers(&[("larder-alias", text)]));
        assert_eq!(
            alias_of("%24CIRCLE_ARTIFACTS/caf%C3%A9")
                .unwrap()
                .as_deref(),
            Some("$CIRCLE_ARTIFACTS/café")
        );
        assert!(alias_of("%FF").is_err());
    }
}
