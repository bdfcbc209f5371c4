//! A small HTTP client: one request, one answer, nothing clever.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Client {
    hyper: Hyper<HttpConnector, Full<Bytes>>,
    base: String,
    headers: Vec<(String, String)>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            hyper: Hyper::builder(TokioExecutor::new()).build_http(),
            base: base.into(),
            headers: Vec::new(),
        }
    }

    /// Where it sends its requests.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The same client, with one more header on every request.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.push((name.into(), value.into()));
        client
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// What it sends as this header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| header.1.as_str())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.with("content-type", "application/json").send(Method::POST, path, body.to_string().into()).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Bytes) -> Answer {
        self.try_send(method, path, body).await.expect("the server answers")
    }

    /// `None` where the server is gone before the answer is complete.
    pub(crate) async fn try_post(&self, path: &str, body: &Value) -> Option<Answer> {
        self.with("content-type", "application/json")
            .try_send(Method::POST, path, body.to_string().into())
            .await
    }

    async fn try_send(&self, method: Method, path: &str, body: Bytes) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = self.hyper.request(request.body(Full::new(body)).unwrap()).await.ok()?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some(Answer { status: parts.status, headers: parts.headers, body })
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body of an answer that must be a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json()
    }

    /// The code in the envelope of an answer that must be an error.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        let value = self.json();
        assert!(value["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
        (self.status.as_u16(), value["error"]["code"].as_str().unwrap().into())
    }
}
