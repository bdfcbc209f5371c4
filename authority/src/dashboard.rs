//! The dashboard: pages for people, made on the server, from the same store as the API.
//!
//! 1. Every page except the sign-in page needs a session; without one, a page redirects to sign-in
//!    and back.
//! 2. Every form repeats a token of the session (CSRF), and requests from other sites are refused
//!    before the token is checked. A form that creates something can be sent once: reloading does
//!    not create a second key.
//! 3. A secret is in the answer to the form that made it, and in no other answer, no address and no
//!    log.
//! 4. Creating or changing a live key, rotating and revoking ask for the password if it was last
//!    given some minutes ago.
//! 5. Everything works without scripts; scripts make it nicer. No script or style stands inside a
//!    page, and the browser is told to run none that does (`headers`).
//! 6. Whatever is shown is escaped by the templates. Only the pieces in `parts` declare a text
//!    safe.

mod parts;

mod assets;
mod error;
mod fields;
mod form_token;
mod headers;
mod path;
mod shell;
mod visitor;

mod keys;

mod activity;
mod audit;
mod confirm;
mod gateways;
mod granting;
mod oauth;
mod operators;
mod permissions;
mod sign_in;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::response::Redirect;
use axum::routing::{get, post};

use crate::oauth::server::Server;
use crate::store::Store;
use error::PageError;

/// The largest form that is read, in bytes.
const MAX_FORM: usize = 64 * 1024;
/// Where people land.
const HOME: &str = "/settings/api-keys";

/// What every page can reach.
#[derive(Clone, Debug)]
struct Site {
    store: Arc<Store>,
    /// The permissions that an API token can have, in order.
    grants: Arc<[&'static str]>,
    /// How this server issues tokens, if it does.
    oauth: Option<Arc<Server>>,
}

/// Every page. `grants` are the permissions that an API token can have, in order.
pub fn router(store: Arc<Store>, grants: Arc<[&'static str]>, oauth: Option<Arc<Server>>) -> Router {
    let granting = if oauth.is_some() { granting::router() } else { Router::new() };
    Router::new()
        .route("/", get(async || Redirect::to(HOME)))
        .route("/settings", get(async || Redirect::to(HOME)))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/theme", post(sign_in::theme))
        .route("/assets/{name}", get(assets::serve))
        .merge(keys::router())
        .merge(activity::router())
        .merge(audit::router())
        .merge(gateways::router())
        .merge(oauth::router())
        .merge(operators::router())
        .merge(permissions::router())
        .merge(tokens::router())
        .merge(granting)
        .route("/settings/{*rest}", get(async || PageError::not_found("page")))
        .method_not_allowed_fallback(async || PageError::method_not_allowed())
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(from_fn(headers::dress))
        .with_state(Site { store, grants, oauth })
}
