//! TLS for a listener: a certificate chain and its key, checked when they are loaded.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// What a listener needs to speak TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Tls(TlsAcceptor);

/// What may stand in `tls.cert`.
const CERTIFICATES: &str =
    "a PEM file of certificates (-----BEGIN CERTIFICATE-----), the server's own first";
/// What may stand in `tls.key`.
const PRIVATE_KEY: &str = "a PEM file of the private key of the first certificate in tls.cert (PKCS#8, PKCS#1 or SEC1, without a pass \
     phrase)";

/// Why a certificate and key cannot be used: the setting and its value, what is wrong with it, and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{setting}: {problem}; allowed is {allowed}")]
pub struct TlsError {
    setting: String,
    problem: String,
    allowed: &'static str,
}

/// A PEM text and the setting that it is from.
struct Pem<'pem> {
    setting: String,
    text: Cow<'pem, [u8]>,
    allowed: &'static str,
}

impl Tls {
    /// Loads a chain (the server's own certificate first) and its key from PEM files.
    pub fn from_files(certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        Self::new(
            &Pem::read("tls.cert", certificates, CERTIFICATES)?,
            &Pem::read("tls.key", key, PRIVATE_KEY)?,
        )
    }

    /// The same from PEM text in memory.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::new(
            &Pem::given("tls.cert", certificates, CERTIFICATES),
            &Pem::given("tls.key", key, PRIVATE_KEY),
        )
    }

    fn new(certificates: &Pem<'_>, key: &Pem<'_>) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificates.text)
            .collect::<Result<_, _>>()
            .map_err(|error| certificates.error(&error))?;
        if chain.is_empty() {
            return Err(certificates.error(&"it holds no certificate"));
        }
        let private = PrivateKeyDer::from_pem_slice(&key.text)
            .map_err(|_| key.error(&"it holds no private key"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| certificates.error(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| match error {
                rustls::Error::InvalidCertificate(_) => certificates.error(&error),
                other => key.error(&format!(
                    "it cannot be used with {}: {other}",
                    certificates.setting
                )),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.0
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tls(…)")
    }
}

impl<'pem> Pem<'pem> {
    fn given(key: &str, text: &'pem [u8], allowed: &'static str) -> Self {
        Self {
            setting: key.to_owned(),
            text: text.into(),
            allowed,
        }
    }

    fn read(key: &str, path: &Path, allowed: &'static str) -> Result<Self, TlsError> {
        let mut pem = Self {
            setting: format!("{key} = {:?}", path.display().to_string()),
            text: Cow::default(),
            allowed,
        };
        pem.text = std::fs::read(path)
            .map_err(|error| pem.error(&format!("it cannot be read: {error}")))?
            .into();
        Ok(pem)
    }

    fn error(&self, problem: &dyn std::fmt::Display) -> TlsError {
        TlsError {
            setting: self.setting.clone(),
            problem: problem.to_string(),
            allowed: self.allowed,
        }
    }
}
