//! Whether the program lives, and whether it can serve.

use axum::extract::State;
use axum::response::Json;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;

/// Whether the program lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "The process is alive", body = Object)))]
pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether the program can serve. It cannot where the database does not answer, and while it ends.
#[utoipa::path(get, path = "/readyz", responses((status = 200, description = "The authority can serve requests", body = Object)))]
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    if *app.stopping.borrow() {
        return Err(ApiError::unavailable());
    }
    app.store.ping().await?;
    Ok(Json(json!({ "status": "ready" })))
}
