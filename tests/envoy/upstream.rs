//! An upstream that echoes: what it received comes back as JSON, and is recorded.
//!
//! HTTP/1.1 and HTTP/2 on one port. A WebSocket handshake is accepted and every byte after it comes
//! back. A gRPC call gets an empty answer with `grpc-status: 0`.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use flint_contract::key::Digest;

/// Where upstreams and HTTP/2 clients run.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("threads start"));

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A running upstream; it stops when it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Value>>>,
    acceptor: JoinHandle<()>,
}

// === impl Upstream ===

impl Upstream {
    /// Starts an upstream that calls itself by this name in what it echoes.
    pub(crate) fn start(name: &'static str) -> Self {
        let listener = RUNTIME.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let acceptor = RUNTIME.spawn(accept(listener, name, received.clone()));
        Self { address, received, acceptor }
    }

    /// Everything that got through so far, as it was echoed.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, name: &'static str, received: Arc<Mutex<Vec<Value>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let received = received.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, name, received.clone()));
            let server = auto::Builder::new(TokioExecutor::new());
            // Envoy hangs up as it likes.
            drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    name: &'static str,
    received: Arc<Mutex<Vec<Value>>>,
) -> Result<Response<Body>, hyper::Error> {
    let upgrade = request.headers().contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    // An upgraded request has no body but the bytes that follow the handshake.
    let body = if upgrade.is_some() { Bytes::new() } else { body.collect().await?.to_bytes() };
    let echo = json!({
        "upstream": name,
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map_or("", |path| path.as_str()),
        "version": format!("{:?}", parts.version),
        "headers": headers(&parts.headers),
        "body_length": body.len(),
        "body_sha256": Digest::of(&body).to_hex(),
    });
    received.lock().unwrap().push(echo.clone());
    if let Some(upgrade) = upgrade {
        tokio::spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
                drop(tokio::io::copy(&mut read, &mut write).await);
            }
        });
        return Ok(switching(&parts.headers));
    }
    let is_grpc = parts.headers.get("content-type").is_some_and(|kind| kind == "application/grpc");
    Ok(if is_grpc { grpc() } else { ok(&echo) })
}

/// Every field by its name in lower case; one that is repeated is a list.
fn headers(headers: &HeaderMap) -> Value {
    let value = |value: &HeaderValue| json!(String::from_utf8_lossy(value.as_bytes()));
    let mut all = Map::new();
    for name in headers.keys() {
        let mut values: Vec<Value> = headers.get_all(name).iter().map(value).collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        all.insert(name.as_str().to_owned(), value);
    }
    Value::Object(all)
}

fn ok(echo: &Value) -> Response<Body> {
    let body = serde_json::to_string_pretty(echo).expect("JSON is text");
    let response = Response::builder().header("content-type", "application/json");
    response.body(Full::from(body).boxed_unsync()).unwrap()
}

fn switching(request: &HeaderMap) -> Response<Body> {
    let protocol = request.get("upgrade").cloned().unwrap();
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", protocol)
        .body(Full::default().boxed_unsync())
        .unwrap()
}

fn grpc() -> Response<Body> {
    let trailers =
        HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let body = Full::default().with_trailers(async move { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
}
