//! One client: what it is, its secrets, who allowed it what, and what was done to it.

use askama::Template;
use axum::response::Response;

use super::form::span;
use super::{PATH, badge, find, kind, path_of};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::link;
use crate::dashboard::keys::list::summary;
use crate::dashboard::keys::who;
use crate::dashboard::oauth::grants::GrantTable;
use crate::dashboard::parts::badge::Badge;
use crate::dashboard::parts::log::{LOG, LogEntry, entries};
use crate::dashboard::parts::when::When;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html};
use crate::dashboard::visitor::Visitor;
use crate::oauth::client::{Client, GrantType, Lifetimes};
use crate::oauth::issuer::Issuer;
use crate::oauth::metadata::{AUTHORIZE_PATH, METADATA_PATH, TOKEN_PATH};
use crate::store::audit::AuditFilter;
use crate::store::oauth::clients::SecretFacts;
use crate::store::oauth::grants::GrantFilter;

#[derive(Template)]
#[template(path = "oauth/clients/show.html")]
struct ClientPage {
    shell: Shell,
    list: &'static str,
    client: Client,
    path: String,
    kind: &'static str,
    badge: Badge,
    summary: String,
    ways: Vec<&'static str>,
    has_secret: bool,
    secrets: Vec<SecretRow>,
    lifetimes: [(&'static str, String); 3],
    created: When,
    by: String,
    last_used: Option<When>,
    endpoints: Vec<(&'static str, String)>,
    grants: GrantTable,
    log: Vec<LogEntry>,
    log_link: String,
}

struct SecretRow {
    hint: String,
    created: When,
    expires: Option<When>,
}

/// The page.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let (store, now) = (&visitor.store, visitor.now);
    let described = find(&visitor, &id).await?;
    let (client, registration) = (described.client.clone(), described.client.registration);
    let filter = GrantFilter { client: Some(id.clone()), ..GrantTable::filter() };
    let audit = AuditFilter { subject: Some(id.clone()), limit: LOG, ..AuditFilter::default() };
    let page = ClientPage {
        shell: Shell::new(&visitor, Section::Clients, registration.name.clone())
            .with_notice(notice(visitor.query.get("done"))),
        list: PATH,
        path: path_of(&id),
        kind: kind(&client),
        badge: badge(&client, now),
        summary: summary(&registration.permissions),
        ways: registration.grant_types.iter().map(|one| in_words(*one)).collect(),
        has_secret: registration.auth_method.has_secret(),
        secrets: described.secrets.into_iter().map(SecretRow::new).collect(),
        lifetimes: lifetimes(&registration.lifetimes),
        created: When::exactly(client.created_at),
        by: who(&client.created_by),
        last_used: client.last_used_at.map(|at| When::from_now(at, now)),
        endpoints: visitor.oauth.as_ref().map(|server| endpoints(&server.issuer)).unwrap_or_default(),
        grants: GrantTable::new(store.oauth_grants(&filter).await?, "client", now),
        log: entries(store.audit(&audit).await?.lines, now),
        log_link: link("/settings/audit", &[("subject", &id)]),
        client,
    };
    Ok(html(&page))
}

impl SecretRow {
    fn new(facts: SecretFacts) -> Self {
        let (created, expires) = (When::exactly(facts.created_at), facts.expires_at.map(When::exactly));
        Self { hint: facts.hint, created, expires }
    }
}

fn notice(done: &str) -> Option<&'static str> {
    match done {
        "registered" => Some("Client registered. It has no secret to save."),
        "changed" => Some("Saved."),
        "disabled" => Some("Client disabled. Its grants and tokens have ended."),
        "enabled" => Some("Client enabled."),
        "withdrawn" => Some("Grant withdrawn. Its tokens have ended."),
        _ => None,
    }
}

const fn in_words(grant: GrantType) -> &'static str {
    match grant {
        GrantType::AuthorizationCode => "Users allow it",
        GrantType::RefreshToken => "It stays connected",
        GrantType::ClientCredentials => "It acts for itself",
    }
}

fn lifetimes(of: &Lifetimes) -> [(&'static str, String); 3] {
    [
        ("Access token", span(of.access)),
        ("Refresh token, unused", span(of.refresh_idle)),
        ("Refresh tokens, in all", span(of.refresh_max)),
    ]
}

/// What anyone who writes the application has to know.
fn endpoints(issuer: &Issuer) -> Vec<(&'static str, String)> {
    vec![
        ("Issuer", issuer.as_str().into()),
        ("Metadata", issuer.url(METADATA_PATH)),
        ("Authorization endpoint", issuer.url(AUTHORIZE_PATH)),
        ("Token endpoint", issuer.url(TOKEN_PATH)),
    ]
}
