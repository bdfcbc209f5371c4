//! `/v1/gateways`: who may read the table, and what each has applied.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::access::Caller;
use super::error::ApiError;
use super::extract::{JsonBody, OptionalBody};
use super::keys::SMALL;
use crate::clock;
use crate::model::DEFAULT_OVERLAP;
use crate::model::draft::Overlap;
use crate::views::gateway::{GatewayList, GatewayView, GatewayWithToken};

/// A new gateway.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateGateway {
    /// A name; unique among gateways that are not revoked.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// How to rotate a token.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateToken {
    /// How long the old tokens go on, in seconds; a day where nothing is said.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<i64>,
}

/// List gateways with what their processes have applied.
#[utoipa::path(get, path = "/v1/gateways",
    responses((status = 200, description = "All gateways", body = GatewayList)))]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Json<GatewayList>, ApiError> {
    Ok(Json(app.store.gateway_overview(clock::now()).await?.into()))
}

/// Register a gateway.
#[utoipa::path(post, path = "/v1/gateways", request_body = CreateGateway,
    responses((status = 201, description = "The gateway, with its token", body = GatewayWithToken)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateGateway, SMALL>,
) -> Result<Response, ApiError> {
    let (gateway, token) = app.store.create_gateway(&body.name, clock::now(), &caller.actor).await?;
    Ok((StatusCode::CREATED, Json(GatewayWithToken::new(gateway, &token))).into_response())
}

/// Issue a new token for a gateway; the current ones stay valid for the overlap.
#[utoipa::path(post, path = "/v1/gateways/{id}/rotate-token",
    params(("id" = String, Path, description = "The gateway's id or name")), request_body = Option<RotateToken>,
    responses((status = 201, description = "The gateway, with its new token", body = GatewayWithToken)))]
pub(super) async fn rotate_token(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<RotateToken, SMALL>,
) -> Result<Response, ApiError> {
    let overlap = Overlap::check(body.overlap_seconds.unwrap_or(DEFAULT_OVERLAP));
    let overlap = overlap.map_err(ApiError::invalid_fields)?;
    let (gateway, token) = app.store.rotate_gateway_token(&id, overlap, clock::now(), &caller.actor).await?;
    Ok((StatusCode::CREATED, Json(GatewayWithToken::new(gateway, &token))).into_response())
}

/// Revoke a gateway and all its tokens.
#[utoipa::path(post, path = "/v1/gateways/{id}/revoke",
    params(("id" = String, Path, description = "The gateway's id or name")),
    responses((status = 200, description = "The updated gateway", body = GatewayView)))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<GatewayView>, ApiError> {
    let now = clock::now();
    let id = app.store.revoke_gateway(&id, now, &caller.actor).await?.id;
    Ok(Json(app.store.gateway_overview(now).await?.gateway(&id)?.into()))
}
