//! `/v1/oauth/clients`: the applications that may ask.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::App;
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, OptionalBody, present};
use crate::api::keys::SMALL;
use crate::clock;
use crate::model::DEFAULT_OVERLAP;
use crate::oauth::client::{Amendment, NewClient};
use crate::views::oauth::ClientView;

/// What a new client shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateOauthClient)]
pub(in crate::api) struct CreateClient {
    /// What people will call it; users see it.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `confidential` or `public`; confidential if left out.
    kind: Option<String>,
    /// `live` or `test`: of its tokens.
    environment: String,
    /// Where users may be sent back to, at most 20.
    redirect_uris: Option<Vec<String>>,
    /// The most that it may ask for; everything if left out.
    permissions: Option<Vec<String>>,
    /// Of `authorization_code`, `refresh_token` and `client_credentials`; the first two if left
    /// out.
    grant_types: Option<Vec<String>>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`.
    token_endpoint_auth_method: Option<String>,
    /// Its public keys, for `private_key_jwt`.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// How long an access token lives: 30 to 600 seconds.
    access_token_seconds: Option<i64>,
    /// How long a refresh token lives that is not used: 60 seconds up to the next.
    refresh_idle_seconds: Option<i64>,
    /// How long refresh tokens of one consent live in all: 60 seconds to 365 days.
    refresh_max_seconds: Option<i64>,
}

/// What shall be different. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AmendOauthClient)]
pub(in crate::api) struct AmendClient {
    /// What people call it.
    name: Option<String>,
    /// Where users may be sent back to.
    redirect_uris: Option<Vec<String>>,
    /// The most that it may ask for.
    permissions: Option<Vec<String>>,
    /// How it gets tokens.
    grant_types: Option<Vec<String>>,
    /// How it shows what it is.
    token_endpoint_auth_method: Option<String>,
    /// Its public keys; `null` takes them away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Option<Value>>,
    /// How long an access token lives.
    access_token_seconds: Option<i64>,
    /// How long a refresh token lives that is not used.
    refresh_idle_seconds: Option<i64>,
    /// How long refresh tokens of one consent live in all.
    refresh_max_seconds: Option<i64>,
    /// Whether it is disabled: its tokens end at once.
    disabled: Option<bool>,
}

/// For how long the secrets stay valid that there are.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateOauthSecret)]
pub(in crate::api) struct RotateSecret {
    /// Seconds; a day if left out, `0` ends them at once.
    overlap_seconds: Option<i64>,
}

/// All clients.
#[derive(Serialize, ToSchema)]
#[schema(as = OauthClientList)]
pub(in crate::api) struct ClientList {
    clients: Vec<ClientView>,
}

/// List OAuth clients.
#[utoipa::path(get, path = "/v1/oauth/clients", operation_id = "list_oauth_clients",
    responses((status = 200, description = "All clients, the youngest first", body = ClientList)))]
pub(in crate::api) async fn list(State(app): State<App>, _: Caller) -> Result<Json<ClientList>, ApiError> {
    let all = app.store.oauth_clients(clock::now()).await?;
    Ok(Json(ClientList { clients: all.into_iter().map(|one| ClientView::new(one, None)).collect() }))
}

/// Register an OAuth client.
#[utoipa::path(post, path = "/v1/oauth/clients", operation_id = "create_oauth_client", request_body = CreateClient,
    responses((status = 201, description = "The client, with its secret if it has one", body = ClientView)))]
pub(in crate::api) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateClient, SMALL>,
) -> Result<(StatusCode, Json<ClientView>), ApiError> {
    let (name, kind, environment) = (body.name.clone(), body.kind.clone(), body.environment.clone());
    let new = NewClient { name, kind, environment, rest: body.into() };
    let (made, secret) = app.store.create_oauth_client(new, clock::now(), &caller.actor).await?;
    let secret = secret.map(|secret| secret.reveal().to_owned());
    Ok((StatusCode::CREATED, Json(ClientView::new(made, secret))))
}

/// Show an OAuth client.
#[utoipa::path(get, path = "/v1/oauth/clients/{id}", operation_id = "show_oauth_client",
    params(("id" = String, Path, description = "The client's id")),
    responses((status = 200, description = "The client", body = ClientView)))]
pub(in crate::api) async fn show(
    State(app): State<App>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<ClientView>, ApiError> {
    Ok(Json(ClientView::new(app.store.oauth_client(&id, clock::now()).await?, None)))
}

/// Change an OAuth client, disable it or enable it again.
#[utoipa::path(patch, path = "/v1/oauth/clients/{id}", operation_id = "amend_oauth_client",
    params(("id" = String, Path, description = "The client's id")), request_body = AmendClient,
    responses((status = 200, description = "The client as it is now", body = ClientView)))]
pub(in crate::api) async fn amend(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<AmendClient, SMALL>,
) -> Result<Json<ClientView>, ApiError> {
    let changed = app.store.amend_oauth_client(&id, body.into(), clock::now(), &caller.actor).await?;
    Ok(Json(ClientView::new(changed, None)))
}

/// Make another secret for an OAuth client.
#[utoipa::path(post, path = "/v1/oauth/clients/{id}/rotate-secret", operation_id = "rotate_oauth_secret",
    params(("id" = String, Path, description = "The client's id")), request_body = Option<RotateSecret>,
    responses((status = 200, description = "The client, with its new secret", body = ClientView)))]
pub(in crate::api) async fn rotate_secret(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<RotateSecret, SMALL>,
) -> Result<Json<ClientView>, ApiError> {
    let overlap = body.overlap_seconds.unwrap_or(DEFAULT_OVERLAP);
    let (client, secret) = app.store.rotate_oauth_secret(&id, overlap, clock::now(), &caller.actor).await?;
    Ok(Json(ClientView::new(client, Some(secret.reveal().into()))))
}

/// Remove an OAuth client. Its tokens end at once.
#[utoipa::path(delete, path = "/v1/oauth/clients/{id}", operation_id = "remove_oauth_client",
    params(("id" = String, Path, description = "The client's id")),
    responses((status = 204, description = "It is gone")))]
pub(in crate::api) async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.store.remove_oauth_client(&id, clock::now(), &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<CreateClient> for Amendment {
    fn from(body: CreateClient) -> Self {
        Self {
            name: Some(body.name),
            redirect_uris: body.redirect_uris,
            permissions: body.permissions,
            grant_types: body.grant_types,
            auth_method: body.token_endpoint_auth_method,
            jwks: body.jwks.map(Some),
            access: body.access_token_seconds,
            refresh_idle: body.refresh_idle_seconds,
            refresh_max: body.refresh_max_seconds,
            disabled: None,
        }
    }
}

impl From<AmendClient> for Amendment {
    fn from(body: AmendClient) -> Self {
        Self {
            name: body.name,
            redirect_uris: body.redirect_uris,
            permissions: body.permissions,
            grant_types: body.grant_types,
            auth_method: body.token_endpoint_auth_method,
            jwks: body.jwks,
            access: body.access_token_seconds,
            refresh_idle: body.refresh_idle_seconds,
            refresh_max: body.refresh_max_seconds,
            disabled: body.disabled,
        }
    }
}
