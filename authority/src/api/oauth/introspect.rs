//! `POST /oauth/introspect`: whether a token is valid, and for what (RFC 7662). A client may ask
//! about its own tokens, an API token about all.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Json;
use flint_contract::key::Digest;
use serde_json::{Value, json};

use super::answer::Problem;
use super::form::Form;
use super::{Endpoint, INTROSPECT};
use crate::api::extract::bearer;
use crate::clock;
use crate::oauth::client::Kind;
use crate::oauth::fault::Fault;
use crate::oauth::scope;

/// Look into a token. The body is a form: `token`. Needs a confidential client, or an API token
/// with `oauth:introspect`.
#[utoipa::path(post, path = "/oauth/introspect", tag = "oauth",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The state of the token (RFC 7662 §2.2)", body = Object),
        (status = 400, description = "An error of RFC 6749 §5.2", body = Object),
        (status = 401, description = "The caller is not authenticated", body = Object),
        (status = 403, description = "The API token lacks oauth:introspect", body = Object),
        (status = 408, description = "The body came too slowly", body = Object),
        (status = 413, description = "The body is larger than 65536 bytes", body = Object),
        (status = 503, description = "Try again in a moment", body = Object)))]
pub(in crate::api) async fn introspect(
    State(endpoint): State<Endpoint>,
    request: Request,
) -> Result<Json<Value>, Problem> {
    let form = Form::read(request).await?;
    endpoint.in_time(look(&endpoint, &form)).await
}

async fn look(endpoint: &Endpoint, form: &Form) -> Result<Json<Value>, Problem> {
    let now = clock::now();
    let asker = asker(endpoint, form, now).await?;
    let token = form.text("token")?.ok_or(Fault::invalid_request("The token is missing"))?;
    let may_see = |client_id: &str| asker.as_deref().is_none_or(|own| own == client_id);
    let told = match access_token(endpoint, token, now).await? {
        Some(told) => Some(told),
        None => refresh_token(endpoint, token, now).await?,
    };
    let told = told.filter(|told| told["client_id"].as_str().is_some_and(may_see));
    Ok(Json(told.unwrap_or_else(|| json!({ "active": false }))))
}

/// Who asks: a client, which sees its own tokens only; or an API token, which sees all.
async fn asker(endpoint: &Endpoint, form: &Form, now: i64) -> Result<Option<String>, Problem> {
    let is_bearer = form.headers.get(header::AUTHORIZATION).is_some_and(|line| {
        let scheme = line.as_bytes().get(..6).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer")
    });
    if !is_bearer {
        let client = form.client(endpoint, now).await?;
        let is_proved = client.registration.kind == Kind::Confidential;
        return if is_proved { Ok(Some(client.id)) } else { Err(Fault::invalid_client().into()) };
    }
    let secret = bearer(&form.headers).ok_or_else(Problem::bad_api_token)?;
    let token = endpoint.store.api_token(&Digest::of(secret.as_bytes()), now).await?;
    let token = token.ok_or_else(Problem::bad_api_token)?;
    if token.may(INTROSPECT) { Ok(None) } else { Err(Problem::weak_api_token()) }
}

async fn access_token(endpoint: &Endpoint, token: &str, now: i64) -> Result<Option<Value>, Problem> {
    let Some(jws) = endpoint.server.read(&endpoint.store, token, now).await? else {
        return Ok(None);
    };
    if !endpoint.store.is_live_access_token(jws.claim("jti").unwrap_or_default(), now).await? {
        return Ok(None);
    }
    let mut told = json!({ "active": true, "token_type": "Bearer" });
    for name in ["scope", "client_id", "sub", "iss", "iat", "exp", "aud", "jti", "environment"] {
        told[name] = jws.claims.get(name).cloned().unwrap_or_default();
    }
    Ok(Some(told))
}

async fn refresh_token(endpoint: &Endpoint, token: &str, now: i64) -> Result<Option<Value>, Problem> {
    let found = endpoint.store.live_refresh_token(token, now).await?;
    Ok(found.map(|live| {
        json!({
            "active": true,
            "scope": scope::join(&live.scope),
            "client_id": live.client_id,
            "sub": live.user_id,
            "iss": endpoint.server.issuer.as_str(),
            "iat": live.issued_at,
            "exp": live.expires_at,
        })
    }))
}
