use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use flint::clock;
use flint::config::Database;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::harness::{Backend, PATIENCE, nobody};
use crate::program::{Serving, command};

/// Asks the doctor about a URL until it gives these grades: it waits for a server for a few seconds
/// only, and the machine may be slower.
pub(crate) async fn until_graded(database: &Database, url: &str, roots: &str, expected: (&str, &str)) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (tls, reach) = grades(database, url, roots).await;
        if (tls.as_str(), reach.as_str()) == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{url}: {tls} {reach}");
    }
}

/// The grades of what the doctor says of a URL: of `tls`, and of `reach`.
async fn grades(database: &Database, url: &str, roots: &str) -> (String, String) {
    let mut doctor = command(database);
    let output =
        doctor.args(["doctor", "--json", "--url", url]).env("SSL_CERT_FILE", roots).output().await.unwrap();
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap();
    let grade = |check: &str| {
        let found = findings["findings"].as_array().unwrap().iter().find(|one| one["check"] == check);
        found.map_or("-", |one| one["grade"].as_str().unwrap()).to_owned()
    };
    (grade("tls"), grade("reach"))
}

/// A server that is ready, for as long as the test runs, with a certificate for `localhost` that
/// ends in that many days.
pub(crate) async fn tls_server(issuer: &CertifiedIssuer<'static, KeyPair>, days: u64) -> u16 {
    let mut own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let end = UNIX_EPOCH + clock::since_epoch() + Duration::from_secs(days * 86_400);
    own.not_before = (UNIX_EPOCH + clock::since_epoch() - Duration::from_secs(3_600)).into();
    own.not_after = end.into();
    let key = KeyPair::generate().unwrap();
    let certificate = own.signed_by(&key, issuer).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // One that does not trust us ends the handshake; the next may.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 1_024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_looks_at_tls_as_a_gateway_would() {
    let test = Backend::Sqlite.database().await;
    let serving = Serving::start(&test.database, &[]).await;
    let plain = serving.client.base().to_owned();
    until_graded(&test.database, &plain, "/nonexistent", ("ok", "ok")).await;

    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let roots = test.directory.path().join("roots.pem");
    std::fs::write(&roots, issuer.pem()).unwrap();
    let roots = roots.to_str().unwrap();
    let (good, ending) = (tls_server(&issuer, 90).await, tls_server(&issuer, 7).await);
    let ask = async |port: u16, roots: &str, expected| {
        until_graded(&test.database, &format!("https://localhost:{port}"), roots, expected).await;
    };
    ask(good, roots, ("ok", "ok")).await;
    ask(ending, roots, ("warn", "ok")).await;
    ask(good, "/nonexistent", ("fail", "-")).await;

    let (_socket, closed) = nobody();
    assert_eq!(grades(&test.database, &format!("http://{closed}"), roots).await.1, "fail");
    assert_eq!(grades(&test.database, "nonsense", roots).await.1, "fail");
}
