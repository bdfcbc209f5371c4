//! The endpoints of the authorization server that programs call, and the management of clients,
//! grants and keys.
//!
//! The endpoints have errors of their own standards; everything under `/v1/` has the contract's
//! envelope. Without an issuer there are no endpoints.

pub(super) mod clients;
pub(super) mod grants;
pub(super) mod keys;
pub(super) mod users;

mod answer;
mod cors;
mod form;
pub(super) mod introspect;
pub(super) mod published;
pub(super) mod revoke;
pub(super) mod token;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, map_response};
use axum::response::Response;
use axum::routing::{get, post};

use tokio::time::timeout;

use answer::Problem;

use super::error::ApiError;
use crate::oauth::metadata::{INTROSPECT_PATH, JWKS_PATH, METADATA_PATH, REVOKE_PATH, TOKEN_PATH};
use crate::oauth::server::Server;
use crate::store::{Store, StoreError};

/// The permission with which an API token may look into every token.
pub(super) const INTROSPECT: &str = "oauth:introspect";

/// What an endpoint can reach.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    store: Arc<Store>,
    server: Arc<Server>,
}

impl Endpoint {
    /// Does what needs the database, for as long as that may take. What is being committed then is
    /// committed.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let done = timeout(self.server.patience, work).await;
        done.unwrap_or_else(|_| Err(StoreError::timed_out().into()))
    }
}

/// The endpoints. Any origin may read the documents and get or end tokens; no other site looks into
/// them.
pub(super) fn router(store: Arc<Store>, server: Arc<Server>) -> Router {
    let documents = Router::new()
        .route(METADATA_PATH, get(published::metadata))
        .route(JWKS_PATH, get(published::jwks))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(cors::any_origin));
    let tokens = Router::new()
        .route(TOKEN_PATH, post(token::token))
        .route(REVOKE_PATH, post(revoke::revoke))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(cors::any_origin))
        // Outermost: the answer to a preflight is not kept either.
        .layer(map_response(no_store));
    let inner =
        Router::new().route(INTROSPECT_PATH, post(introspect::introspect)).layer(map_response(no_store));
    documents.merge(tokens).merge(inner).with_state(Endpoint { store, server })
}

/// Layered as the routes are, so that other origins may read this too.
async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed()
}

async fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
