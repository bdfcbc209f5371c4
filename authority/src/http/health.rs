//! Whether the program lives, and whether it can serve.

use axum::extract::State;
use axum::response::Json;
use serde_json::{Value, json};

use super::App;
use super::error::ApiError;

pub(super) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Not ready: the database does not answer, or the program is about to end.
pub(super) async fn ready(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    if *app.stopping.borrow() {
        return Err(ApiError::unavailable());
    }
    app.store.ping().await?;
    Ok(Json(json!({ "status": "ready" })))
}
