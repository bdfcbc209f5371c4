//! The list of clients.

use askama::Template;
use axum::response::Response;

use super::{PATH, badge, kind, path_of};
use crate::dashboard::error::PageError;
use crate::dashboard::keys::list::summary;
use crate::dashboard::keys::who;
use crate::dashboard::parts::badge::Badge;
use crate::dashboard::parts::when::When;
use crate::dashboard::shell::{Section, Shell, html};
use crate::dashboard::visitor::Visitor;
use crate::oauth::client::Client;

#[derive(Template)]
#[template(path = "oauth/clients/list.html")]
struct ListPage {
    shell: Shell,
    is_issuing: bool,
    path: &'static str,
    rows: Vec<ClientRow>,
}

struct ClientRow {
    id: String,
    name: String,
    path: String,
    environment: &'static str,
    kind: &'static str,
    badge: Badge,
    summary: String,
    last_used: Option<When>,
    created: When,
    by: String,
}

/// The list.
pub(super) async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let notice =
        Some("Client removed. Its tokens have ended.").filter(|_| visitor.query.get("done") == "removed");
    let clients = visitor.store.oauth_clients(visitor.now).await?;
    let page = ListPage {
        shell: Shell::new(&visitor, Section::Clients, "OAuth clients").with_notice(notice),
        is_issuing: visitor.oauth.is_some(),
        path: PATH,
        rows: clients.into_iter().map(|one| ClientRow::new(one.client, visitor.now)).collect(),
    };
    Ok(html(&page))
}

impl ClientRow {
    fn new(client: Client, now: i64) -> Self {
        Self {
            path: path_of(&client.id),
            badge: badge(&client, now),
            kind: kind(&client),
            environment: client.registration.environment.as_str(),
            summary: summary(&client.registration.permissions),
            last_used: client.last_used_at.map(|at| When::from_now(at, now)),
            created: When::day(client.created_at),
            by: who(&client.created_by),
            id: client.id,
            name: client.registration.name,
        }
    }
}
