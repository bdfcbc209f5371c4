//! Outgoing HTTP requests: what `flint doctor --url` and the webhook of notices share.
//!
//! A connection carries one request, because both ask too seldom to keep any. How long it may all
//! take is up to them.

use std::io;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::client::conn::http1::handshake;
use hyper::service::Service as _;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where a URL leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    /// The scheme, the host and the port, and nothing else of the URL.
    root: Uri,
    /// Whether it is spoken to over TLS.
    pub(crate) is_secure: bool,
    /// A name or an address, which has no brackets.
    pub(crate) host: String,
    /// The port; that of the scheme if the URL names none.
    pub(crate) port: u16,
}

/// A connection that has not been used.
pub(crate) enum Connection {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConnected {
    /// The name is not known, or nobody listens there.
    #[error("{0:#}")]
    Tcp(anyhow::Error),
    /// TLS failed: most often the certificate is not trusted.
    #[error("{0}")]
    Tls(io::Error),
}

impl Endpoint {
    /// Where an absolute `http` or `https` URL leads.
    pub(crate) fn of(url: &Uri) -> Option<Self> {
        let is_secure = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host().filter(|host| !host.is_empty())?;
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let root = format!("{}://{host}:{port}/", url.scheme_str()?).parse().ok()?;
        Some(Self { root, is_secure, host: host.trim_matches(['[', ']']).to_owned(), port })
    }

    /// Connects: over TLS if there is a configuration for it.
    pub(crate) async fn connect(&self, tls: Option<Arc<ClientConfig>>) -> Result<Connection, NotConnected> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let stream = TowerToHyperService::new(connector).call(self.root.clone()).await;
        let stream = stream.map_err(|error| NotConnected::Tcp(error.into()))?.into_inner();
        let Some(tls) = tls else {
            return Ok(Connection::Plain(stream));
        };
        let name = ServerName::try_from(self.host.clone());
        let name = name.map_err(|error| NotConnected::Tls(io::Error::other(error)))?;
        let secured = TlsConnector::from(tls).connect(name, stream).await.map_err(NotConnected::Tls)?;
        Ok(Connection::Secured(Box::new(secured)))
    }
}

impl Connection {
    /// Sends a request and returns the status of the answer. Nothing else of the answer is waited
    /// for.
    pub(crate) async fn send(self, request: Request<Full<Bytes>>) -> hyper::Result<StatusCode> {
        match self {
            Self::Plain(stream) => send(stream, request).await,
            Self::Secured(stream) => send(stream, request).await,
        }
    }
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> hyper::Result<StatusCode>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with this function, whatever the other side does.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    Ok(sender.send_request(request).await?.status())
}

/// What this machine trusts; `SSL_CERT_FILE` names something else.
pub(crate) fn roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(roots)
}

/// TLS as a client that trusts these.
pub(crate) fn client_config(roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn parse(url: &str) -> Option<(bool, String, u16)> {
        Endpoint::of(&url.parse().ok()?).map(|to| (to.is_secure, to.host, to.port))
    }

    #[test]
    fn a_url_is_taken_apart() {
        assert_eq!(parse("https://a.example"), Some((true, "a.example".into(), 443)));
        assert_eq!(parse("http://[::1]:8080/x"), Some((false, "::1".into(), 8080)));
        for bad in ["", "a.example", "ftp://a.example", "https://", "/x"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
    #[tokio::test]
    async fn an_answer_that_comes_in_pieces_is_put_together() {
        let (stream, mut other) = tokio::io::duplex(1);
        tokio::spawn(async move {
            other.read_exact(&mut [0; 4]).await.unwrap();
            let (mut asked, mut answer) = tokio::io::split(other);
            tokio::spawn(async move { asked.read_to_end(&mut Vec::new()).await });
            answer.write_all(b"HTTP/1.1 503 Down\r\n\r\n").await.unwrap();
        });
        let request = Request::get("/readyz").body(Full::default()).unwrap();
        assert_eq!(send(stream, request).await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
