//! The HTTP interface: one resource a file, every error in the contract's envelope.
//!
//! Nothing here is ever compressed: gateways refuse a content-encoded table (contract §6), and an answer that mixes a
//! secret with what a caller sent must not tell by its length.

pub mod error;
pub mod extract;
pub mod server;

mod health;
mod key_table;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::routing::{get, post};
use flint_auth::protocol::{KEY_TABLE_PATH, USAGE_PATH};
use tokio::sync::watch;

use crate::store::gateways::Acknowledgement;
use crate::store::{Store, StoreError};
use error::ApiError;

/// What every request can reach.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) store: Arc<Store>,
    acknowledged: Arc<Mutex<HashMap<(String, String), Acknowledgement>>>,
    stopping: watch::Receiver<bool>,
}

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route(KEY_TABLE_PATH, get(key_table::read))
        .route(USAGE_PATH, post(usage::receive))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(async || ApiError::not_found("page"))
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .with_state(app)
}

impl App {
    /// The state of a server that holds calls until it is told to stop.
    #[must_use]
    pub fn new(store: Arc<Store>, stopping: watch::Receiver<bool>) -> Self {
        Self { store, acknowledged: Arc::default(), stopping }
    }

    /// Notes what a process says that it has applied. It is written down by [`App::flush`], a second later at most:
    /// a thousand held calls must not be a thousand transactions.
    fn acknowledge(&self, call: Acknowledgement) {
        let key = (call.gateway_id.clone(), call.process_id.clone());
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(key, call);
    }

    /// Writes down what was noted.
    ///
    /// # Errors
    /// Where the database fails; what was noted is lost then, and said again with the next calls.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let calls = std::mem::take(&mut *self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        if calls.is_empty() {
            return Ok(());
        }
        self.store.acknowledge(&calls.into_values().collect::<Vec<_>>()).await
    }
}
