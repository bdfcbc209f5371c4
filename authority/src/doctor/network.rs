//! Looks at an authority from outside, as a gateway would: is it reached, and by whom can it be overheard?

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::finding::Finding;
use crate::clock;
use crate::outbound::{Endpoint, client_config, roots};

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A certificate that ends sooner should be renewed now.
const RENEW: Duration = Duration::from_secs(14 * 86_400);

const TLS: &str = "tls";
const REACH: &str = "reach";

/// Asks the authority at this URL whether it is ready.
pub async fn probe(url: &str) -> Vec<Finding> {
    let Some(Endpoint { is_secure, host, port }) = url.parse().ok().as_ref().and_then(Endpoint::of) else {
        let advice = "use the form https://authority.example.com";
        return vec![Finding::bad(REACH, "the URL cannot be used", advice)];
    };
    match timeout(PATIENCE, ask(is_secure, &host, port)).await {
        Ok(findings) => findings,
        Err(_) => vec![Finding::bad(
            REACH,
            format!("{host}:{port} does not answer"),
            "check that it is running, and check firewalls and routes",
        )],
    }
}

async fn ask(is_secure: bool, host: &str, port: u16) -> Vec<Finding> {
    let stream = match TcpStream::connect((host, port)).await {
        Ok(stream) => stream,
        Err(error) => {
            let advice = "check that it is running, and check firewalls and routes";
            return vec![Finding::bad(REACH, format!("{host}:{port} cannot be reached: {error}"), advice)];
        }
    };
    if !is_secure {
        let here = stream.peer_addr().is_ok_and(|address| address.ip().is_loopback());
        let tls = if here {
            Finding::good(TLS, "plain HTTP, within this machine")
        } else {
            let advice = "serve TLS, or put a proxy that does in front of it, and give gateways that address";
            Finding::bad(TLS, "plain HTTP: tokens cross the network unencrypted", advice)
        };
        return vec![tls, is_ready(stream, host).await];
    }
    match handshake(stream, host).await {
        Err(error) => {
            let advice =
                "gateways refuse it too: install a certificate for this name from a CA that they trust";
            vec![Finding::bad(TLS, format!("no TLS connection to {host}: {error}"), advice)]
        }
        Ok((stream, tls)) => vec![tls, is_ready(stream, host).await],
    }
}

type Secured = tokio_rustls::client::TlsStream<TcpStream>;

async fn handshake(
    stream: TcpStream,
    host: &str,
) -> Result<(Secured, Finding), Box<dyn std::error::Error + Send + Sync>> {
    let roots = roots();
    let name = ServerName::try_from(host.to_owned())?;
    let connector = TlsConnector::from(client_config(Arc::clone(&roots))?);
    let stream = connector.connect(name.clone(), stream).await?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let later = UnixTime::since_unix_epoch(clock::since_epoch() + RENEW);
    let finding = if holds_at(chain, &name, roots, later) {
        Finding::good(TLS, "the certificate is trusted and valid for at least two weeks")
    } else {
        Finding::warn(
            TLS,
            "the certificate expires within two weeks",
            "renew it, and find out why it was not renewed automatically",
        )
    };
    Ok((stream, finding))
}

/// Whether the chain would be accepted at that time.
fn holds_at(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: Arc<RootCertStore>,
    time: UnixTime,
) -> bool {
    let Some((own, others)) = chain.split_first() else {
        return false;
    };
    WebPkiServerVerifier::builder_with_provider(roots, Arc::new(ring::default_provider()))
        .build()
        .is_ok_and(|verifier| verifier.verify_server_cert(own, others, name, &[], time).is_ok())
}

async fn is_ready(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> Finding {
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let mut answer = vec![0; 64];
    let read = async {
        stream.write_all(request.as_bytes()).await?;
        stream.read(&mut answer).await
    };
    let status = read.await.ok().and_then(|length| {
        let line = answer.get(..length)?.strip_prefix(b"HTTP/1.1 ")?;
        std::str::from_utf8(line.get(..3)?).ok()?.parse::<u16>().ok()
    });
    match status {
        Some(200) => Finding::good(REACH, "it is reachable and ready"),
        Some(status) => {
            Finding::bad(REACH, format!("/readyz answers {status}"), "look at the log of flint serve")
        }
        None => Finding::bad(REACH, "whatever answers there does not speak HTTP/1.1", "check the address"),
    }
}
