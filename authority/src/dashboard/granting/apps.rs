//! `/account/apps`: what a user has granted, and its end.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::super::error::PageError;
use super::super::fields::{Fields, link};
use super::super::parts::when::When;
use super::super::shell::{Bare, Theme, html};
use super::super::visitor::read_form;
use super::super::{MAX_FORM, Site};
use super::consent::{Permission, shown_resource};
use super::{APPS, SIGN_IN, session};
use crate::clock;
use crate::server::address;
use crate::store::oauth::grants::{Grant, GrantFilter};

#[derive(Template)]
#[template(path = "granting/apps.html")]
struct AppsPage {
    bare: Bare,
    action: &'static str,
    user: String,
    csrf: String,
    is_done: bool,
    apps: Vec<App>,
}

struct App {
    grant: Grant,
    permissions: Vec<Permission>,
    /// What it may be used on.
    resource: String,
    granted: When,
    used: Option<When>,
}

/// What was granted and not withdrawn.
pub(super) async fn page(
    State(site): State<Site>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let now = clock::now();
    let Some(session) = session::of(&site, &headers, now).await? else {
        return Ok(Redirect::to(&link(SIGN_IN, &[("next", APPS)])).into_response());
    };
    let filter = GrantFilter { user: Some(session.user.id.clone()), live: true, ..GrantFilter::default() };
    let catalogue = site.store.permissions().await?;
    let app = |grant: Grant| App {
        permissions: Permission::all(&grant.permissions, &catalogue),
        resource: shown_resource(&grant.resource).into(),
        granted: When::day(grant.created_at),
        used: grant.last_used_at.map(|at| When::from_now(at, now)),
        grant,
    };
    let page = AppsPage {
        bare: Bare::for_users(Theme::of(&headers)),
        action: APPS,
        user: session.user.name.clone(),
        csrf: session.csrf_token.clone(),
        is_done: Fields::of_query(&uri)?.get("done") == "withdrawn",
        apps: site.store.oauth_grants(&filter).await?.into_iter().map(app).collect(),
    };
    Ok(html(&page))
}

/// Withdraws a grant at once.
pub(super) async fn withdraw(State(site): State<Site>, request: Request) -> Result<Response, PageError> {
    let (parts, body) = request.into_parts();
    let (fields, now) = (read_form(&parts.headers, body, MAX_FORM).await?, clock::now());
    let session = session::of(&site, &parts.headers, now).await?.ok_or_else(PageError::forged)?;
    if !session.csrf_is(fields.raw("csrf")) {
        return Err(PageError::forged());
    }
    let reason = Some("withdrawn by the user".into());
    let (user, actor) = (session.user.id.as_str(), session.actor(address(&parts.extensions)));
    site.store.revoke_oauth_grant(fields.get("grant"), Some(user), reason, now, &actor).await?;
    Ok(Redirect::to(&link(APPS, &[("done", "withdrawn")])).into_response())
}
