//! The list of users: by name, searched, in pages.

use askama::Template;
use axum::response::Response;

use super::{PATH, badge, path_of};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::link;
use crate::dashboard::keys::list::summary;
use crate::dashboard::parts::badge::Badge;
use crate::dashboard::parts::when::When;
use crate::dashboard::shell::{Section, Shell, html};
use crate::dashboard::visitor::Visitor;
use crate::store::oauth::users::User;

/// How many users a page lists.
const PAGE: usize = 100;
/// The most characters of a search.
const MOST_SEARCHED: usize = 100;

#[derive(Template)]
#[template(path = "oauth/users/list.html")]
struct ListPage {
    shell: Shell,
    is_issuing: bool,
    path: &'static str,
    rows: Vec<UserRow>,
    search: String,
    /// Whether this is not the first page.
    is_later: bool,
    next: Option<String>,
}

struct UserRow {
    id: String,
    name: String,
    path: String,
    badge: Badge,
    summary: String,
    last_sign_in: Option<When>,
    created: When,
}

/// The list.
pub(super) async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let (search, after) = (visitor.query.get("q").to_owned(), visitor.query.get("after").to_owned());
    if search.chars().count() > MOST_SEARCHED || after.chars().count() > MOST_SEARCHED {
        return Err(PageError::bad_link("a search term is too long"));
    }
    let mut users = visitor.store.find_users(&search, &after, PAGE as i64 + 1).await?;
    let has_more = users.len() > PAGE;
    users.truncate(PAGE);
    let next = users.last().filter(|_| has_more);
    let page = ListPage {
        shell: Shell::new(&visitor, Section::Users, "Users"),
        is_issuing: visitor.oauth.is_some(),
        path: PATH,
        next: next.map(|last| link(PATH, &[("q", &search), ("after", &last.name)])),
        rows: users.into_iter().map(|user| UserRow::new(user, visitor.now)).collect(),
        is_later: !after.is_empty(),
        search,
    };
    Ok(html(&page))
}

impl ListPage {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.search.is_empty() && !self.is_later
    }

    fn first(&self) -> String {
        link(PATH, &[("q", &self.search)])
    }
}

impl UserRow {
    fn new(user: User, now: i64) -> Self {
        Self {
            path: path_of(&user.id),
            badge: badge(&user, now),
            summary: summary(&user.permissions),
            last_sign_in: user.last_sign_in_at.map(|at| When::from_now(at, now)),
            created: When::day(user.created_at),
            id: user.id,
            name: user.name,
        }
    }
}
