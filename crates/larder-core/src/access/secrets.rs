//! The form of tokens: `lrd_<kind>_<id><secret><crc>`. The id finds the row, the checksum finds typing errors and lets
//! scanners recognise a leaked token; only the SHA-256 of the whole is stored.

use crate::error::{Error, Result};
use sha2::{Digest as _, Sha256};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 71 bits: enough that two never meet.
const ID_LENGTH: usize = 12;
/// 190 bits: no slow hash is needed to keep it.
const SECRET_LENGTH: usize = 32;
const CHECKSUM_LENGTH: usize = 6;
const KINDS: [&str; 3] = ["personal", "project", "job"];

/// A new token of a kind: what is shown once, and the public name under which it is found again.
pub(super) fn new_token(kind: &str) -> Result<(String, String)> {
    let name = format!("{kind}_{}", random_text(ID_LENGTH)?);
    let body = format!("lrd_{name}{}", random_text(SECRET_LENGTH)?);
    let token = format!("{body}{}", checksum(&body));
    Ok((token, name))
}

/// The public name in a token; `None` if it is not one of ours or was mistyped.
pub(super) fn public_name(token: &str) -> Option<String> {
    let (kind, rest) = token.strip_prefix("lrd_")?.split_once('_')?;
    if !KINDS.contains(&kind)
        || rest.len() != ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH
        || !rest.is_ascii()
    {
        return None;
    }
    let (body, given) = token.split_at(token.len() - CHECKSUM_LENGTH);
    (checksum(body) == given).then(|| format!("{kind}_{}", &rest[..ID_LENGTH]))
}

/// A secret that is not a token: 43 letters and digits.
pub(super) fn new_secret() -> Result<String> {
    random_text(43)
}

/// What is stored of a secret.
pub(super) fn digest(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

fn random_text(length: usize) -> Result<String> {
    let mut text = String::with_capacity(length);
    let mut bytes = [0; 64];
    while text.len() < length {
        getrandom::fill(&mut bytes).map_err(|error| Error::internal("draw random bytes", error))?;
        // Of 256 values the last eight are left out, so that each letter is as likely as any other.
        let letters = bytes
            .iter()
            .filter(|byte| **byte < 248)
            .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        text.extend(letters.take(length - text.len()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_name_and_a_typing_error_is_seen() {
        for kind in KINDS {
            let (token, name) = new_token(kind).unwrap();
            assert_eq!(public_name(&token), Some(name));
            for at in 4..token.len() {
                let mut wrong = token.clone().into_bytes();
                wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
                assert_eq!(
                    public_name(&String::from_utf8(wrong).unwrap()),
                    None,
                    "letter {at} of {token}"
                );
            }
        }
        for wrong in ["", "lrd_", "lrd_personal_", "lrd_job_é", "ghp_x"] {
            assert_eq!(public_name(wrong), None);
        }
    }
}
