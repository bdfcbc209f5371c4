use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::Signal;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::doctor::until_graded;
use crate::harness::Backend;
use crate::program::{Serving, command, flint, signal, stderr};

/// Who signs the certificates of a test.
struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Puts a new certificate for `localhost` and its key into the directory, and gives it back.
    fn write(&self, directory: &Path) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(directory.join("cert.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    }

    /// A connection to this port of a client that trusts the issuer.
    async fn connect(
        &self,
        port: u16,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
    }
}

async fn start(test: &crate::harness::TestDatabase) -> (Serving, u16) {
    let (certificate, key) = (test.directory.path().join("cert.pem"), test.directory.path().join("key.pem"));
    let arguments = ["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let serving = Serving::start(&test.database, &arguments).await;
    let port =
        serving.client.base().strip_prefix("https://127.0.0.1:").expect("it says https").parse().unwrap();
    (serving, port)
}

/// The answer to one request over HTTP/1.1.
async fn get(mut stream: TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it closes as TLS wants it");
    answer
}

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_both_versions_of_tls() {
    let test = Backend::Sqlite.database().await;
    let issuer = Issuer::new();
    issuer.write(test.directory.path());
    let (serving, port) = start(&test).await;
    // One that connects and says nothing holds nobody up.
    let _silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    for version in [&version::TLS12, &version::TLS13] {
        for alpn in [&["http/1.1"][..], &[]] {
            let stream = issuer.connect(port, alpn, &[version]).await.unwrap();
            let answer = get(stream, "/sign-in").await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(answer.contains("strict-transport-security: max-age=31536000"), "{answer}");
        }
        let stream = issuer.connect(port, &["h2", "http/1.1"], &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::get("https://localhost/healthz").body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), 200);
    }
    let mut plain = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "tokens in the clear are refused");

    let roots = test.directory.path().join("roots.pem");
    std::fs::write(&roots, issuer.0.pem()).unwrap();
    let url = format!("https://localhost:{port}");
    until_graded(&test.database, &url, roots.to_str().unwrap(), ("ok", "ok")).await;
    assert!(serving.terminate().await.success());
}

#[tokio::test]
async fn another_certificate_is_taken_without_a_restart() {
    let test = Backend::Sqlite.database().await;
    let issuer = Issuer::new();
    let first = issuer.write(test.directory.path());
    let (serving, port) = start(&test).await;
    let shown = async || {
        let stream = issuer.connect(port, &[], &[&version::TLS13]).await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    assert_eq!(shown().await, first);
    let second = issuer.write(test.directory.path());
    signal(&serving.child, Signal::HUP);
    // Nothing but the new one ends this; the test's own time is the bound.
    while shown().await != second {
        tokio::task::yield_now().await;
    }
    assert!(serving.terminate().await.success());
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_at_the_start() {
    let test = Backend::Sqlite.database().await;
    let output = flint(&test.database, &["serve", "--tls-cert", "cert.pem"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--tls-key"), "{}", stderr(&output));
    let missing = ["serve", "--tls-cert", "/nonexistent/cert.pem", "--tls-key", "/nonexistent/key.pem"];
    let output = flint(&test.database, &missing).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot read /nonexistent/cert.pem"), "{}", stderr(&output));
    let mut proxies = command(&test.database);
    let output =
        proxies.arg("serve").env("FLINT_TRUSTED_PROXIES", "10.0.0.0/8,proxy").output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("must be an address or a block"), "{}", stderr(&output));
}
