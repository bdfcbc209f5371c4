//! Connections to elsewhere: what `flint doctor --url` and the webhook of notices share.

use std::sync::Arc;

use axum::http::Uri;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Where a URL leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    /// Whether it is spoken to over TLS.
    pub(crate) is_secure: bool,
    /// A name or an address, which has no brackets.
    pub(crate) host: String,
    /// The port; that of the scheme if the URL names none.
    pub(crate) port: u16,
}

impl Endpoint {
    /// Where an absolute `http` or `https` URL leads.
    pub(crate) fn of(url: &Uri) -> Option<Self> {
        let is_secure = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = url.host()?.trim_matches(['[', ']']).to_owned();
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Some(Self { is_secure, host, port }).filter(|endpoint| !endpoint.host.is_empty())
    }
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
}
