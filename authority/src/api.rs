//! The HTTP API: one file per resource, and every error in the contract's envelope.
//!
//! Nothing here is ever compressed: gateways refuse a content-encoded table (contract §6), and an
//! answer that mixes a secret with what a caller sent must not tell by its length.

pub mod access;
pub mod error;
pub mod extract;
pub mod openapi;
pub mod query;

mod activity;
mod audit;
mod gateways;
mod health;
mod key_table;
mod keys;
mod metrics;
mod oauth;
mod permissions;
mod tokens;
mod usage;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use flint_contract::protocol::{KEY_TABLE_PATH, USAGE_PATH};
use tokio::sync::watch;

use crate::notices::Counts;
use crate::oauth::server::Server;
use crate::store::Store;
use access::Needs;
use error::ApiError;

/// What every request can reach.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) store: Arc<Store>,
    stopping: watch::Receiver<bool>,
    counted: Arc<metrics::Counted>,
    last_page: Arc<key_table::LastPage>,
    pub(crate) notices: Arc<Counts>,
    /// How this server issues tokens, if it does.
    oauth: Option<Arc<Server>>,
}

/// A method of a path, what it needs, and what answers.
pub struct Route {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path, with `{name}` for a part.
    pub path: &'static str,
    /// What its caller must have.
    pub needs: Needs,
    handler: MethodRouter<App>,
}

/// Every route of the API.
#[must_use]
pub fn routes() -> Vec<Route> {
    [key_routes(), oauth_routes(), status_routes()].into_iter().flatten().collect()
}

const fn route(method: &'static str, path: &'static str, needs: Needs, handler: MethodRouter<App>) -> Route {
    Route { method, path, needs, handler }
}

/// Keys, and what is kept with them: gateways, the audit log, permissions, API tokens.
fn key_routes() -> Vec<Route> {
    use Needs::{Gateway, Nothing, Permission};
    vec![
        route("GET", KEY_TABLE_PATH, Gateway, get(key_table::read)),
        route("POST", USAGE_PATH, Gateway, post(usage::receive)),
        route("GET", "/v1/keys", Permission("keys:read"), get(keys::list)),
        route("POST", "/v1/keys", Permission("keys:write"), post(keys::create)),
        route("POST", "/v1/keys/import", Permission("keys:import"), post(keys::import::import)),
        route("POST", "/v1/keys/revoke-leaked", Nothing, post(keys::life::revoke_leaked)),
        route("GET", "/v1/keys/{id}", Permission("keys:read"), get(keys::show)),
        route("PATCH", "/v1/keys/{id}", Permission("keys:write"), patch(keys::amend)),
        route("DELETE", "/v1/keys/{id}", Permission("keys:revoke"), delete(keys::life::remove)),
        route("POST", "/v1/keys/{id}/rotate", Permission("keys:write"), post(keys::life::rotate)),
        route("POST", "/v1/keys/{id}/revoke", Permission("keys:revoke"), post(keys::life::revoke)),
        route("GET", "/v1/keys/{id}/propagation", Permission("gateways:read"), get(keys::life::propagation)),
        route("GET", "/v1/keys/{id}/activity", Permission("activity:read"), get(activity::of_key)),
        route("GET", "/v1/activity", Permission("activity:read"), get(activity::of_all)),
        route("GET", "/v1/gateways", Permission("gateways:read"), get(gateways::list)),
        route("POST", "/v1/gateways", Permission("gateways:write"), post(gateways::create)),
        route(
            "POST",
            "/v1/gateways/{id}/rotate-token",
            Permission("gateways:write"),
            post(gateways::rotate_token),
        ),
        route("POST", "/v1/gateways/{id}/revoke", Permission("gateways:write"), post(gateways::revoke)),
        route("GET", "/v1/audit", Permission("audit:read"), get(audit::read)),
        route("GET", "/v1/permissions", Permission("permissions:read"), get(permissions::list)),
        route("PUT", "/v1/permissions/{name}", Permission("permissions:write"), put(permissions::offer)),
        route(
            "DELETE",
            "/v1/permissions/{name}",
            Permission("permissions:write"),
            delete(permissions::withdraw),
        ),
        route("GET", "/v1/api-tokens", Permission("tokens:read"), get(tokens::list)),
        route("POST", "/v1/api-tokens", Permission("tokens:write"), post(tokens::create)),
        route("POST", "/v1/api-tokens/{id}/revoke", Permission("tokens:write"), post(tokens::revoke)),
    ]
}

/// The authorization server's clients, grants, signing keys and users.
fn oauth_routes() -> Vec<Route> {
    use Needs::Permission;
    vec![
        route("GET", "/v1/oauth/clients", Permission("oauth:read"), get(oauth::clients::list)),
        route("POST", "/v1/oauth/clients", Permission("oauth:write"), post(oauth::clients::create)),
        route("GET", "/v1/oauth/clients/{id}", Permission("oauth:read"), get(oauth::clients::show)),
        route("PATCH", "/v1/oauth/clients/{id}", Permission("oauth:write"), patch(oauth::clients::amend)),
        route("DELETE", "/v1/oauth/clients/{id}", Permission("oauth:write"), delete(oauth::clients::remove)),
        route(
            "POST",
            "/v1/oauth/clients/{id}/rotate-secret",
            Permission("oauth:write"),
            post(oauth::clients::rotate_secret),
        ),
        route("GET", "/v1/oauth/grants", Permission("oauth:read"), get(oauth::grants::list)),
        route("POST", "/v1/oauth/grants/{id}/revoke", Permission("oauth:write"), post(oauth::grants::revoke)),
        route("GET", "/v1/oauth/keys", Permission("oauth:read"), get(oauth::keys::list)),
        route("POST", "/v1/oauth/keys/rotate", Permission("oauth:write"), post(oauth::keys::rotate)),
        route("POST", "/v1/oauth/keys/{kid}/retire", Permission("oauth:write"), post(oauth::keys::retire)),
        route("GET", "/v1/users", Permission("users:read"), get(oauth::users::list)),
        route("POST", "/v1/users", Permission("users:write"), post(oauth::users::create)),
        route("GET", "/v1/users/{id}", Permission("users:read"), get(oauth::users::show)),
        route("PATCH", "/v1/users/{id}", Permission("users:write"), patch(oauth::users::amend)),
        route("POST", "/v1/users/{id}/password", Permission("users:write"), post(oauth::users::set_password)),
    ]
}

/// Health, metrics and the description of the API.
fn status_routes() -> Vec<Route> {
    use Needs::Nothing;
    vec![
        route("GET", "/healthz", Nothing, get(health::alive)),
        route("GET", "/readyz", Nothing, get(health::ready)),
        route("GET", "/metrics", Nothing, get(metrics::read)),
        route("GET", "/openapi.json", Nothing, get(openapi::read)),
    ]
}

/// The permissions that routes need of an API token, in order.
#[must_use]
pub fn permissions() -> Arc<[&'static str]> {
    let needed = routes().into_iter().filter_map(|route| match route.needs {
        Needs::Permission(name) => Some(name),
        Needs::Gateway | Needs::Nothing => None,
    });
    needed.chain([oauth::INTROSPECT]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Every route as a service.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in routes() {
        let guard = from_fn_with_state((app.clone(), route.needs), access::guard);
        router = router.route(route.path, route.handler.layer(guard));
    }
    let endpoints = app.oauth.clone().map(|server| oauth::router(Arc::clone(&app.store), server));
    router
        .with_state(app)
        .merge(endpoints.unwrap_or_default())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
}

/// The answer to a path that no front has.
pub async fn no_such_page() -> ApiError {
    ApiError::not_found("page")
}

impl App {
    /// The state of a server that holds calls until it is told to stop.
    #[must_use]
    pub fn new(store: Arc<Store>, stopping: watch::Receiver<bool>) -> Self {
        Self {
            store,
            stopping,
            counted: Arc::default(),
            last_page: Arc::default(),
            notices: Arc::default(),
            oauth: None,
        }
    }

    /// The same, of a server that issues tokens.
    #[must_use]
    pub fn issuing(self, server: Option<Arc<Server>>) -> Self {
        Self { oauth: server, ..self }
    }
}
