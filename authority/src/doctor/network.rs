//! Looks at an authority from outside, as a gateway would: is it reached, and by whom can it be
//! overheard?

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::HOST;
use axum::http::{Request, StatusCode};
use http_body_util::Full;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::time::timeout;

use super::finding::Finding;
use crate::clock;
use crate::outbound::{Connection, Endpoint, NotConnected, client_config, roots};

/// How long the other side may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// A certificate that ends sooner should be renewed now.
const RENEW: Duration = Duration::from_secs(14 * 86_400);

/// What to do about a server that is not there.
const SEARCH: &str = "check that it is running, and check firewalls and routes";

const TLS: &str = "tls";
const REACH: &str = "reach";

/// Asks the authority at this URL whether it is ready.
pub async fn probe(url: &str) -> Vec<Finding> {
    let Some(endpoint) = url.parse().ok().as_ref().and_then(Endpoint::of) else {
        let advice = "use the form https://authority.example.com";
        return vec![Finding::bad(REACH, "the URL cannot be used", advice)];
    };
    match timeout(PATIENCE, ask(&endpoint)).await {
        Ok(findings) => findings,
        Err(_) => {
            vec![Finding::bad(REACH, format!("{}:{} does not answer", endpoint.host, endpoint.port), SEARCH)]
        }
    }
}

async fn ask(endpoint: &Endpoint) -> Vec<Finding> {
    let Endpoint { host, port, .. } = endpoint;
    let roots = roots();
    let connected = match endpoint.is_secure.then(|| client_config(Arc::clone(&roots))).transpose() {
        Ok(config) => endpoint.connect(config).await,
        Err(error) => Err(NotConnected::Tls(std::io::Error::other(error))),
    };
    match connected {
        Ok(connection) => vec![privacy(&connection, host, roots), is_ready(connection, host).await],
        Err(NotConnected::Tcp(error)) => {
            vec![Finding::bad(REACH, format!("{host}:{port} cannot be reached: {error:#}"), SEARCH)]
        }
        Err(NotConnected::Tls(error)) => {
            let advice =
                "gateways refuse it too: install a certificate for this name from a CA that they trust";
            vec![Finding::bad(TLS, format!("no TLS connection to {host}: {error}"), advice)]
        }
    }
}

/// By whom it can be overheard, now and in two weeks.
fn privacy(connection: &Connection, host: &str, roots: Arc<RootCertStore>) -> Finding {
    match connection {
        Connection::Plain(stream) if stream.peer_addr().is_ok_and(|address| address.ip().is_loopback()) => {
            Finding::good(TLS, "plain HTTP, within this machine")
        }
        Connection::Plain(_) => {
            let advice = "serve TLS, or put a proxy that does in front of it, and give gateways that address";
            Finding::bad(TLS, "plain HTTP: tokens cross the network unencrypted", advice)
        }
        Connection::Secured(stream) => {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let later = UnixTime::since_unix_epoch(clock::since_epoch() + RENEW);
            if holds_at(chain, host, roots, later) {
                Finding::good(TLS, "the certificate is trusted and valid for at least two weeks")
            } else {
                let advice = "renew it, and find out why it was not renewed automatically";
                Finding::warn(TLS, "the certificate expires within two weeks", advice)
            }
        }
    }
}

/// Whether the chain would be accepted at that time.
fn holds_at(chain: &[CertificateDer<'_>], host: &str, roots: Arc<RootCertStore>, time: UnixTime) -> bool {
    let (Some((own, others)), Ok(name)) = (chain.split_first(), ServerName::try_from(host)) else {
        return false;
    };
    WebPkiServerVerifier::builder_with_provider(roots, Arc::new(ring::default_provider()))
        .build()
        .is_ok_and(|verifier| verifier.verify_server_cert(own, others, &name, &[], time).is_ok())
}

async fn is_ready(connection: Connection, host: &str) -> Finding {
    let request = Request::get("/readyz").header(HOST, host).body(Full::default());
    let status = match request {
        Ok(request) => connection.send(request).await.ok(),
        Err(_) => None,
    };
    match status {
        Some(StatusCode::OK) => Finding::good(REACH, "it is reachable and ready"),
        Some(status) => {
            let finding = format!("/readyz answers {}", status.as_u16());
            Finding::bad(REACH, finding, "look at the log of flint serve")
        }
        None => Finding::bad(REACH, "whatever answers there does not speak HTTP/1.1", "check the address"),
    }
}
