//! Settings → OAuth clients: the applications that may ask, and every step in their life.

mod create;
mod edit;
mod form;
mod life;
mod list;
mod show;

use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::dashboard::Site;
use crate::dashboard::confirm::show_secret;
use crate::dashboard::error::PageError;
use crate::dashboard::keys::reveal::Reveal;
use crate::dashboard::parts::badge::Badge;
use crate::dashboard::parts::when::distance;
use crate::dashboard::shell::Section;
use crate::dashboard::visitor::Visitor;
use crate::oauth::client::{Client, Kind};
use crate::oauth::request::is_client_id;
use crate::secret::Secret;
use crate::store::oauth::clients::Described;

const PATH: &str = "/settings/oauth-clients";

/// The pages of clients.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(PATH, get(list::page))
        .route("/settings/oauth-clients/new", get(create::page).post(create::create))
        .route("/settings/oauth-clients/{id}", get(show::page))
        .route("/settings/oauth-clients/{id}/edit", get(edit::page).post(edit::save))
        .route("/settings/oauth-clients/{id}/rotate", get(life::rotate).post(life::rotate))
        .route("/settings/oauth-clients/{id}/disable", get(life::disable).post(life::disable))
        .route("/settings/oauth-clients/{id}/enable", get(life::enable).post(life::enable))
        .route("/settings/oauth-clients/{id}/remove", get(life::remove).post(life::remove))
}

/// Where a client's page is.
pub(super) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

/// The client of an address.
async fn find(visitor: &Visitor, id: &str) -> Result<Described, PageError> {
    if !is_client_id(id) {
        return Err(PageError::not_found("OAuth client"));
    }
    Ok(visitor.store.oauth_client(id, visitor.now).await?)
}

fn badge(client: &Client, now: i64) -> Badge {
    match client.disabled_at {
        Some(at) => Badge::new("bad", "Disabled", distance(at, now)),
        None => Badge::new("good", "Enabled", String::new()),
    }
}

const fn kind(client: &Client) -> &'static str {
    match client.registration.kind {
        Kind::Confidential => "Confidential",
        Kind::Public => "Public",
    }
}

/// Shows a secret in the answer to the form that made it.
fn reveal(visitor: &Visitor, client: &Client, secret: &Secret) -> Response {
    let lead = format!("The application sends it to the token endpoint, with its client ID {}.", client.id);
    let shown = Reveal::new(secret.reveal(), secret.hint(), "OAUTH_CLIENT_SECRET");
    let title = (Section::Clients, client.registration.name.as_str());
    show_secret(visitor, title, ("Client secret", &lead), shown, &path_of(&client.id))
}
