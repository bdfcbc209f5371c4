//! Settings → API Keys: the list, and every step in a key's life.

pub(super) mod create;
mod edit;
mod form;
pub(super) mod list;
pub(super) mod reveal;
mod revoke;
mod rotate;
mod show;

use axum::Router;
use axum::routing::get;
use flint_contract::entry::is_id;
use flint_contract::key::Environment;

use super::Site;
use super::error::PageError;
use super::parts::when::When;
use super::visitor::Visitor;
use crate::store::keys::listing::Listed;
pub(super) use crate::views::who;

/// The pages of keys.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route("/settings/api-keys", get(list::page))
        .route("/settings/api-keys/new", get(create::page).post(create::create))
        .route("/settings/api-keys/{id}", get(show::page))
        .route("/settings/api-keys/{id}/edit", get(edit::page).post(edit::save))
        .route("/settings/api-keys/{id}/rotate", get(rotate::page).post(rotate::rotate))
        .route("/settings/api-keys/{id}/revoke", get(revoke::page).post(revoke::revoke))
}

/// Where a key's page is.
fn path_of(id: &str) -> String {
    format!("/settings/api-keys/{id}")
}

/// The key of an address.
async fn find(visitor: &Visitor, id: &str) -> Result<Listed, PageError> {
    if !is_id(id) {
        return Err(PageError::not_found("key"));
    }
    Ok(visitor.store.key_with_use(id).await?)
}

/// What may be shown of a key's secret.
fn masked(environment: Environment, hint: Option<&str>) -> String {
    hint.map_or_else(|| format!("{}… (imported)", environment.prefix()), Into::into)
}

/// When something was last used, plainly.
fn last_used(at: Option<i64>, now: i64) -> Option<When> {
    at.map(|at| When::from_now(at, now))
}
