//! Whether the program lives, and whether it can serve.

use axum::extract::State;
use axum::response::Json;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;
use crate::clock;

/// Whether the program lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "The process is alive", body = Object)))]
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether the program can serve. It cannot if the database does not answer, while it ends, and if
/// it is to issue tokens and the private half of the key that signs is not here.
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "The authority can serve requests", body = Object)))]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    if *app.stopping.borrow() {
        return Err(ApiError::unavailable());
    }
    app.store.ping().await?;
    if let Some(server) = &app.oauth
        && let Err(error) = server.signer(&app.store, clock::now()).await
    {
        tracing::warn!(%error, "not ready: no token can be signed");
        return Err(ApiError::unsigned());
    }
    Ok(Json(json!({ "status": "ready" })))
}
