//! Clients: requests over HTTP/1.1 and HTTP/2, and answers with nothing lost.

pub(crate) mod http1;
pub(crate) mod http2;

use std::fmt;
use std::net::SocketAddr;

use serde_json::Value;

/// The protocol between client and Envoy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path with its query, as it goes on the wire.
    pub(crate) target: String,
    /// Values are bytes: not all that is sent is text.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The fields after the body, which only HTTP/2 has here.
    pub(crate) trailers: Vec<(String, String)>,
}

// === impl Protocol ===

impl Protocol {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Http1, Self::Http2];
}

// === impl Request ===

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// Adds a field; one more where the name is there already.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Adds an `authorization` field.
    pub(crate) fn authorization(self, value: impl AsRef<[u8]>) -> Self {
        self.header("authorization", value)
    }

    /// Adds a bearer credential.
    pub(crate) fn bearer(self, token: impl AsRef<str>) -> Self {
        self.authorization(format!("Bearer {}", token.as_ref()))
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it on its own connection.
    #[track_caller]
    pub(crate) fn send(&self, protocol: Protocol, to: SocketAddr) -> Answer {
        match protocol {
            Protocol::Http1 => http1::Connection::open(to).send(self),
            Protocol::Http2 => http2::Connection::open(to).send(self),
        }
    }
}

// === impl Answer ===

impl Answer {
    /// The only field of this name; more than one fails the test.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(field, _)| field == name);
        let first = found.next()?;
        assert!(found.next().is_none(), "{name} came twice: {:?}", self.headers);
        Some(&first.1)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// What the upstream received in this field: a text, or a list where it was repeated; null
    /// where it was absent.
    #[track_caller]
    pub(crate) fn received(&self, header: &str) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["headers"][header].clone()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {:?} {:?}", self.status, self.headers, self.text(), self.trailers)
    }
}
