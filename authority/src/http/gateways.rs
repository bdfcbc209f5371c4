//! `/v1/gateways`: who may read the table, and what each has applied.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::App;
use super::access::Caller;
use super::error::ApiError;
use super::extract::{JsonBody, OptionalBody};
use super::keys::SMALL;
use crate::clock;
use crate::model::DEFAULT_OVERLAP;
use crate::store::gateways::Gateway;
use crate::store::propagation::{Follower, Standing};

/// A gateway and its processes.
#[derive(Serialize, ToSchema)]
pub(crate) struct GatewayView {
    id: String,
    name: String,
    created_at: i64,
    created_by: String,
    /// When it was shut out.
    revoked_at: Option<i64>,
    /// The Envoy processes that were heard of within a day.
    processes: Vec<ProcessView>,
}

/// An Envoy process, and how far it has come.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProcessView {
    /// The name of the gateway that it belongs to.
    gateway: String,
    /// What it calls itself.
    id: String,
    /// The number of the last change that all of its workers act on.
    applied_change: i64,
    /// How many changes it lacks.
    changes_behind: i64,
    /// When it first said so.
    applied_at: i64,
    /// When it was first heard of.
    first_seen_at: i64,
    /// When it was last heard of.
    seen_at: i64,
    /// `applied`, `pending` or `silent`.
    standing: Standing,
}

/// All gateways.
#[derive(Serialize, ToSchema)]
pub(super) struct GatewayList {
    gateways: Vec<GatewayView>,
    /// The number of the latest change.
    latest_change: i64,
}

/// A new gateway.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateGateway {
    /// A unique name.
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

/// A gateway with a new token, which is in no other answer ever.
#[derive(Serialize, ToSchema)]
pub(super) struct GatewayWithToken {
    id: String,
    name: String,
    created_at: i64,
    token: String,
}

impl ProcessView {
    /// How a process stands to a change.
    pub(crate) fn new(follower: &Follower, change: i64) -> Self {
        let process = &follower.process;
        Self {
            gateway: follower.gateway.clone(),
            id: process.process_id.clone(),
            applied_change: process.applied_seq,
            changes_behind: (change - process.applied_seq).max(0),
            applied_at: process.applied_at,
            first_seen_at: process.first_seen,
            seen_at: process.seen_at,
            standing: follower.standing,
        }
    }
}

/// List gateways with what their processes have applied.
#[utoipa::path(get, path = "/v1/gateways",
    responses((status = 200, description = "All gateways", body = GatewayList)))]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Json<GatewayList>, ApiError> {
    app.flush().await?;
    let latest = app.store.latest_change().await?;
    let told = app.store.propagation(latest, clock::now()).await?;
    let view = |gateway: Gateway| GatewayView {
        processes: told
            .followers
            .iter()
            .filter(|one| one.process.gateway_id == gateway.id)
            .map(|one| ProcessView::new(one, latest))
            .collect(),
        id: gateway.id,
        name: gateway.name,
        created_at: gateway.created_at,
        created_by: gateway.created_by,
        revoked_at: gateway.revoked_at,
    };
    let gateways = app.store.gateways().await?.into_iter().map(view).collect();
    Ok(Json(GatewayList { gateways, latest_change: latest }))
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
    Ok(with_token(gateway, token.reveal()))
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
    let overlap = body.overlap_seconds.unwrap_or(DEFAULT_OVERLAP);
    let (gateway, token) = app.store.rotate_gateway_token(&id, overlap, clock::now(), &caller.actor).await?;
    Ok(with_token(gateway, token.reveal()))
}

/// Revoke a gateway and all its tokens.
#[utoipa::path(post, path = "/v1/gateways/{id}/revoke",
    params(("id" = String, Path, description = "The gateway's id or name")),
    responses((status = 200, description = "The gateway as it is now", body = GatewayView)))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<GatewayView>, ApiError> {
    let gateway = app.store.revoke_gateway(&id, clock::now(), &caller.actor).await?;
    Ok(Json(GatewayView {
        id: gateway.id,
        name: gateway.name,
        created_at: gateway.created_at,
        created_by: gateway.created_by,
        revoked_at: gateway.revoked_at,
        processes: Vec::new(),
    }))
}

fn with_token(gateway: Gateway, token: &str) -> Response {
    let answer = GatewayWithToken {
        id: gateway.id,
        name: gateway.name,
        created_at: gateway.created_at,
        token: token.into(),
    };
    (StatusCode::CREATED, Json(answer)).into_response()
}
