//! Settings of OAuth: who may ask, who grants, what was granted, and what tokens are signed with.
//!
//! The pages work whether or not this server issues tokens, as the command line does. If it does
//! not, they say how to begin.

mod clients;
mod grants;
mod signing_keys;
mod users;

use std::fmt::Debug;

use axum::Router;
use flint_contract::key::Digest;

use super::Site;

/// The pages.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .merge(clients::router())
        .merge(grants::router())
        .merge(signing_keys::router())
        .merge(users::router())
}

/// What a form shows again, so that nobody saves over what somebody else has changed since.
fn version(of: &impl Debug) -> String {
    Digest::of(format!("{of:?}").as_bytes()).to_hex()
}

/// What an edit says that comes too late.
const STALE: &str = "Someone else changed this after you loaded the page. Your changes are below and have not been saved; \
                     saving again overwrites the other changes.";
