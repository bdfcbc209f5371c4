//! `/v1/permissions`: the catalogue that the dashboard offers.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::access::Caller;
use super::error::ApiError;
use super::extract::JsonBody;
use super::keys::SMALL;
use crate::clock;
use crate::store::keys::catalogue::Offered;
use crate::views::permission::Catalogue;

/// What a permission allows.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Describe {
    /// In words, at most 200 characters.
    #[schema(max_length = 200)]
    description: String,
}

/// List the permissions that are offered.
#[utoipa::path(get, path = "/v1/permissions",
    responses((status = 200, description = "The catalogue", body = Catalogue)))]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Json<Catalogue>, ApiError> {
    Ok(Json(Catalogue { permissions: app.store.permissions().await? }))
}

/// Add a permission, or change its description.
#[utoipa::path(put, path = "/v1/permissions/{name}",
    params(("name" = String, Path, description = "The permission, such as documents:read")),
    request_body = Describe, responses((status = 200, description = "The permission", body = Offered)))]
pub(super) async fn offer(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    JsonBody(body): JsonBody<Describe, SMALL>,
) -> Result<Json<Offered>, ApiError> {
    let offered = Offered { name, description: body.description };
    Ok(Json(app.store.offer_permission(offered, clock::now(), &caller.actor).await?))
}

/// Withdraw a permission. Keys that hold it keep it.
#[utoipa::path(delete, path = "/v1/permissions/{name}",
    params(("name" = String, Path, description = "The permission")),
    responses((status = 204, description = "The permission is removed from the catalogue")))]
pub(super) async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.store.withdraw_permission(&name, clock::now(), &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
