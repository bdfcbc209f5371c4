//! The body of a request to an endpoint, and the client that sent it. What stands in the address is
//! not read.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, header};

use super::Endpoint;
use super::answer::Problem;
use crate::oauth::authentication;
use crate::oauth::client::Client;
use crate::oauth::fault::Fault;
use crate::oauth::params::Params;
use crate::oauth::request::is_client_id;
use crate::server::{Unread, address};
use crate::store::Actor;

/// The most bytes of a body.
const MAX_BODY: usize = 64 * 1024;

/// What was sent.
pub(super) struct Form {
    pub(super) params: Params,
    pub(super) headers: HeaderMap,
    address: Option<String>,
}

impl Form {
    /// Reads the body of a request. A parameter that comes twice is a fault, but for `resource`,
    /// which has one of its own.
    pub(super) async fn read(request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_form(&parts.headers) {
            return Err(Fault::invalid_request("The body must be application/x-www-form-urlencoded").into());
        }
        let bytes = to_bytes(body, MAX_BODY).await.map_err(|error| match Unread::of(&error) {
            Unread::Large => Problem::too_large(),
            Unread::Slow => Problem::too_slow(),
            Unread::Broken => Fault::invalid_request("The body ended too early").into(),
        })?;
        let params = Params::parse(&bytes).filter(|params| !params.repeats("resource"));
        let params = params.ok_or_else(Fault::repeated)?;
        Ok(Self { params, address: address(&parts.extensions), headers: parts.headers })
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Fault> {
        self.params.text(name).map_err(|_| Fault::repeated())
    }

    /// The client that sent it, once it has shown what it is.
    pub(super) async fn client(&self, endpoint: &Endpoint, now: i64) -> Result<Client, Problem> {
        let lines: Vec<&[u8]> =
            self.headers.get_all(header::AUTHORIZATION).iter().map(|line| line.as_bytes()).collect();
        let shown = authentication::read(&lines, &self.params)?;
        if !is_client_id(&shown.client_id) {
            return Err(Fault::invalid_client().into());
        }
        let known = endpoint.store.known_oauth_client(&shown.client_id).await?;
        let once = authentication::judge(&shown, known.as_ref(), &endpoint.server.issuer, now)?;
        let client = known.ok_or_else(Fault::invalid_client)?.client;
        if let Some(once) = once
            && !endpoint.store.spend_assertion(&client.id, &once).await?
        {
            return Err(Fault::invalid_client().into());
        }
        Ok(client)
    }

    /// The client, for the audit log.
    pub(super) fn actor(&self, client: &Client) -> Actor {
        let name = format!("{} ({})", client.registration.name, client.id);
        Actor { kind: "oauth_client", name, address: self.address.clone() }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_plain = headers.get(header::CONTENT_ENCODING).is_none_or(|value| value.as_bytes() == b"identity");
    is_plain && kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
