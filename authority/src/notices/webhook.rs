//! The operator's HTTP endpoint that receives notices, as <https://www.standardwebhooks.com>
//! describes it.
//!
//! 1. The URL may be a secret: whatever is shown of it is the scheme, the host and the port.
//! 2. Any 2xx is success. Redirects are not followed: what is sent is for the place that was named.
//!    410 ends it.
//! 3. A delivery takes ten seconds at most, with everything.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{Request, StatusCode, Uri};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http_body_util::Full;
use ring::hmac;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::outbound::{Endpoint, client_config, roots};

/// How long a delivery may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a signing secret begins with.
const SECRET_PREFIX: &str = "whsec_";

/// An endpoint that notices are sent to.
#[derive(Clone)]
pub struct Webhook {
    endpoint: Endpoint,
    /// What `Host` says.
    authority: String,
    path: String,
    tls: Option<Arc<ClientConfig>>,
    key: Option<hmac::Key>,
}

/// Why something cannot be used as a webhook. It repeats nothing of what was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAWebhook {
    /// Something else than a URL.
    #[error("the webhook must be an http or https URL, without a user, a password or a fragment")]
    Url,
    /// Something else than a secret.
    #[error("the webhook's secret must be whsec_ and then base64 of 24 to 64 bytes")]
    Secret,
    /// The program's own TLS does not work.
    #[error("TLS cannot be set up")]
    Tls,
}

/// Why a delivery failed, without anything secret.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The receiver said something else than 2xx.
    #[error("it answers {}", .0.as_u16())]
    Answered(StatusCode),
    /// The receiver wants no more.
    #[error("it answers 410: it wants no more notices")]
    Gone,
    /// Not all of it went within the time.
    #[error("no answer within ten seconds")]
    TimedOut,
    /// There is no connection.
    #[error("it cannot be reached: {0}")]
    NotReached(String),
    /// What answers does not speak HTTP/1.1.
    #[error("no HTTP answer: {0}")]
    NotHttp(hyper::Error),
}

// === impl Webhook ===

impl Webhook {
    /// Reads a URL and a secret, if there is one. The certificates that this machine trusts are
    /// read now.
    ///
    /// # Errors
    /// If one of them breaks its rule.
    pub fn new(url: &str, secret: Option<&str>) -> Result<Self, NotAWebhook> {
        // Of a fragment nothing is sent, so it is a mistake; the parser would drop it.
        let uri: Uri = url.parse().ok().filter(|_| !url.contains('#')).ok_or(NotAWebhook::Url)?;
        let endpoint = Endpoint::of(&uri).ok_or(NotAWebhook::Url)?;
        let authority =
            uri.authority().filter(|name| !name.as_str().contains('@')).ok_or(NotAWebhook::Url)?;
        // What is more than the host is a port, and must be one.
        let has_bad_port = authority.as_str() != authority.host() && authority.port_u16().is_none();
        if has_bad_port {
            return Err(NotAWebhook::Url);
        }
        Ok(Self {
            authority: authority.to_string(),
            path: uri.path_and_query().map_or_else(|| "/".into(), ToString::to_string),
            tls: endpoint
                .is_secure
                .then(|| client_config(roots()))
                .transpose()
                .map_err(|_| NotAWebhook::Tls)?,
            endpoint,
            key: secret.map(|text| parse_secret(text).ok_or(NotAWebhook::Secret)).transpose()?,
        })
    }

    /// Whether what is sent is signed.
    #[must_use]
    pub const fn signs(&self) -> bool {
        self.key.is_some()
    }

    /// Delivers a body under this id.
    ///
    /// # Errors
    /// If the receiver did not say that it has it.
    pub async fn deliver(&self, id: &str, now: i64, body: String) -> Result<StatusCode, Failure> {
        let status = timeout(PATIENCE, self.post(id, now, body)).await.map_err(|_| Failure::TimedOut)??;
        match status {
            status if status.is_success() => Ok(status),
            StatusCode::GONE => Err(Failure::Gone),
            status => Err(Failure::Answered(status)),
        }
    }

    async fn post(&self, id: &str, now: i64, body: String) -> Result<StatusCode, Failure> {
        let request = self.request(id, now, body)?;
        let connection = self.endpoint.connect(self.tls.clone()).await;
        let connection = connection.map_err(|error| Failure::NotReached(error.to_string()))?;
        connection.send(request).await.map_err(Failure::NotHttp)
    }

    fn request(&self, id: &str, now: i64, body: String) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::post(self.path.as_str())
            .header(HOST, self.authority.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("flint/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", now);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", sign(key, id, now, &body));
        }
        request.body(Full::new(body.into())).map_err(|error| Failure::NotReached(error.to_string()))
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.authority)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({self})")
    }
}

/// `v1,` and the base64 of HMAC-SHA256 over id, time and body, with points between.
fn sign(key: &hmac::Key, id: &str, now: i64, body: &str) -> String {
    let tag = hmac::sign(key, format!("{id}.{now}.{body}").as_bytes());
    format!("v1,{}", BASE64_STANDARD.encode(tag))
}

fn parse_secret(text: &str) -> Option<hmac::Key> {
    let bytes = BASE64_STANDARD.decode(text.strip_prefix(SECRET_PREFIX)?).ok()?;
    (24..=64).contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn what_is_shown_of_a_webhook_is_where_it_is() {
        for (url, shown) in [
            ("https://hooks.example.com/services/s3cret?token=s3cret", "https://hooks.example.com"),
            ("http://[::1]:9000/s3cret", "http://[::1]:9000"),
            ("https://hooks.example.com?s3cret", "https://hooks.example.com"),
        ] {
            let webhook = Webhook::new(url, Some(SECRET)).unwrap();
            assert_eq!(format!("{webhook} {webhook:?}"), format!("{shown} Webhook({shown})"));
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_it() {
        for url in [
            "",
            "hooks.example.com",
            "ftp://a",
            "https://",
            "/x",
            "https://u:s3cret@a/",
            "http://a:s3cret/",
            "http://a:99999/",
            "http://a/#s3cret",
        ] {
            let refused = Webhook::new(url, None).unwrap_err();
            assert_eq!(refused, NotAWebhook::Url, "{url}");
            assert!(!refused.to_string().contains("s3cret"));
        }
        let short = format!("whsec_{}", BASE64_STANDARD.encode([7; 23]));
        for secret in ["", "s3cret", "whsec_", "whsec_***", &short, &SECRET[6..]] {
            assert_eq!(
                Webhook::new("https://a/", Some(secret)).unwrap_err(),
                NotAWebhook::Secret,
                "{secret}"
            );
        }
    }

    /// Worked by another program: `hmac.new(secret, message, "sha256")` of Python. These are the
    /// example values of the convention's own libraries.
    #[test]
    fn a_signature_is_that_of_the_convention() {
        let key = parse_secret(SECRET).unwrap();
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    /// A receiver that answers each connection with this, and then says nothing more.
    async fn receiver(answer: &'static [u8]) -> Webhook {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(answer).await.unwrap();
                kept.push(stream);
            }
        });
        Webhook::new(&url, None).unwrap()
    }

    #[tokio::test]
    async fn the_body_of_an_answer_is_not_waited_for() {
        let webhook = receiver(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n").await;
        assert_eq!(webhook.deliver("msg_1", 1, "{}".into()).await.unwrap(), StatusCode::OK);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_left() {
        let delivered = receiver(b"").await.deliver("msg_1", 1, "{}".into()).await;
        assert!(matches!(delivered, Err(Failure::TimedOut)), "{delivered:?}");
    }
}
