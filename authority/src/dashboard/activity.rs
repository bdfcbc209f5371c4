//! Settings → Activity: what all keys, or those of one owner, were used for; and a key's as a file.

use askama::Template;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use flint_contract::entry::{is_id, is_owner};

use super::Site;
use super::error::PageError;
use super::fields::{Fields, link};
use super::parts::chart::Chart;
use super::shell::{Section, Shell, html};
use super::visitor::Visitor;
use crate::store::usage::activity::{Range, Whose};
use crate::views::activity::to_csv;

#[derive(Template)]
#[template(path = "activity.html")]
struct ActivityPage {
    shell: Shell,
    owner: String,
    keys_link: String,
    export: String,
    range: &'static str,
    ranges: Vec<(&'static str, String, bool)>,
    chart: Chart,
}

/// The pages of activity.
pub(super) fn router() -> Router<Site> {
    Router::new().route("/settings/activity", get(page)).route("/settings/activity.csv", get(export))
}

/// The range of a query; a week if none is said.
pub(super) fn range(query: &Fields) -> Result<Range, PageError> {
    match query.get("range") {
        "" => Ok(Range::Week),
        word => Range::parse(word).ok_or_else(|| PageError::bad_link("unknown range")),
    }
}

fn whose(query: &Fields) -> Result<Whose, PageError> {
    match (query.optional("owner"), query.optional("key")) {
        (Some(owner), None) if is_owner(&owner) => Ok(Whose::Owner(owner)),
        (None, Some(key)) if is_id(&key) => Ok(Whose::Key(key)),
        (None, None) => Ok(Whose::Everyone),
        (Some(_), _) => Err(PageError::bad_link("there is no such owner")),
        (_, Some(_)) => Err(PageError::bad_link("there is no such key")),
    }
}

async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let (range, whose) = (range(&visitor.query)?, whose(&visitor.query)?);
    let activity = visitor.store.activity(&whose, range, visitor.now).await?;
    let owner = visitor.query.get("owner").to_owned();
    let one = |each: Range| {
        let to = link("/settings/activity", &[("owner", &owner), ("range", each.as_str())]);
        (each.as_str(), to, each == range)
    };
    let title = if owner.is_empty() { "Activity".into() } else { format!("Activity of {owner}") };
    let page = ActivityPage {
        shell: Shell::new(&visitor, Section::Activity, title),
        keys_link: link("/settings/api-keys", &[("owner", &owner)]),
        export: link("/settings/activity.csv", &[("owner", &owner), ("range", range.as_str())]),
        range: range.as_str(),
        ranges: Range::ALL.map(one).into(),
        chart: Chart::new(&activity, range),
        owner,
    };
    Ok(html(&page))
}

async fn export(visitor: Visitor) -> Result<Response, PageError> {
    let (range, whose) = (range(&visitor.query)?, whose(&visitor.query)?);
    let activity = visitor.store.activity(&whose, range, visitor.now).await?;
    Ok(csv("activity.csv", to_csv(&activity)))
}

/// A file for a spreadsheet.
pub(super) fn csv(name: &str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, text).into_response()
}
