//! Links that carry a right: one opaque payload and its HMAC-SHA256.
//!
//! The payload has fixed fields in a fixed order, so that no two claims share the bytes that are signed; each purpose
//! has a MAC domain of its own, so that a link made for one is never good for another. Nothing outside the payload
//! changes what a link means.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::model::{Credential, Principal, SessionId, TokenId, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

const VERSION: u8 = 1;
pub(crate) const KEY_BYTES: usize = 32;
/// version, key id, purpose, target, subject kind, subject, expiry.
const PAYLOAD_BYTES: usize = 1 + 2 + 1 + 16 + 1 + 16 + 8;
const MAC_BYTES: usize = 32;

/// What a link is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// Reading one artifact.
    Download,
    /// Reading the files of one job by their paths.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "pages that show reports carry such links")
    )]
    Tree,
    /// Sending the bytes of one artifact.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "Buildkite's agent is handed such links")
    )]
    Upload,
}

/// Who asked for a link: it is worth no more than that principal is when it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Subject {
    Operator,
    Token(TokenId),
    Session(SessionId),
    /// A user for whom a trusted proxy speaks.
    Vouched(UserId),
}

/// What a link claims.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Claim {
    pub(crate) purpose: Purpose,
    /// The artifact or job.
    pub(crate) target: Uuid,
    pub(crate) subject: Subject,
    pub(crate) expires_at: Timestamp,
}

/// Why a link is not accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    Expired,
    Forged,
}

/// The keys that sign, by id; the newest signs, all verify.
pub(crate) struct KeyRing {
    keys: Vec<(u16, [u8; KEY_BYTES])>,
}

impl Purpose {
    /// Longest life.
    fn life_ms(self) -> i64 {
        match self {
            Self::Download => 60 * 1000,
            Self::Tree => 60 * 60 * 1000,
            Self::Upload => 12 * 60 * 60 * 1000,
        }
    }

    /// When a link that is made now ends.
    pub(crate) fn expiry(self, now: Timestamp) -> Timestamp {
        now.plus_ms(self.life_ms())
    }

    fn domain(self) -> &'static [u8] {
        match self {
            Self::Download => b"larder/signed-url/v1/download\0",
            Self::Tree => b"larder/signed-url/v1/tree\0",
            Self::Upload => b"larder/signed-url/v1/upload\0",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Download => 1,
            Self::Tree => 2,
            Self::Upload => 3,
        }
    }
}

impl Subject {
    /// The subject of links that this principal asks for; none for who is nobody.
    pub(crate) fn of(who: &Principal) -> Option<Self> {
        match who {
            Principal::Operator => Some(Self::Operator),
            Principal::Anonymous => None,
            Principal::Job(job) => Some(Self::Token(job.token.id)),
            Principal::User(user) => Some(match &user.credential {
                Credential::Token(token) => Self::Token(token.id),
                Credential::Session(session) => Self::Session(*session),
                Credential::Proxy => Self::Vouched(user.user.id),
            }),
        }
    }
}

impl KeyRing {
    /// Of at least one key, in the order in which they were made.
    pub(crate) fn new(keys: Vec<(u16, [u8; KEY_BYTES])>) -> Result<Self> {
        let wrong = |why: &str| Error::internal("read the signing keys", why.to_owned());
        if keys.is_empty() {
            return Err(wrong("there is no key"));
        }
        let is_weak = |key: &[u8; KEY_BYTES]| key.iter().all(|byte| *byte == key[0]);
        if keys.iter().any(|(_, key)| is_weak(key)) {
            return Err(wrong("a key is not random"));
        }
        Ok(Self { keys })
    }

    /// Whether the key is here that a link says it was signed with. What is no link at all names none that could come.
    pub(crate) fn knows_key_of(&self, link: &str) -> bool {
        let payload = link.split_once('.').map(|(payload, _)| payload);
        let payload = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
        match payload.as_deref() {
            Some([VERSION, high, low, ..]) => {
                let id = u16::from_be_bytes([*high, *low]);
                self.keys.iter().any(|(known, _)| *known == id)
            }
            _ => true,
        }
    }

    /// The text of a link, of letters, digits, `-`, `_` and one dot.
    pub(crate) fn sign(&self, claim: &Claim) -> String {
        let (id, key) = self.keys[self.keys.len() - 1];
        let payload = payload(id, claim);
        let mac = mac(&key, claim.purpose, &payload).finalize().into_bytes();
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(payload),
            URL_SAFE_NO_PAD.encode(mac)
        )
    }

    /// What a link claims, if we signed it for this purpose and it has not ended.
    pub(crate) fn verify(
        &self,
        text: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Claim, Refusal> {
        let (payload, given) = text.split_once('.').ok_or(Refusal::Forged)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Forged);
        let payload: [u8; PAYLOAD_BYTES] =
            decode(payload)?.try_into().map_err(|_| Refusal::Forged)?;
        let given: [u8; MAC_BYTES] = decode(given)?.try_into().map_err(|_| Refusal::Forged)?;
        let id = u16::from_be_bytes([payload[1], payload[2]]);
        let (_, key) = self
            .keys
            .iter()
            .find(|(known, _)| *known == id)
            .ok_or(Refusal::Forged)?;
        mac(key, purpose, &payload)
            .verify_slice(&given)
            .map_err(|_| Refusal::Forged)?;
        let claim = read_payload(&payload, purpose).ok_or(Refusal::Forged)?;
        if claim.expires_at <= now || claim.expires_at > purpose.expiry(now) {
            return Err(Refusal::Expired);
        }
        Ok(claim)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("KeyRing")
            .field("keys", &self.keys.len())
            .finish()
    }
}

fn mac(key: &[u8; KEY_BYTES], purpose: Purpose, payload: &[u8]) -> Hmac<Sha256> {
    // HMAC pads a shorter key with zeros to the block of its hash.
    let mut block = [0; 64];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(purpose.domain());
    mac.update(payload);
    mac
}

fn payload(key: u16, claim: &Claim) -> Vec<u8> {
    let mut payload = Vec::with_capacity(PAYLOAD_BYTES);
    payload.push(VERSION);
    payload.extend_from_slice(&key.to_be_bytes());
    payload.push(claim.purpose.code());
    payload.extend_from_slice(claim.target.as_bytes());
    let (kind, subject) = match claim.subject {
        Subject::Operator => (0, Uuid::nil()),
        Subject::Token(id) => (1, id.0),
        Subject::Session(id) => (2, id.0),
        Subject::Vouched(id) => (3, id.0),
    };
    payload.push(kind);
    payload.extend_from_slice(subject.as_bytes());
    payload.extend_from_slice(&claim.expires_at.0.to_be_bytes());
    payload
}

fn read_payload(payload: &[u8; PAYLOAD_BYTES], purpose: Purpose) -> Option<Claim> {
    if payload[0] != VERSION || payload[3] != purpose.code() {
        return None;
    }
    let subject = Uuid::from_slice(&payload[21..37]).ok()?;
    let subject = match payload[20] {
        0 => Subject::Operator,
        1 => Subject::Token(TokenId(subject)),
        2 => Subject::Session(SessionId(subject)),
        3 => Subject::Vouched(UserId(subject)),
        _ => return None,
    };
    let expires_at = i64::from_be_bytes(payload[37..45].try_into().ok()?);
    let target = Uuid::from_slice(&payload[4..20]).ok()?;
    Some(Claim {
        purpose,
        target,
        subject,
        expires_at: Timestamp(expires_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn ring() -> KeyRing {
        let mut key = [7; KEY_BYTES];
        key[0] = 1;
        KeyRing {
            keys: vec![(1, key)],
        }
    }

    fn claim(purpose: Purpose) -> Claim {
        let subject = Subject::Token(TokenId(Uuid::from_u128(5)));
        Claim {
            purpose,
            target: Uuid::from_u128(9),
            subject,
            expires_at: purpose.expiry(NOW),
        }
    }

    #[test]
    fn a_download_link_is_good_for_59_seconds_and_not_for_61() {
        let link = ring().sign(&claim(Purpose::Download));
        let verify = |millis| ring().verify(&link, Purpose::Download, NOW.plus_ms(millis));
        assert_eq!(verify(59_000), Ok(claim(Purpose::Download)));
        assert_eq!(verify(61_000), Err(Refusal::Expired));
        assert_eq!(
            verify(-1),
            Err(Refusal::Expired),
            "a link that lives longer than any of ours"
        );
    }

    #[test]
    fn a_link_is_good_for_its_own_purpose_only() {
        let purposes = [Purpose::Download, Purpose::Tree, Purpose::Upload];
        for made in purposes {
            let link = ring().sign(&claim(made));
            for asked in purposes {
                assert_eq!(
                    ring().verify(&link, asked, NOW).is_ok(),
                    made == asked,
                    "{made:?} as {asked:?}"
                );
            }
        }
    }

    #[test]
    fn no_flipped_bit_and_no_cut_is_accepted() {
        let link = ring().sign(&claim(Purpose::Download));
        for at in 0..link.len() {
            for bit in 0..8 {
                let mut bytes = link.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(text) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(
                    ring().verify(&text, Purpose::Download, NOW).is_err(),
                    "bit {bit} of letter {at}"
                );
            }
            assert!(
                ring().verify(&link[..at], Purpose::Download, NOW).is_err(),
                "cut at {at}"
            );
        }
        assert!(
            ring()
                .verify(&format!("{link}A"), Purpose::Download, NOW)
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn different_claims_never_share_what_is_signed(a in any::<(u128, u128, i64)>(), b in any::<(u128, u128, i64)>()) {
            let build = |(target, subject, expires): (u128, u128, i64)| Claim {
                purpose: Purpose::Download,
                target: Uuid::from_u128(target),
                subject: Subject::Token(TokenId(Uuid::from_u128(subject))),
                expires_at: Timestamp(expires),
            };
            prop_assert_eq!(a == b, payload(1, &build(a)) == payload(1, &build(b)));
        }
    }
}
