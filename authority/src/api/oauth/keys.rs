//! `/v1/oauth/keys`: what access tokens are signed with.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::App;
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::OptionalBody;
use crate::api::keys::SMALL;
use crate::clock;
use crate::model::draft::Mistake;
use crate::oauth::key_life::Algorithm;
use crate::store::StoreError;
use crate::views::oauth::SigningKeyView;

/// How a new key takes over.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RotateSigningKey)]
pub(in crate::api) struct Rotate {
    /// Whether it signs at once, and the others are withdrawn at once: live tokens break.
    now: Option<bool>,
    /// `ES256`, `EdDSA` or `RS256`; the first if left out.
    algorithm: Option<String>,
}

/// The keys that are published.
#[derive(Serialize, ToSchema)]
#[schema(as = SigningKeyList)]
pub(in crate::api) struct KeyList {
    keys: Vec<SigningKeyView>,
}

/// List the signing keys.
#[utoipa::path(get, path = "/v1/oauth/keys", operation_id = "list_signing_keys",
    responses((status = 200, description = "The keys that are published", body = KeyList)))]
pub(in crate::api) async fn list(State(app): State<App>, _: Caller) -> Result<Json<KeyList>, ApiError> {
    let now = clock::now();
    Ok(Json(KeyList { keys: SigningKeyView::all(&app.store.signing_keys(now).await?, now) }))
}

/// Make a signing key that takes over from the one that signs.
#[utoipa::path(post, path = "/v1/oauth/keys/rotate", operation_id = "rotate_signing_key", request_body = Option<Rotate>,
    responses((status = 201, description = "The new key", body = SigningKeyView)))]
pub(in crate::api) async fn rotate(
    State(app): State<App>,
    caller: Caller,
    OptionalBody(body): OptionalBody<Rotate, SMALL>,
) -> Result<(StatusCode, Json<SigningKeyView>), ApiError> {
    let server = app.oauth.as_ref();
    let server = server
        .ok_or(StoreError::NotPossible("this server issues no tokens: it was started without --issuer"))?;
    let algorithm = Algorithm::parse(body.algorithm.as_deref().unwrap_or("ES256")).ok_or_else(|| {
        let (field, message) = ("algorithm".into(), "must be ES256, EdDSA or RS256".into());
        StoreError::Invalid(vec![Mistake { field, message }])
    })?;
    let (at_once, now) = (body.now.unwrap_or(false), clock::now());
    let made = app.store.rotate_signing_key(&server.keyring, algorithm, at_once, false, now, &caller.actor);
    let kid = made.await?.map(|key| key.times.kid).unwrap_or_default();
    let all = SigningKeyView::all(&app.store.signing_keys(now).await?, now);
    let made = all.into_iter().find(|key| key.kid == kid).ok_or(StoreError::NotFound("signing key"))?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Withdraw a signing key that no longer signs, before its time. Tokens that it signed break.
#[utoipa::path(post, path = "/v1/oauth/keys/{kid}/retire", operation_id = "retire_signing_key",
    params(("kid" = String, Path, description = "The key's id")),
    responses((status = 204, description = "It is no longer published")))]
pub(in crate::api) async fn retire(
    State(app): State<App>,
    caller: Caller,
    Path(kid): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.store.retire_signing_key(&kid, clock::now(), &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
