//! The demo's own certificate: `DATA/ca.pem` is what a client trusts.

use anyhow::{Context as _, Result};
use larder_server::listener::Tls;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where the certificate is that a client must trust.
pub(super) fn ca_path(data: &Path) -> PathBuf {
    data.join("ca.pem")
}

/// The server's side of TLS on loopback. A fresh authority for each demo signs it and is forgotten.
pub(super) fn tls(data: &Path) -> Result<Tls> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    ca.distinguished_name
        .push(DnType::CommonName, "larder demo");
    let ca_certificate = ca.self_signed(&ca_key)?;
    let key = KeyPair::generate()?;
    let names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &Issuer::new(ca, ca_key))?;
    write_private(&ca_path(data), &ca_certificate.pem())?;
    Ok(Tls::from_pem(
        certificate.pem().as_bytes(),
        key.serialize_pem().as_bytes(),
    )?)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let write = || options.open(path)?.write_all(text.as_bytes());
    write().with_context(|| format!("write {}", path.display()))
}
