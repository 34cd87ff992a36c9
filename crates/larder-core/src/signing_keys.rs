//! Where the keys that sign links are kept, and how they are changed: in a file of an embedded store, or in the database
//! for all servers over it, sealed by a key that is not in there.

use crate::blobs::sync_folder;
use crate::clock::{Clock, Timestamp};
use crate::error::{Context as _, Error, Result};
use crate::larder::Larder;
use crate::metadata::{Database, audit, signing_keys as rows};
use crate::model::Principal;
use crate::signed_url::{Claim, KEY_BYTES, KeyRing, Purpose, Refusal};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

/// Keys that no longer sign are kept so long: no link lives longer.
const RETIRED_MS: i64 = 13 * 60 * 60 * 1000;

/// Of an embedded store, in its data folder.
pub(crate) const KEYS_FILE: &str = "signing-keys.json";

/// Where the keys that sign links are kept.
#[derive(Clone)]
pub enum Signing {
    /// In a file of the data folder.
    File,
    /// In the database, sealed with this key.
    Sealed([u8; 32]),
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::File => "File",
            Self::Sealed(_) => "Sealed",
        })
    }
}

/// One key.
#[derive(Clone)]
struct SigningKey {
    id: u16,
    bytes: [u8; KEY_BYTES],
    created_at: Timestamp,
}

/// The keys of a store, as this process knows them.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    ring: RwLock<Arc<KeyRing>>,
    home: Home,
}

enum Home {
    File(PathBuf),
    Database {
        database: Arc<Database>,
        seal: [u8; 32],
    },
}

#[derive(Deserialize, Serialize)]
struct StoredKey {
    id: u16,
    key: String,
    #[serde(default)]
    created_at: i64,
}

impl SigningKeys {
    /// Reads the keys of a store, or makes a first one. A key that is too short is refused.
    pub(crate) async fn open(
        signing: &Signing,
        data: &Path,
        database: &Arc<Database>,
        clock: &Clock,
    ) -> Result<Self> {
        let home = match signing {
            Signing::File => Home::File(data.join(KEYS_FILE)),
            Signing::Sealed(seal) => Home::Database {
                database: database.clone(),
                seal: *seal,
            },
        };
        let mut keys = home.keys().await?;
        if keys.is_empty() {
            let first = SigningKey::fresh(1, clock.now())?;
            home.add(first, &[]).await?;
            keys = home.keys().await?;
        }
        Ok(Self {
            ring: RwLock::new(Arc::new(ring_of(&keys)?)),
            home,
        })
    }

    pub(crate) fn sign(&self, claim: &Claim) -> String {
        self.ring().sign(claim)
    }

    /// What a link claims. A link of a key that another server made just now is looked up again.
    pub(crate) async fn verify(
        &self,
        text: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Result<Claim, Refusal>> {
        let ring = self.ring();
        if ring.knows_key_of(text) {
            return Ok(ring.verify(text, purpose, now));
        }
        self.refresh().await?;
        Ok(self.ring().verify(text, purpose, now))
    }

    /// Learns of keys that other servers made.
    pub(crate) async fn refresh(&self) -> Result<()> {
        let fresh = Arc::new(ring_of(&self.home.keys().await?)?);
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Makes a new key, which signs from now on, and forgets those of which no link can be good any more.
    async fn rotate(&self, now: Timestamp) -> Result<u16> {
        let keys = self.home.keys().await?;
        let newest = keys.last().map_or(0, |key| key.id);
        let key = SigningKey::fresh(newest.wrapping_add(1).max(1), now)?;
        // A key retires when the next one is made.
        let next = keys.iter().skip(1).map(|key| key.created_at);
        let retired = next.chain([now]);
        let ended = keys.iter().zip(retired);
        let ended = ended.filter(|(_, retired)| retired.plus_ms(RETIRED_MS) < now);
        let ended: Vec<_> = ended.map(|(key, _)| key.id).collect();
        let id = key.id;
        self.home.add(key, &ended).await?;
        self.refresh().await?;
        Ok(id)
    }

    fn ring(&self) -> Arc<KeyRing> {
        self.ring
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Larder {
    /// Makes a new key that signs links. Links that were signed before stay good to their end. The number of the key.
    pub async fn rotate_keys(&self) -> Result<u16> {
        let now = self.store.clock.now();
        let id = self.store.keys.rotate(now).await?;
        self.store
            .database
            .write(async move |tx| {
                let what = format!("key {id}");
                audit::record(tx, now, &Principal::Operator, "rotate keys", &what).await
            })
            .await?;
        Ok(id)
    }

    /// Learns of keys that other servers over the same store made.
    pub async fn refresh_keys(&self) -> Result<()> {
        self.store.keys.refresh().await
    }
}

impl Home {
    /// All keys, oldest first.
    async fn keys(&self) -> Result<Vec<SigningKey>> {
        match self {
            Self::File(path) => match std::fs::read(path) {
                Ok(text) => parse(&text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(error).context("read the signing keys"),
            },
            Self::Database { database, seal } => {
                let sealed = database.read(async |tx| rows::all(tx).await).await?;
                sealed.iter().map(|row| open(seal, row)).collect()
            }
        }
    }

    async fn add(&self, key: SigningKey, ended: &[u16]) -> Result<()> {
        match self {
            Self::File(path) => {
                let mut keys = self.keys().await?;
                keys.retain(|key| !ended.contains(&key.id));
                keys.push(key);
                write(path, &keys)
            }
            Self::Database { database, seal } => {
                let (row, ended) = (close(seal, &key)?, ended.to_vec());
                let added = database
                    .write(async move |tx| {
                        for id in &ended {
                            rows::delete(tx, *id).await?;
                        }
                        rows::insert(tx, &row).await
                    })
                    .await;
                match added {
                    // Another server was first; its key is as good.
                    Err(Error::Conflict(_)) => Ok(()),
                    other => other,
                }
            }
        }
    }
}

impl SigningKey {
    fn fresh(id: u16, created_at: Timestamp) -> Result<Self> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::internal("draw a signing key", error))?;
        Ok(Self {
            id,
            bytes,
            created_at,
        })
    }
}

impl std::fmt::Debug for Home {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => formatter.debug_tuple("File").field(path).finish(),
            Self::Database { .. } => formatter.write_str("Database"),
        }
    }
}

fn ring_of(keys: &[SigningKey]) -> Result<KeyRing> {
    let keys = keys.iter().map(|key| (key.id, key.bytes)).collect();
    KeyRing::new(keys)
}

fn close(seal: &[u8; 32], key: &SigningKey) -> Result<rows::SealedKey> {
    let closed = || Error::internal("seal a signing key", "the cipher refused it");
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, seal).map_err(|_| closed())?;
    let mut sealed = key.bytes.to_vec();
    let nonce = cipher
        .seal_in_place_append_tag(Aad::from(domain(key.id)), &mut sealed)
        .map_err(|_| closed())?;
    let mut with_nonce = nonce.as_ref().to_vec();
    with_nonce.append(&mut sealed);
    Ok(rows::SealedKey {
        id: key.id,
        sealed: with_nonce,
        created_at: key.created_at,
    })
}

fn open(seal: &[u8; 32], row: &rows::SealedKey) -> Result<SigningKey> {
    let wrong = || {
        let reason = "it does not open the signing keys in the database: every server over one database needs the same";
        Error::invalid("keys.seal", reason)
    };
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, seal).map_err(|_| wrong())?;
    let (nonce, sealed) = row.sealed.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
    let mut sealed = sealed.to_vec();
    let opened = cipher
        .open_in_place(nonce, Aad::from(domain(row.id)), &mut sealed)
        .map_err(|_| wrong())?;
    Ok(SigningKey {
        id: row.id,
        bytes: (&*opened).try_into().map_err(|_| wrong())?,
        created_at: row.created_at,
    })
}

/// A sealed key opens as no other one.
fn domain(id: u16) -> Vec<u8> {
    format!("larder/signing-key/v1/{id}").into_bytes()
}

fn parse(text: &[u8]) -> Result<Vec<SigningKey>> {
    let wrong = |why: String| Error::internal("read the signing keys", why);
    let stored: Vec<StoredKey> =
        serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
    if stored.is_empty() {
        return Err(wrong("there is no key".to_owned()));
    }
    let key = |entry: StoredKey| {
        let bytes = URL_SAFE_NO_PAD
            .decode(&entry.key)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(SigningKey {
            id: entry.id,
            bytes: bytes
                .try_into()
                .map_err(|_| wrong("a key has not 32 bytes".to_owned()))?,
            created_at: Timestamp(entry.created_at),
        })
    };
    stored.into_iter().map(key).collect()
}

fn write(path: &Path, keys: &[SigningKey]) -> Result<()> {
    let stored: Vec<_> = keys
        .iter()
        .map(|key| StoredKey {
            id: key.id,
            key: URL_SAFE_NO_PAD.encode(key.bytes),
            created_at: key.created_at.0,
        })
        .collect();
    let text = serde_json::to_vec(&stored)
        .map_err(|error| Error::internal("write the signing keys", error))?;
    let side = path.with_extension("new");
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&side).context("write the signing keys")?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .context("write the signing keys")?;
    std::fs::rename(&side, path).context("write the signing keys")?;
    path.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_seal_and_as_itself_alone() {
        let key = SigningKey::fresh(7, Timestamp(5)).unwrap();
        let row = close(&[1; 32], &key).unwrap();
        assert!(!row.sealed.windows(KEY_BYTES).any(|part| part == key.bytes));
        assert_eq!(open(&[1; 32], &row).unwrap().bytes, key.bytes);
        let error = open(&[2; 32], &row).map(|key| key.id).unwrap_err();
        assert!(error.to_string().contains("keys.seal"), "{error}");
        assert!(open(&[1; 32], &rows::SealedKey { id: 8, ..row }).is_err());
    }

    #[test]
    fn the_file_is_read_as_written_and_weak_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let key = SigningKey::fresh(3, Timestamp(5)).unwrap();
        write(&path, std::slice::from_ref(&key)).unwrap();
        let read = parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((read[0].id, read[0].bytes), (3, key.bytes));
        for weak in [
            r#"[{"id":1,"key":"AAAA"}]"#.to_owned(),
            "[]".into(),
            format!(
                r#"[{{"id":1,"key":"{}"}}]"#,
                URL_SAFE_NO_PAD.encode([0; 32])
            ),
        ] {
            let ring = parse(weak.as_bytes()).and_then(|keys| ring_of(&keys));
            assert!(ring.is_err(), "{weak}");
        }
    }
}
