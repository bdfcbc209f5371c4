//! What everybody may read: the metadata and the public signing keys.

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::Endpoint;
use super::answer::Problem;
use crate::clock;

/// The server's metadata (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth",
    responses((status = 200, description = "The metadata", body = Object),
        (status = 503, description = "Try again in a moment", body = Object)))]
pub(in crate::api) async fn metadata(State(endpoint): State<Endpoint>) -> Result<Response, Problem> {
    let published = endpoint.server.published(&endpoint.store, clock::now()).await?;
    Ok(document(published.metadata.clone()))
}

/// The public keys that access tokens are signed with (RFC 7517).
#[utoipa::path(get, path = "/oauth/jwks.json", tag = "oauth",
    responses((status = 200, description = "The keys", body = Object),
        (status = 503, description = "Try again in a moment", body = Object)))]
pub(in crate::api) async fn jwks(State(endpoint): State<Endpoint>) -> Result<Response, Problem> {
    let now = clock::now();
    let published = endpoint.server.published(&endpoint.store, now).await?;
    Ok(document(published.jwks(now)))
}

fn document(json: String) -> Response {
    let kind = HeaderValue::from_static("application/json");
    let keep = HeaderValue::from_static("public, max-age=60");
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], json).into_response()
}
