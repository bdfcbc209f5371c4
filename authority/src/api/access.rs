//! Who may call what. Every route declares what it needs; no route is open because a declaration
//! was forgotten.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flint_contract::key::Digest;

use super::App;
use super::error::ApiError;
use super::extract::{GatewayCall, bearer};
use crate::clock;
use crate::server::{Guest, address, is_text, until_taken};
use crate::store::Actor;
use crate::store::people::api_tokens::ApiToken;
use crate::store::turns::{OF_A_CALLER, OF_A_GATEWAY, Turn};

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
        Needs::Nothing => Ok(None),
        Needs::Gateway => gateway(&app, &mut request).await,
        Needs::Permission(permission) => api_token(&app, &mut request, permission).await,
    };
    let mut response = match found {
        // No handler has to think of what no id is made of.
        Ok(_) if !is_text(request.uri().path()) => ApiError::not_found("resource").into_response(),
        Ok(Some(Turns { own, slow })) => {
            let response = next.run(request).await;
            drop(slow);
            until_taken(response, own)
        }
        Ok(None) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    // Answers hold secrets, or what only this caller may see.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// What a request has to have while it is under way.
struct Turns {
    /// One of the caller's own, until the answer has been taken: it is in memory as long.
    own: Turn,
    /// One among all, if it reads a lot.
    slow: Option<[Turn; 2]>,
}

async fn gateway(app: &App, request: &mut Request) -> Result<Option<Turns>, ApiError> {
    let call = GatewayCall::read(app, request.headers()).await?;
    if let Some(guest) = request.extensions().get::<Arc<Guest>>() {
        guest.shows(&call.gateway_id);
    }
    // Calls for the table are held; they take a turn while they read it.
    let turn = match *request.method() {
        Method::POST => {
            let own = app.store.turns().own(&call.gateway_id, OF_A_GATEWAY).await?;
            Some(Turns { own, slow: None })
        }
        _ => None,
    };
    request.extensions_mut().insert(call);
    Ok(turn)
}

async fn api_token(app: &App, request: &mut Request, permission: &str) -> Result<Option<Turns>, ApiError> {
    let secret = bearer(request.headers()).ok_or_else(ApiError::unauthenticated)?;
    let token = app.store.api_token(&Digest::of(secret.as_bytes()), clock::now()).await?;
    let token = token.ok_or_else(ApiError::unauthenticated)?;
    if !token.may(permission) {
        return Err(ApiError::forbidden(permission));
    }
    let name = format!("{} ({})", token.name, token.id);
    let actor = Actor { kind: "api_token", name, address: address(request.extensions()) };
    let turns = app.store.turns();
    let own = turns.own(&token.id, OF_A_CALLER).await?;
    let slow = if request.method() == Method::GET { Some(turns.slow(&token.id).await?) } else { None };
    request.extensions_mut().insert(Caller { token, actor });
    Ok(Some(Turns { own, slow }))
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
