//! What happens to a key in its life: rotation, revocation, and how far that has come.

use axum::extract::{Path, State};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::SMALL;
use crate::api::App;
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, OptionalBody};
use crate::clock;
use crate::model::DEFAULT_OVERLAP;
use crate::model::draft::{Overlap, Reason};
use crate::server::address;
use crate::views::gateway::PropagationView;
use crate::views::key::{KeyView, LeakedAnswer, RotatedKey};

/// The largest body of a request that anyone may send, in bytes.
const OF_ANYONE: usize = 4 * 1024;

/// How to rotate.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RotateKey {
    /// How long the old key goes on, in seconds, never past its own end: 0 to 2592000; a day where
    /// nothing is said.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<i64>,
}

/// Why a key is revoked.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RevokeKey {
    /// For whoever reads the audit log; at most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200)]
    reason: Option<String>,
}

/// A key that should not be known to whoever found it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct LeakedKey {
    /// The whole key.
    #[schema(max_length = 300)]
    key: String,
}

/// Make a key that takes over from this one.
#[utoipa::path(post, path = "/v1/keys/{id}/rotate", params(("id" = String, Path, description = "The key's id")),
    request_body = Option<RotateKey>, responses((status = 201, description = "Both keys", body = RotatedKey)))]
pub(in crate::api) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<RotateKey, SMALL>,
) -> Result<Response, ApiError> {
    let now = clock::now();
    let overlap = Overlap::check(body.overlap_seconds.unwrap_or(DEFAULT_OVERLAP));
    let overlap = overlap.map_err(ApiError::invalid_fields)?;
    // Asked first: when there is a new key, nothing may fail that would keep its secret back.
    let last_used = app.store.key_with_use(&id).await?.last_used;
    let rotated = app.store.rotate_key(&id, overlap, now, &caller.actor).await?;
    Ok((StatusCode::CREATED, Json(RotatedKey::new(rotated, last_used, now))).into_response())
}

/// Revoke a key permanently.
#[utoipa::path(post, path = "/v1/keys/{id}/revoke", params(("id" = String, Path, description = "The key's id")),
    request_body = Option<RevokeKey>, responses((status = 200, description = "The updated key", body = KeyView)))]
pub(in crate::api) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<RevokeKey, SMALL>,
) -> Result<Json<KeyView>, ApiError> {
    let reason = Reason::check(body.reason).map_err(ApiError::invalid_fields)?;
    let now = clock::now();
    let last_used = app.store.key_with_use(&id).await?.last_used;
    let key = app.store.revoke_key(&id, reason, now, &caller.actor).await?;
    Ok(Json(KeyView::new(key, last_used, now)))
}

/// Remove a key that is over. Lists and gateways forget it, and its digest is never taken again.
#[utoipa::path(delete, path = "/v1/keys/{id}", params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "The key is removed")))]
pub(in crate::api) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.store.remove_key(&id, clock::now(), &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a leaked key. Whoever holds a key may do this; nothing else is asked for.
#[utoipa::path(post, path = "/v1/keys/revoke-leaked", request_body = LeakedKey,
    responses((status = 200, description = "The key is revoked", body = LeakedAnswer)))]
pub(in crate::api) async fn revoke_leaked(
    State(app): State<App>,
    extensions: Extensions,
    JsonBody(body): JsonBody<LeakedKey, OF_ANYONE>,
) -> Result<Json<LeakedAnswer>, ApiError> {
    let key = app.store.revoke_leaked(body.key.trim(), address(&extensions), clock::now()).await?;
    Ok(Json(key.into()))
}

/// Which gateways act on the latest change of a key.
#[utoipa::path(get, path = "/v1/keys/{id}/propagation", params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, description = "Which processes have applied the change", body = PropagationView)))]
pub(in crate::api) async fn propagation(
    State(app): State<App>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<PropagationView>, ApiError> {
    let told = app.store.propagation_of_key(&id, clock::now()).await?;
    Ok(Json(told.into()))
}
