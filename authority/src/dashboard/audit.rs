//! Settings → Audit log: who did what, filtered, in pages, and as a file.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::Site;
use super::activity::csv;
use super::error::PageError;
use super::fields::{Fields, link};
use super::parts::log::{LogEntry, entries};
use super::parts::when;
use super::shell::{Section, Shell, html};
use super::visitor::Visitor;
use crate::model::DAY;
use crate::store::audit::AuditFilter;
use crate::views::audit::to_csv;

const PATH: &str = "/settings/audit";
const PAGE: u32 = 50;
/// The most lines of one file. Older ones are in the next, with a later `before`.
const EXPORT: u32 = 50_000;
/// About how large an export may be, in bytes.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// Kinds of actions to choose from.
const ACTIONS: [(&str, &str); 13] = [
    ("", "Everything"),
    ("key.", "Keys: everything"),
    ("key.create", "Keys: generated"),
    ("key.rotate", "Keys: rotated"),
    ("key.revoke", "Keys: revoked"),
    ("gateway.", "Gateways"),
    ("api_token.", "API tokens"),
    ("operator.", "Operators and sign-ins"),
    ("permission.", "Permissions"),
    ("oauth.client.", "OAuth clients"),
    ("oauth.grant.", "OAuth grants"),
    ("oauth.keys.", "Signing keys"),
    ("user.", "Users and their sign-ins"),
];

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    asked: AuditQuery,
    log: Vec<LogEntry>,
    next: Option<String>,
    export: String,
}

/// What the address asks for.
#[derive(Clone, Debug, Default)]
struct AuditQuery {
    actor: String,
    action: String,
    subject: String,
    since: String,
    before: String,
}

/// The pages of the log.
pub(super) fn router() -> Router<Site> {
    Router::new().route(PATH, get(page)).route("/settings/audit.csv", get(export))
}

async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let asked = AuditQuery::read(&visitor.query);
    let mut lines = visitor.store.audit(&asked.filter(PAGE + 1)?).await?.lines;
    let more = lines.len() > PAGE as usize;
    lines.truncate(PAGE as usize);
    let next = lines.last().filter(|_| more).map(|last| {
        let before = last.seq.to_string();
        AuditQuery { before, ..asked.clone() }.link(PATH)
    });
    let page = AuditPage {
        shell: Shell::new(&visitor, Section::Audit, "Audit log"),
        export: asked.link("/settings/audit.csv"),
        log: entries(lines, visitor.now),
        next,
        asked,
    };
    Ok(html(&page))
}

async fn export(visitor: Visitor) -> Result<Response, PageError> {
    let mut filter = AuditQuery::read(&visitor.query).filter(EXPORT)?;
    let mut text = String::new();
    while filter.limit > 0 && text.len() < MOST_BYTES {
        let page = visitor.store.audit(&filter).await?;
        filter.limit -= filter.limit.min(u32::try_from(page.lines.len()).unwrap_or(u32::MAX));
        filter.before = page.next;
        let part = to_csv(&page.lines);
        let without_headings = part.split_once('\n').map_or("", |(_, lines)| lines);
        text.push_str(if text.is_empty() { &part } else { without_headings });
        if page.next.is_none() {
            break;
        }
    }
    Ok(csv("audit.csv", text))
}

impl AuditPage {
    fn actions(&self) -> [(&'static str, &'static str, bool); 13] {
        ACTIONS.map(|(word, label)| (word, label, word == self.asked.action))
    }

    fn first(&self) -> String {
        AuditQuery { before: String::new(), ..self.asked.clone() }.link(PATH)
    }
}

impl AuditQuery {
    fn read(query: &Fields) -> Self {
        let word = |name| query.get(name).to_owned();
        Self {
            actor: word("actor"),
            action: word("action"),
            subject: word("subject"),
            since: word("since"),
            before: word("before"),
        }
    }

    fn link(&self, path: &str) -> String {
        let Self { actor, action, subject, since, before } = self;
        let query = [
            ("actor", actor),
            ("action", action),
            ("subject", subject),
            ("since", since),
            ("before", before),
        ];
        link(path, &query.map(|(name, value)| (name, value.as_str())))
    }

    fn filter(&self, limit: u32) -> Result<AuditFilter, PageError> {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        if [&self.actor, &self.action, &self.subject].into_iter().any(|text| text.len() > 800) {
            return Err(PageError::bad_link("a search term is too long"));
        }
        let since = match self.since.as_str() {
            "" => None,
            day => {
                let end = when::end_of_day(day)
                    .ok_or_else(|| PageError::bad_link("the day is not a valid date"))?;
                Some(end - DAY)
            }
        };
        let before = match self.before.as_str() {
            "" => None,
            number => Some(number.parse().map_err(|_| PageError::bad_link("there is no such page"))?),
        };
        Ok(AuditFilter {
            subject: some(&self.subject),
            actor: some(&self.actor),
            action: some(&self.action),
            since,
            before,
            limit,
        })
    }
}
