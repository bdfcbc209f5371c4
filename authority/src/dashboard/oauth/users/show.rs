//! One user: what they hold, what they granted, and what was done.

use askama::Template;
use axum::response::Response;

use super::{PATH, badge, find, path_of};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::link;
use crate::dashboard::keys::list::summary;
use crate::dashboard::oauth::grants::GrantTable;
use crate::dashboard::parts::badge::Badge;
use crate::dashboard::parts::log::{LOG, LogEntry, entries};
use crate::dashboard::parts::when::When;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html};
use crate::dashboard::visitor::Visitor;
use crate::store::audit::AuditFilter;
use crate::store::oauth::grants::GrantFilter;
use crate::store::oauth::users::User;

#[derive(Template)]
#[template(path = "oauth/users/show.html")]
struct UserPage {
    shell: Shell,
    list: &'static str,
    user: User,
    path: String,
    badge: Badge,
    summary: String,
    created: When,
    last_sign_in: Option<When>,
    grants: GrantTable,
    log: Vec<LogEntry>,
    log_link: String,
}

/// The page.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let (store, now) = (&visitor.store, visitor.now);
    let user = find(&visitor, &id).await?;
    let filter = GrantFilter { user: Some(id.clone()), ..GrantTable::filter() };
    let audit = AuditFilter { subject: Some(id.clone()), limit: LOG, ..AuditFilter::default() };
    let page = UserPage {
        shell: Shell::new(&visitor, Section::Users, user.name.clone())
            .with_notice(notice(visitor.query.get("done"))),
        list: PATH,
        path: path_of(&id),
        badge: badge(&user, now),
        summary: summary(&user.permissions),
        created: When::exactly(user.created_at),
        last_sign_in: user.last_sign_in_at.map(|at| When::from_now(at, now)),
        grants: GrantTable::new(store.oauth_grants(&filter).await?, "user", now),
        log: entries(store.audit(&audit).await?.lines, now),
        log_link: link("/settings/audit", &[("subject", &id)]),
        user,
    };
    Ok(html(&page))
}

fn notice(done: &str) -> Option<&'static str> {
    match done {
        "changed" => Some("Saved."),
        "disabled" => Some("User disabled. Every token that acted for them has ended."),
        "enabled" => Some("User enabled."),
        "withdrawn" => Some("Grant withdrawn. Its tokens have ended."),
        _ => None,
    }
}
