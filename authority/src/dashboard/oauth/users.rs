//! Settings → Users: the people who sign in to grant, and what they granted.

mod edit;
mod life;
mod list;
mod show;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use flint_contract::entry::is_id;

use crate::dashboard::Site;
use crate::dashboard::confirm::show_secret;
use crate::dashboard::error::PageError;
use crate::dashboard::keys::reveal::Reveal;
use crate::dashboard::parts::badge::Badge;
use crate::dashboard::parts::when::distance;
use crate::dashboard::shell::Section;
use crate::dashboard::visitor::Visitor;
use crate::secret::Secret;
use crate::store::oauth::users::User;

const PATH: &str = "/settings/users";
/// What stands for a password that is not shown.
const DOTS: &str = "••••••••••••••••";

/// The pages of users.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(PATH, get(list::page))
        .route("/settings/users/new", get(edit::new).post(edit::create))
        .route("/settings/users/{id}", get(show::page))
        .route("/settings/users/{id}/edit", get(edit::page).post(edit::save))
        .route("/settings/users/{id}/password", get(life::password).post(life::password))
        .route("/settings/users/{id}/disable", get(life::disable).post(life::disable))
        .route("/settings/users/{id}/enable", get(life::enable).post(life::enable))
}

/// Where a user's page is.
pub(super) fn path_of(id: &str) -> String {
    format!("{PATH}/{id}")
}

/// The user of an address, which has the id and never a name.
async fn find(visitor: &Visitor, id: &str) -> Result<User, PageError> {
    if !is_id(id) {
        return Err(PageError::not_found("user"));
    }
    let user = visitor.store.user(id).await?;
    if user.id == id { Ok(user) } else { Err(PageError::not_found("user")) }
}

fn badge(user: &User, now: i64) -> Badge {
    match user.disabled_at {
        Some(at) => Badge::new("bad", "Disabled", distance(at, now)),
        None => Badge::new("good", "Enabled", String::new()),
    }
}

/// Shows a password in the answer to the form that made it.
fn reveal(visitor: &Visitor, user: &User, password: &Secret) -> Response {
    let lead = format!("Pass it on to {} in person or through a password manager.", user.name);
    let shown = Reveal::new(password.reveal(), DOTS.into(), "");
    show_secret(visitor, (Section::Users, &user.name), ("Password", &lead), shown, &path_of(&user.id))
}
