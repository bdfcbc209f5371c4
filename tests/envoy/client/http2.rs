//! HTTP/2 with prior knowledge (RFC 9113 §3.3).

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::header::{HeaderMap, HeaderValue};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{Answer, Request};
use crate::upstream::RUNTIME;

/// A connection whose requests are streams.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

// === impl Connection ===

impl Connection {
    #[track_caller]
    pub(crate) fn open(to: SocketAddr) -> Self {
        RUNTIME.block_on(async {
            let stream = TcpStream::connect(to).await.expect("Envoy accepts");
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("Envoy speaks HTTP/2");
            tokio::spawn(connection);
            Self { sender }
        })
    }

    /// Sends a request and reads the answer to its end.
    #[track_caller]
    pub(crate) fn send(&mut self, request: &Request) -> Answer {
        self.try_send(request).unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    /// Sends a request and reads the answer to its end; the stream may fail.
    pub(crate) fn try_send(&mut self, request: &Request) -> Result<Answer, hyper::Error> {
        let request = build(request);
        RUNTIME.block_on(async {
            self.sender.ready().await?;
            let (parts, body) = self.sender.send_request(request).await?.into_parts();
            let collected = body.collect().await?;
            let trailers = collected.trailers().map(fields).unwrap_or_default();
            Ok(Answer {
                status: parts.status.as_u16(),
                headers: fields(&parts.headers),
                body: collected.to_bytes().to_vec(),
                trailers,
            })
        })
    }
}

fn build(request: &Request) -> hyper::Request<Full<Bytes>> {
    // CONNECT has an authority in place of scheme and path (RFC 9113 §8.5), unless it opens a
    // WebSocket (RFC 8441 §4).
    let plain_connect = request.method == "CONNECT" && !request.target.starts_with('/');
    let uri = if plain_connect {
        request.target.clone()
    } else {
        format!("http://api.example.com{}", request.target)
    };
    let mut built = hyper::Request::builder().method(request.method.as_str()).uri(uri);
    if request.method == "CONNECT" && !plain_connect {
        built = built.extension(Protocol::from_static("websocket"));
    }
    for (name, value) in &request.headers {
        let value = HeaderValue::from_bytes(value).expect("HTTP/2 may carry this value");
        built = built.header(name.to_ascii_lowercase(), value);
    }
    built.body(Full::from(request.body.clone())).expect("HTTP/2 may carry this request")
}

fn fields(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
