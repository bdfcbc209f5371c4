//! `/v1/api-tokens`: what automation shows.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::App;
use super::access::Caller;
use super::error::ApiError;
use super::extract::{JsonBody, present};
use super::keys::SMALL;
use crate::clock;
use crate::model::DEFAULT_LIFETIME;
use crate::model::draft::Mistake;
use crate::store::people::api_tokens::{ApiToken, NewApiToken};
use crate::views::token::{TokenList, TokenWithSecret};

/// What a new token shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateToken {
    /// What people will call it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Grants, such as `keys:read` or `keys:*`; none that the caller lacks.
    permissions: Vec<String>,
    /// The first second in which it is no longer good, never later than the caller's; left out is
    /// in 90 days, `null` is never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<i64>)]
    expires_at: Option<Option<i64>>,
}

/// List API tokens.
#[utoipa::path(get, path = "/v1/api-tokens",
    responses((status = 200, description = "All tokens, newest first", body = TokenList)))]
pub(super) async fn list(State(app): State<App>, _: Caller) -> Result<Json<TokenList>, ApiError> {
    Ok(Json(TokenList { api_tokens: app.store.api_tokens().await? }))
}

/// Make an API token.
#[utoipa::path(post, path = "/v1/api-tokens", request_body = CreateToken,
    responses((status = 201, description = "The token, with its secret", body = TokenWithSecret)))]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateToken, SMALL>,
) -> Result<Response, ApiError> {
    // Nobody hands on what they do not have.
    let lacks = |grant: &&String| flint_contract::permission::is_grant(grant) && !caller.token.may(grant);
    if let Some(more) = body.permissions.iter().find(lacks) {
        return Err(ApiError::forbidden(more));
    }
    let now = clock::now();
    let expires_at = lifetime(body.expires_at, caller.token.expires_at, now)?;
    let new = NewApiToken { name: body.name, permissions: body.permissions, expires_at };
    let (token, secret) = app.store.create_api_token(new, now, &caller.actor).await?;
    Ok((StatusCode::CREATED, Json(TokenWithSecret::new(token, &secret))).into_response())
}

/// When a new token expires: never later than the token that makes it, or a token that was meant
/// for an hour would be good for ever.
fn lifetime(asked: Option<Option<i64>>, own: Option<i64>, now: i64) -> Result<Option<i64>, ApiError> {
    let is_later = |end: Option<i64>| own.is_some_and(|own| end.is_none_or(|end| end > own));
    match asked {
        Some(end) if is_later(end) => {
            let message = "must not be later than this token expires itself".into();
            Err(ApiError::invalid_fields(vec![Mistake { field: "expires_at".into(), message }]))
        }
        Some(end) => Ok(end),
        None => Ok(Some(own.map_or(now + DEFAULT_LIFETIME, |own| own.min(now + DEFAULT_LIFETIME)))),
    }
}

/// Revoke an API token permanently.
#[utoipa::path(post, path = "/v1/api-tokens/{id}/revoke",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 200, description = "The updated token", body = ApiToken)))]
pub(super) async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<ApiToken>, ApiError> {
    Ok(Json(app.store.revoke_api_token(&id, clock::now(), &caller.actor).await?))
}
