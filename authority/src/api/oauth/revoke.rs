//! `POST /oauth/revoke`: a client ends one of its tokens (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::Endpoint;
use super::answer::Problem;
use super::form::Form;
use crate::clock;
use crate::oauth::fault::Fault;
use crate::store::oauth::ends::Revoked;

/// End a token of one's own. The body is a form: `token`, and the client as at the token endpoint.
#[utoipa::path(post, path = "/oauth/revoke", tag = "oauth",
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token is no longer valid, or never was"),
        (status = 400, description = "An error of RFC 6749 §5.2", body = Object),
        (status = 401, description = "Client authentication failed", body = Object),
        (status = 408, description = "The body came too slowly", body = Object),
        (status = 413, description = "The body is larger than 65536 bytes", body = Object),
        (status = 503, description = "Try again in a moment", body = Object)))]
pub(in crate::api) async fn revoke(
    State(endpoint): State<Endpoint>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let form = Form::read(request).await?;
    endpoint.in_time(end(&endpoint, &form)).await
}

async fn end(endpoint: &Endpoint, form: &Form) -> Result<StatusCode, Problem> {
    let now = clock::now();
    let client = form.client(endpoint, now).await?;
    let token = form.text("token")?.ok_or(Fault::invalid_request("The token is missing"))?;
    let (store, actor) = (&endpoint.store, form.actor(&client));
    // The hint is not needed: a token says by its form what it is.
    let revoked = match endpoint.server.read(store, token, now).await? {
        Some(jws) => {
            let jti = jws.claim("jti").unwrap_or_default();
            store.revoke_access_token(jti, &client.id, now, &actor).await?
        }
        None => store.revoke_refresh_token(token, &client.id, now, &actor).await?,
    };
    match revoked {
        Revoked::Done => Ok(StatusCode::OK),
        Revoked::NotYours => Err(Fault::invalid_grant().into()),
    }
}
