//! Where a PostgreSQL is and how it is spoken to: a `postgres://` URL as libpq reads it
//! (postgresql.org/docs, "Connection URIs"), with TLS by rustls.

use crate::error::{Context as _, Error, Result};
use percent_encoding::percent_decode_str;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the kernel waits for what it sent to be acknowledged before it gives a connection up.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);
/// What every connection asks of the server: nobody waits longer for a lock than a client waits for an answer, and a
/// process that hangs in a transaction does not hold its rows for ever.
const SESSION: &str = "-c lock_timeout=4s -c idle_in_transaction_session_timeout=60s";

/// Where a PostgreSQL is, as whom, and how.
#[derive(Clone)]
pub struct PostgresAddress {
    config: tokio_postgres::Config,
    trust: Trust,
    /// Connections at most.
    pub connections: usize,
}

/// Whom to believe to be the server, where TLS is spoken.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Trust {
    /// Anybody: what is sent is hidden from those who listen, not from those who stand in between.
    Anybody,
    /// Who shows a certificate for the host, signed by one in this file.
    SignedBy(PathBuf),
}

impl PostgresAddress {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with `sslmode` and `sslrootcert` among others behind a `?`.
    /// The error is for people and holds no part of the password.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => {
                    let path = percent_decode_str(value).decode_utf8_lossy();
                    root = Some(PathBuf::from(&*path));
                }
                _ => rest.push(pair),
            }
        }
        let ssl_mode = match mode {
            None | Some("prefer") if root.is_none() => SslMode::Prefer,
            Some("disable") => SslMode::Disable,
            None | Some("prefer" | "require" | "verify-full") => SslMode::Require,
            Some(other) => {
                return Err(format!(
                    "sslmode={other} is not one of disable, prefer, require, verify-full"
                ));
            }
        };
        let trust = match (mode, root) {
            (_, Some(root)) => Trust::SignedBy(root),
            (Some("verify-full"), None) => {
                return Err(
                    "sslmode=verify-full needs sslrootcert=FILE, the certificates to trust".into(),
                );
            }
            (_, None) => Trust::Anybody,
        };
        let text = if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", rest.join("&"))
        };
        // The parser's own words could hold what is secret.
        let mut config: tokio_postgres::Config = text.parse().map_err(|_| {
            "it is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()
        })?;
        if config.get_dbname().is_none() {
            return Err("it names no database: postgres://USER:PASSWORD@HOST:PORT/DATABASE".into());
        }
        if config.get_application_name().is_none() {
            config.application_name("larder");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(ACKNOWLEDGED_WITHIN);
        }
        let session = match config.get_options() {
            Some(own) => format!("{SESSION} {own}"),
            None => SESSION.to_owned(),
        };
        config.options(&session).ssl_mode(ssl_mode);
        Ok(Self {
            config,
            trust,
            connections: 16,
        })
    }

    pub(super) fn config(&self) -> tokio_postgres::Config {
        self.config.clone()
    }

    pub(super) fn tls(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::internal("prepare TLS to the database", error))?;
        let config = match &self.trust {
            Trust::Anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth(),
            Trust::SignedBy(file) => builder
                .with_root_certificates(roots(file)?)
                .with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    /// The host and database, without what is secret.
    pub fn shown(&self) -> String {
        let hosts: Vec<_> = self
            .config
            .get_hosts()
            .iter()
            .map(|host| match host {
                tokio_postgres::config::Host::Tcp(name) => name.clone(),
                tokio_postgres::config::Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let ports: Vec<_> = self.config.get_ports().iter().map(u16::to_string).collect();
        let port = if ports.is_empty() {
            String::new()
        } else {
            format!(":{}", ports.join(","))
        };
        let database = self.config.get_dbname().unwrap_or("");
        format!("postgres://{}{port}/{database}", hosts.join(","))
    }
}

impl std::fmt::Debug for PostgresAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PostgresAddress")
            .field("address", &self.shown())
            .field("trust", &self.trust)
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

fn roots(file: &std::path::Path) -> Result<RootCertStore> {
    let text = std::fs::read(file).context_at("read the certificates of sslrootcert", file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate
            .map_err(|error| Error::internal("read the certificates of sslrootcert", error))?;
        roots
            .add(certificate)
            .map_err(|error| Error::internal("read the certificates of sslrootcert", error))?;
    }
    if roots.is_empty() {
        return Err(Error::invalid(
            "sslrootcert",
            format!("{} holds no certificate", file.display()),
        ));
    }
    Ok(roots)
}

/// Takes every certificate, as libpq does for `prefer` and `require` without `sslrootcert`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_libpq_reads_them_and_mistakes_hold_no_secret() {
        let read = |url: &str| PostgresAddress::parse(url);
        let plain = read("postgres://u:secret@db.example:5433/larder").unwrap();
        assert_eq!(plain.shown(), "postgres://db.example:5433/larder");
        assert_eq!(plain.config.get_ssl_mode(), SslMode::Prefer);
        assert!(!format!("{plain:?}").contains("secret"));
        let verified =
            read("postgres://u:p@db/larder?sslmode=verify-full&sslrootcert=%2Fca.pem").unwrap();
        assert_eq!(verified.trust, Trust::SignedBy("/ca.pem".into()));
        assert_eq!(verified.config.get_ssl_mode(), SslMode::Require);
        for (wrong, word) in [
            (
                "postgres://u:secret@db/larder?sslmode=verify-full",
                "sslrootcert",
            ),
            ("postgres://u:secret@db/larder?sslmode=maybe", "sslmode"),
            ("postgres://u:secret@db", "database"),
            ("postgres://u:secret@db:port/larder", "form"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
