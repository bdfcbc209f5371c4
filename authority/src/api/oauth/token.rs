//! `POST /oauth/token`: codes, refresh tokens and clients themselves become access tokens (RFC 6749
//! §4.1.3, §4.4 and §6).

use axum::extract::{Request, State};
use axum::response::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::Endpoint;
use super::answer::Problem;
use super::form::Form;
use crate::clock;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::family::ShownCode;
use crate::oauth::fault::Fault;
use crate::oauth::token::Claims;
use crate::oauth::{request, scope};
use crate::store::oauth::tokens::{Issued, Wanted};

/// What a client gets (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
#[schema(as = OauthTokens)]
pub(in crate::api) struct Tokens {
    /// A JWT of RFC 9068.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// For how many seconds it is good.
    expires_in: i64,
    /// What it may do: permissions with one space between.
    scope: String,
    /// What gets the next one, if the client may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Get tokens. The body is a form: see RFC 6749.
#[utoipa::path(post, path = "/oauth/token", tag = "oauth",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Tokens", body = Tokens),
        (status = 400, description = "An error of RFC 6749 §5.2", body = Object),
        (status = 401, description = "Client authentication failed", body = Object),
        (status = 408, description = "The body came too slowly", body = Object),
        (status = 413, description = "The body is larger than 65536 bytes", body = Object),
        (status = 503, description = "Try again in a moment", body = Object)))]
pub(in crate::api) async fn token(
    State(endpoint): State<Endpoint>,
    request: Request,
) -> Result<Json<Tokens>, Problem> {
    let form = Form::read(request).await?;
    endpoint.in_time(give(&endpoint, &form)).await
}

async fn give(endpoint: &Endpoint, form: &Form) -> Result<Json<Tokens>, Problem> {
    let now = clock::now();
    let client = form.client(endpoint, now).await?;
    let grant_type = form.text("grant_type")?.ok_or(Fault::invalid_request("The grant_type is missing"))?;
    let grant_type = GrantType::parse(grant_type).ok_or_else(Fault::unsupported_grant_type)?;
    if !client.may_use(grant_type) {
        return Err(Fault::unauthorized_client().into());
    }
    // Before anything is used up that could not be signed.
    let signer = endpoint.server.signer(&endpoint.store, now).await?;
    let issued = match grant_type {
        GrantType::AuthorizationCode => by_code(endpoint, form, &client, now).await?,
        GrantType::RefreshToken => by_refresh_token(endpoint, form, &client, now).await?,
        GrantType::ClientCredentials => by_itself(endpoint, form, &client, now).await?,
    }?;
    note_use(endpoint, &client, now);
    let refresh_token = issued.refresh_token.as_ref().map(|token| token.reveal().to_owned());
    let claims = claims(endpoint, &client, issued, now);
    let access_token = claims.sign(&signer.kid, &signer.key).map_err(|error| {
        tracing::error!(%error, "a token could not be signed");
        Fault::server_error()
    })?;
    let (expires_in, scope) = (claims.lifetime(), claims.scope);
    Ok(Json(Tokens { access_token, token_type: "Bearer", expires_in, scope, refresh_token }))
}

/// What was issued, or why nothing was.
type Outcome = Result<Result<Issued, Fault>, Problem>;

async fn by_code(endpoint: &Endpoint, form: &Form, client: &Client, now: i64) -> Outcome {
    let code = form.text("code")?.ok_or(Fault::invalid_request("The code is missing"))?;
    let shown = ShownCode {
        client_id: &client.id,
        redirect_uri: form.text("redirect_uri")?,
        verifier: form.text("code_verifier")?,
    };
    let resource = resource(endpoint, form)?;
    Ok(endpoint.store.exchange_code(code, &shown, resource, now, &form.actor(client)).await?)
}

async fn by_refresh_token(endpoint: &Endpoint, form: &Form, client: &Client, now: i64) -> Outcome {
    let token = form.text("refresh_token")?;
    let token = token.ok_or(Fault::invalid_request("The refresh_token is missing"))?;
    let asked = form.params.text("scope").map_err(|_| Fault::invalid_scope())?;
    let scope = asked.map(scope::parse).transpose().map_err(|_| Fault::invalid_scope())?;
    let wanted = Wanted { scope, resource: resource(endpoint, form)? };
    Ok(endpoint.store.refresh(token, &client.id, &wanted, now, &form.actor(client)).await?)
}

async fn by_itself(endpoint: &Endpoint, form: &Form, client: &Client, now: i64) -> Outcome {
    let scope = request::scope_of(&form.params, &client.registration.permissions)?;
    let resource = request::resource_of(&form.params, &endpoint.server.resources)?;
    Ok(endpoint.store.issue_to_client(&client.id, scope, resource, now).await?)
}

/// The resource, if one is asked for; it must be one that is served.
fn resource<'a>(endpoint: &Endpoint, form: &'a Form) -> Result<Option<&'a str>, Fault> {
    let asked = form.params.text("resource").map_err(|_| Fault::invalid_target())?;
    let is_served = asked.is_none_or(|asked| endpoint.server.resources.has(asked));
    if is_served { Ok(asked) } else { Err(Fault::invalid_target()) }
}

fn claims(endpoint: &Endpoint, client: &Client, issued: Issued, now: i64) -> Claims {
    Claims {
        iss: endpoint.server.issuer.as_str().into(),
        sub: issued.subject,
        aud: issued.resource,
        client_id: client.id.clone(),
        iat: now,
        exp: issued.expires_at,
        jti: issued.jti,
        scope: scope::join(&issued.scope),
        environment: issued.environment,
    }
}

/// Notes that the client was used. Nobody waits for that, and nothing is lost with it.
fn note_use(endpoint: &Endpoint, client: &Client, now: i64) {
    if client.last_used_at.is_some_and(|time| now - time < 60) {
        return;
    }
    let (store, client) = (std::sync::Arc::clone(&endpoint.store), client.clone());
    tokio::spawn(async move {
        if let Err(error) = store.touch_oauth_client(&client, now).await {
            tracing::warn!(%error, "cannot note that a client was used");
        }
    });
}
