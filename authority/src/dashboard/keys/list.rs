//! The list: searched, filtered, sorted, in pages; all of it in the address.

use askama::Template;
use axum::response::Response;
use flint_contract::key::Environment;

use super::{last_used, masked, path_of, who};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::{Fields, link};
use crate::dashboard::parts::badge::{Badge, SOON, badges};
use crate::dashboard::parts::chart::Spark;
use crate::dashboard::parts::when::When;
use crate::dashboard::shell::{Section, Shell, html};
use crate::dashboard::visitor::Visitor;
use crate::model::State;
use crate::store::keys::listing::{Filter, Listed, Sort};
use crate::store::usage::activity::{Point, Range};

const PATH: &str = "/settings/api-keys";
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "keys/list.html")]
struct ListPage {
    shell: Shell,
    asked: ListQuery,
    rows: Vec<KeyRow>,
    next: Option<String>,
    previous: Option<String>,
    /// There are no keys at all.
    is_empty: bool,
    create: String,
}

/// What the address asks for, word by word.
#[derive(Clone, Debug, Default)]
struct ListQuery {
    q: String,
    environment: String,
    status: String,
    owner: String,
    sort: String,
    after: String,
}

/// A key in the list.
struct KeyRow {
    id: String,
    name: String,
    path: String,
    environment: &'static str,
    masked: String,
    owner: Option<String>,
    owner_link: String,
    permissions: Vec<String>,
    summary: String,
    created: When,
    by: String,
    last_used: Option<When>,
    expires: Option<When>,
    badges: Vec<Badge>,
    spark: Spark,
    is_over: bool,
    is_replaced: bool,
    can_revoke: bool,
}

const STATUSES: [(&str, &str); 7] = [
    ("", "Any status"),
    ("active", "Active"),
    ("expiring", "Expires soon"),
    ("due", "Rotation due"),
    ("pending", "Not yet valid"),
    ("expired", "Expired"),
    ("revoked", "Revoked"),
];

const SORTS: [(&str, &str); 7] = [
    ("", "Newest first"),
    ("created", "Oldest first"),
    ("name", "Name, A to Z"),
    ("-name", "Name, Z to A"),
    ("expires", "Expiring soonest"),
    ("-used", "Most recently used"),
    ("used", "Unused for longest"),
];

/// The list.
pub(super) async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let asked = ListQuery::read(&visitor.query);
    let filter = asked.filter(visitor.now)?;
    let page = visitor.store.list_keys(&filter, visitor.now).await.map_err(|error| match error {
        crate::store::StoreError::Invalid(mistakes) if mistakes.iter().all(|one| one.field == "cursor") => {
            PageError::bad_link("the page belongs to another sort order")
        }
        other => other.into(),
    })?;
    let ids: Vec<_> = page.keys.iter().map(|listed| listed.key.id.clone()).collect();
    let mut activity = visitor.store.activity_of_keys(&ids, Range::Month, visitor.now).await?;
    let rows: Vec<_> = page
        .keys
        .into_iter()
        .map(|listed| {
            let points = activity.remove(&listed.key.id).unwrap_or_default();
            KeyRow::new(listed, &points, visitor.now)
        })
        .collect();
    let environment = Environment::parse(&asked.environment);
    let deleted = Some("This form was already submitted.").filter(|_| visitor.query.get("done") == "sent");
    let page = ListPage {
        shell: Shell::new(&visitor, Section::Keys, "API Keys")
            .in_environment(environment)
            .with_notice(deleted),
        is_empty: rows.is_empty() && asked.is_everything(),
        next: page.next.map(|after| ListQuery { after, ..asked.clone() }.link()),
        previous: page.previous.map(|after| ListQuery { after, ..asked.clone() }.link()),
        create: link("/settings/api-keys/new", &[("environment", &asked.environment)]),
        asked,
        rows,
    };
    Ok(html(&page))
}

impl ListPage {
    fn statuses(&self) -> [(&'static str, &'static str, bool); 7] {
        STATUSES.map(|(word, label)| (word, label, word == self.asked.status))
    }

    fn sorts(&self) -> [(&'static str, &'static str, bool); 7] {
        SORTS.map(|(word, label)| (word, label, word == self.asked.sort))
    }

    fn count(&self) -> String {
        match (self.rows.len(), self.next.is_some() || !self.asked.after.is_empty()) {
            (0, _) => "No keys match".into(),
            (1, false) => "1 key".into(),
            (count, false) => format!("{count} keys"),
            (count, true) => format!("{count} keys on this page"),
        }
    }

    fn first(&self) -> String {
        ListQuery { after: String::new(), ..self.asked.clone() }.link()
    }

    fn all(&self) -> String {
        link(PATH, &[("environment", &self.asked.environment)])
    }
}

// === impl ListQuery ===

impl ListQuery {
    fn read(query: &Fields) -> Self {
        let word = |name| query.get(name).to_owned();
        Self {
            q: word("q"),
            environment: word("environment"),
            status: word("status"),
            owner: word("owner"),
            sort: word("sort"),
            after: word("after"),
        }
    }

    fn is_everything(&self) -> bool {
        let Self { q, environment, status, owner, sort: _, after } = self;
        [q, environment, status, owner, after].into_iter().all(String::is_empty)
    }

    fn is_filtered(&self) -> bool {
        [&self.q, &self.status, &self.owner].into_iter().any(|word| !word.is_empty())
    }

    fn link(&self) -> String {
        let Self { q, environment, status, owner, sort, after } = self;
        let query = [
            ("q", q),
            ("environment", environment),
            ("status", status),
            ("owner", owner),
            ("sort", sort),
            ("after", after),
        ];
        link(PATH, &query.map(|(name, value)| (name, value.as_str())))
    }

    fn filter(&self, now: i64) -> Result<Filter, PageError> {
        if self.q.chars().count() > 200 || self.owner.chars().count() > 200 {
            return Err(PageError::bad_link("a search term is too long"));
        }
        let environment = match self.environment.as_str() {
            "" => None,
            word => Some(Environment::parse(word).ok_or_else(|| PageError::bad_link("unknown environment"))?),
        };
        let mut filter = Filter {
            search: Some(self.q.clone()).filter(|text| !text.is_empty()),
            environment,
            owner: Some(self.owner.clone()).filter(|text| !text.is_empty()),
            limit: PAGE,
            after: Some(self.after.clone()).filter(|text| !text.is_empty()),
            ..Filter::default()
        };
        match self.status.as_str() {
            "" => {}
            "due" => filter.due_by = Some(now + SOON),
            "expiring" => filter.expiring_by = Some(now + SOON),
            word => {
                let state = State::parse(word).ok_or_else(|| PageError::bad_link("unknown status"))?;
                filter.state = Some(state);
            }
        }
        (filter.sort, filter.descending) = match self.sort.as_str() {
            "" => (Sort::Created, true),
            word => {
                let (word, descending) = word.strip_prefix('-').map_or((word, false), |word| (word, true));
                let sort = Sort::parse(word).ok_or_else(|| PageError::bad_link("unknown sort order"))?;
                (sort, descending)
            }
        };
        Ok(filter)
    }
}

// === impl KeyRow ===

impl KeyRow {
    fn new(listed: Listed, points: &[Point], now: i64) -> Self {
        let Listed { key, last_used: used } = listed;
        let is_over = matches!(key.state(now), State::Revoked | State::Expired);
        Self {
            badges: badges(&key, points, now),
            path: path_of(&key.id),
            masked: masked(key.environment, key.hint.as_deref()),
            summary: summary(&key.permissions),
            created: When::day(key.created_at),
            by: who(&key.created_by),
            last_used: last_used(used, now),
            expires: key.expires_at.map(When::day),
            spark: Spark::new(points, now),
            environment: key.environment.as_str(),
            owner_link: key.owner.as_deref().map(|owner| link(PATH, &[("owner", owner)])).unwrap_or_default(),
            is_replaced: key.replaced_by.is_some(),
            can_revoke: key.state(now) != State::Revoked,
            is_over,
            id: key.id,
            name: key.name,
            owner: key.owner,
            permissions: key.permissions,
        }
    }
}

impl KeyRow {
    /// What else there is to say, after the first badge.
    fn others(&self) -> &[Badge] {
        self.badges.get(1..).unwrap_or_default()
    }
}

/// Permissions in two words.
pub(in crate::dashboard) fn summary(permissions: &[String]) -> String {
    match permissions {
        [] => "None".into(),
        [all] if all == "*" => "Full access".into(),
        [one] => one.clone(),
        many => format!("{} permissions", many.len()),
    }
}
