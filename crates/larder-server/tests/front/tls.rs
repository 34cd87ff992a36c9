//! TLS: what is spoken, and what is said when it cannot be.

use std::path::Path;
use std::sync::Arc;

use larder_server::listener::{Options, Tls};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use crate::support::Server;

struct Certificate {
    pem: String,
    key: String,
    der: rustls::pki_types::CertificateDer<'static>,
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Certificate {
        pem: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        der: made.cert.der().clone(),
    }
}

fn connector(
    certificate: &Certificate,
    version: &'static SupportedProtocolVersion,
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn requests_are_answered_over_tls_1_2_and_1_3() {
    let certificate = certificate();
    let tls = Tls::from_pem(certificate.pem.as_bytes(), certificate.key.as_bytes()).unwrap();
    let server = Server::start_with(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector(&certificate, version)
            .connect(name, server.connect().await)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream
            .write_all(b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("[GET /a ]"), "{answer}");
    }
}

#[tokio::test]
async fn malformed_requests_are_refused_over_tls_too() {
    let certificate = certificate();
    let tls = Tls::from_pem(certificate.pem.as_bytes(), certificate.key.as_bytes()).unwrap();
    let server = Server::start_with(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = connector(&certificate, &rustls::version::TLS13);
    let mut stream = connector
        .connect(name, server.connect().await)
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(server.seen.begun(), 0);
}

#[tokio::test]
async fn plain_requests_to_a_tls_port_reach_no_handler() {
    let certificate = certificate();
    let tls = Tls::from_pem(certificate.pem.as_bytes(), certificate.key.as_bytes()).unwrap();
    let server = Server::start_with(Options {
        tls: Some(tls),
        ..Options::default()
    })
    .await;
    let answer = server.answer_to(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!answer.contains("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.seen.begun(), 0);
}

#[test]
fn what_is_no_certificate_or_key_is_named() {
    let (one, other) = (certificate(), certificate());
    let check = |pem: &str, key: &str| {
        Tls::from_pem(pem.as_bytes(), key.as_bytes())
            .unwrap_err()
            .to_string()
    };
    let no_certificate = "tls.cert: it holds no certificate; allowed is a PEM file";
    assert!(check("nonsense", &one.key).starts_with(no_certificate));
    assert!(check(&one.key, &one.key).starts_with(no_certificate));
    assert!(check(&one.pem, &one.pem).starts_with("tls.key: it holds no private key; allowed is"));
    let mixed = check(&one.pem, &other.key);
    assert!(
        mixed.starts_with("tls.key: it cannot be used with tls.cert: ")
            && mixed.contains("; allowed is a PEM file of the private key"),
        "{mixed}"
    );
}

#[test]
fn what_is_wrong_with_a_file_names_the_setting_the_file_and_what_is_allowed() {
    let (one, other) = (certificate(), certificate());
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (cert, key) = (file("cert.pem", &one.pem), file("key.pem", &one.key));
    let (strange, empty) = (file("other.pem", &other.key), file("empty.pem", ""));
    let missing = folder.path().join("missing.pem");
    let check = |cert: &Path, key: &Path, setting: &str, wrong: &Path, problem: &str| {
        let error = Tls::from_files(cert, key).unwrap_err().to_string();
        let begin = format!("{setting} = {:?}: {problem}", wrong.display().to_string());
        assert!(error.starts_with(&begin), "{begin}… expected: {error}");
        assert!(error.contains("; allowed is a PEM file of"), "{error}");
    };
    check(&missing, &key, "tls.cert", &missing, "it cannot be read: ");
    check(&cert, &missing, "tls.key", &missing, "it cannot be read: ");
    check(&empty, &key, "tls.cert", &empty, "it holds no certificate");
    check(&cert, &empty, "tls.key", &empty, "it holds no private key");
    check(
        &cert,
        &strange,
        "tls.key",
        &strange,
        "it cannot be used with tls.cert = ",
    );
    Tls::from_files(&cert, &key).unwrap();
}
