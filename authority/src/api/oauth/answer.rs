//! What goes wrong at an endpoint, as an answer (RFC 6749 §5.2, RFC 7009 §2.2.1, RFC 7662 §2.3).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;

use crate::oauth::fault::Fault;
use crate::oauth::server::SignerError;
use crate::store::StoreError;

/// A fault, on its way to a client.
#[derive(Debug)]
pub(in crate::api) struct Problem {
    status: StatusCode,
    fault: Fault,
    /// The challenge, if it is not that for clients.
    challenge: Option<&'static str>,
}

impl Problem {
    /// The body is larger than is read.
    pub(super) fn too_large() -> Self {
        let fault = Fault::invalid_request("The body is larger than 65536 bytes");
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, fault, challenge: None }
    }

    /// The body came too slowly.
    pub(super) fn too_slow() -> Self {
        let fault = Fault::invalid_request("The body came too slowly");
        Self { status: StatusCode::REQUEST_TIMEOUT, fault, challenge: None }
    }

    /// An API token that is not good.
    pub(super) fn bad_api_token() -> Self {
        let challenge = Some("Bearer realm=\"flint\", error=\"invalid_token\"");
        let fault = Fault { code: "invalid_token", description: "The API token is not valid" };
        Self { status: StatusCode::UNAUTHORIZED, fault, challenge }
    }

    /// An API token that is good, and not for this.
    pub(super) fn weak_api_token() -> Self {
        let challenge =
            Some("Bearer realm=\"flint\", error=\"insufficient_scope\", scope=\"oauth:introspect\"");
        let description = "The API token lacks the permission oauth:introspect";
        let fault = Fault { code: "insufficient_scope", description };
        Self { status: StatusCode::FORBIDDEN, fault, challenge }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let status = match fault.code {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "server_error" | "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        let challenge = (status == StatusCode::UNAUTHORIZED).then_some("Basic realm=\"flint\"");
        Self { status, fault, challenge }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request for tokens failed");
        Fault::server_error().into()
    }
}

impl From<SignerError> for Problem {
    fn from(error: SignerError) -> Self {
        tracing::error!(%error, "no token can be signed");
        Fault::server_error().into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Fault { code, description } = self.fault;
        let body = json!({ "error": code, "error_description": description });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
