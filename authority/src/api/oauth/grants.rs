//! `/v1/oauth/grants`: what users have granted.

use axum::extract::{Path, State};
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::App;
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::OptionalBody;
use crate::api::keys::SMALL;
use crate::api::query::Query;
use crate::clock;
use crate::store::oauth::grants::{Grant, GrantFilter};

/// Which grants.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Which {
    /// Only those of this client, by its id.
    client: Option<String>,
    /// Only those of this user, by id or name.
    user: Option<String>,
}

/// Why a grant is withdrawn.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RevokeOauthGrant)]
pub(in crate::api) struct Revocation {
    /// For people, at most 200 characters.
    reason: Option<String>,
}

/// Grants.
#[derive(Serialize, ToSchema)]
#[schema(as = OauthGrantList)]
pub(in crate::api) struct GrantList {
    grants: Vec<Grant>,
}

/// List what users have granted.
#[utoipa::path(get, path = "/v1/oauth/grants", operation_id = "list_oauth_grants", params(Which),
    responses((status = 200, description = "Grants, the youngest first, at most 10000", body = GrantList)))]
pub(in crate::api) async fn list(
    State(app): State<App>,
    _: Caller,
    Query(which): Query<Which>,
) -> Result<Json<GrantList>, ApiError> {
    let filter = GrantFilter { client: which.client, user: which.user, ..GrantFilter::default() };
    Ok(Json(GrantList { grants: app.store.oauth_grants(&filter).await? }))
}

/// Withdraw a grant. Its tokens end at once.
#[utoipa::path(post, path = "/v1/oauth/grants/{id}/revoke", operation_id = "revoke_oauth_grant",
    params(("id" = String, Path, description = "The grant's id")), request_body = Option<Revocation>,
    responses((status = 200, description = "The grant as it is now", body = Grant)))]
pub(in crate::api) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<Revocation, SMALL>,
) -> Result<Json<Grant>, ApiError> {
    let done = app.store.revoke_oauth_grant(&id, None, body.reason, clock::now(), &caller.actor).await?;
    Ok(Json(done))
}
