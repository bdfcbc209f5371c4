//! Looks at an authority from outside, as a gateway would: is it reached, and by whom can it be overheard?

use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::clock;
use crate::store::examination::Finding;

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A certificate that ends sooner should be renewed now.
const RENEW: Duration = Duration::from_secs(14 * 86_400);

const TLS: &str = "tls";
const REACH: &str = "reach";

/// Asks the authority at this URL whether it is ready.
pub async fn probe(url: &str) -> Vec<Finding> {
    let Some((secure, host, port)) = parse(url) else {
        let advice = "say it like https://authority.example.com";
        return vec![Finding::bad(REACH, "the URL cannot be used", advice)];
    };
    match timeout(PATIENCE, ask(secure, &host, port)).await {
        Ok(findings) => findings,
        Err(_) => vec![Finding::bad(
            REACH,
            format!("{host}:{port} does not answer"),
            "is it running, and is the way open?",
        )],
    }
}

async fn ask(secure: bool, host: &str, port: u16) -> Vec<Finding> {
    let stream = match TcpStream::connect((host, port)).await {
        Ok(stream) => stream,
        Err(error) => {
            let advice = "is it running, and is the way open?";
            return vec![Finding::bad(REACH, format!("{host}:{port} is not reached: {error}"), advice)];
        }
    };
    if !secure {
        let here = stream.peer_addr().is_ok_and(|address| address.ip().is_loopback());
        let tls = if here {
            Finding::good(TLS, "plain HTTP, within this machine")
        } else {
            let advice = "put a proxy that speaks TLS before it, and give gateways that address";
            Finding::bad(TLS, "plain HTTP: tokens cross the network in the clear", advice)
        };
        return vec![tls, is_ready(stream, host).await];
    }
    match handshake(stream, host).await {
        Err(error) => {
            let advice = "gateways refuse it too: install a certificate for this name from an authority that they trust";
            vec![Finding::bad(TLS, format!("no secure connection to {host}: {error}"), advice)]
        }
        Ok((stream, tls)) => vec![tls, is_ready(stream, host).await],
    }
}

type Secured = tokio_rustls::client::TlsStream<TcpStream>;

async fn handshake(
    stream: TcpStream,
    host: &str,
) -> Result<(Secured, Finding), Box<dyn std::error::Error + Send + Sync>> {
    let (provider, roots) = (Arc::new(ring::default_provider()), roots());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(&roots))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name.clone(), stream).await?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let later = UnixTime::since_unix_epoch(clock::since_epoch() + RENEW);
    let finding = if holds_at(chain, &name, roots, provider, later) {
        Finding::good(TLS, "the certificate is trusted and will be in two weeks")
    } else {
        Finding::warn(
            TLS,
            "the certificate ends within two weeks",
            "renew it, and see why that did not happen by itself",
        )
    };
    Ok((stream, finding))
}

/// Whether the chain would be accepted at that time.
fn holds_at(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    time: UnixTime,
) -> bool {
    let Some((own, others)) = chain.split_first() else {
        return false;
    };
    WebPkiServerVerifier::builder_with_provider(roots, provider)
        .build()
        .is_ok_and(|verifier| verifier.verify_server_cert(own, others, name, &[], time).is_ok())
}

/// What this machine trusts; `SSL_CERT_FILE` names something else.
pub(crate) fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
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
        Some(200) => Finding::good(REACH, "it is reached and ready"),
        Some(status) => {
            Finding::bad(REACH, format!("/readyz answers {status}"), "look at the log of flint serve")
        }
        None => Finding::bad(REACH, "what answers there does not speak HTTP/1.1", "is it the right address?"),
    }
}

fn parse(url: &str) -> Option<(bool, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let secure = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    Some((secure, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        assert_eq!(parse("https://a.example"), Some((true, "a.example".into(), 443)));
        assert_eq!(parse("http://[::1]:8080/x"), Some((false, "::1".into(), 8080)));
        for bad in ["", "a.example", "ftp://a.example", "https://", "/x"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
