//! The certificate of a server of tests, from an authority that exists for that server alone.

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Whom the certificate names: whoever connects here, by either word.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Where the files are.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) authority: PathBuf,
    pub(crate) server: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Writes a fresh one into a folder.
    pub(crate) fn make_in(folder: &Path) -> Result<Self> {
        let authority_key = KeyPair::generate().context("make the key of an authority")?;
        let mut authority = CertificateParams::default();
        let name = &mut authority.distinguished_name;
        name.push(DnType::CommonName, "larder-harness");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let signed = authority
            .self_signed(&authority_key)
            .context("make an authority")?;
        let issuer = Issuer::new(authority, authority_key);

        let key = KeyPair::generate().context("make the key of a server")?;
        let server = CertificateParams::new(NAMES.map(str::to_owned))
            .and_then(|server| server.signed_by(&key, &issuer))
            .context("make the certificate of a server")?;

        let made = Self {
            authority: folder.join("authority.pem"),
            server: folder.join("server.pem"),
            key: folder.join("server.key"),
        };
        fs::write(&made.authority, signed.pem())?;
        fs::write(&made.server, server.pem())?;
        write_secret(&made.key, &key.serialize_pem())?;
        Ok(made)
    }
}

/// A server refuses a key that others may read.
fn write_secret(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut options = fs::File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
