//! Who may call what. Every route says what it needs; nothing is open because somebody forgot to say.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flint_contract::key::Digest;

use super::App;
use super::error::ApiError;
use super::extract::{GatewayCall, bearer};
use crate::clock;
use crate::server::{Guest, address, is_text};
use crate::store::Actor;
use crate::store::people::api_tokens::ApiToken;

/// What a route needs of its caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Needs {
    /// Nothing: anyone may call it.
    Nothing,
    /// The token of a gateway.
    Gateway,
    /// An API token with this permission.
    Permission(&'static str),
}

/// Who calls, by a good API token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token.
    pub(crate) token: ApiToken,
    /// For the audit log.
    pub(crate) actor: Actor,
}

/// Lets a request through to its handler where the caller has what the route needs.
pub(super) async fn guard(
    State((app, needs)): State<(App, Needs)>,
    mut request: Request,
    next: Next,
) -> Response {
    let found = match needs {
        Needs::Nothing => Ok(()),
        Needs::Gateway => gateway(&app, &mut request).await,
        Needs::Permission(permission) => api_token(&app, &mut request, permission).await,
    };
    let mut response = match found {
        // No handler has to think of what no id is made of.
        Ok(()) if !is_text(request.uri().path()) => ApiError::not_found("resource").into_response(),
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    // Answers hold secrets, or what only this caller may see.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn gateway(app: &App, request: &mut Request) -> Result<(), ApiError> {
    let call = GatewayCall::read(app, request.headers()).await?;
    if let Some(guest) = request.extensions().get::<Arc<Guest>>() {
        guest.shows(&call.gateway_id);
    }
    request.extensions_mut().insert(call);
    Ok(())
}

async fn api_token(app: &App, request: &mut Request, permission: &str) -> Result<(), ApiError> {
    let secret = bearer(request.headers()).ok_or_else(ApiError::unauthenticated)?;
    let token = app.store.api_token(&Digest::of(secret.as_bytes()), clock::now()).await?;
    let token = token.ok_or_else(ApiError::unauthenticated)?;
    if !token.may(permission) {
        return Err(ApiError::forbidden(permission));
    }
    let name = format!("{} ({})", token.name, token.id);
    let actor = Actor { kind: "api_token", name, address: address(request.extensions()) };
    request.extensions_mut().insert(Caller { token, actor });
    Ok(())
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(ApiError::unauthenticated)
    }
}

impl<S: Sync> FromRequestParts<S> for GatewayCall {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(ApiError::unauthenticated)
    }
}
