//! One key: what it is, what it was used for, which gateways know, and what was done to it.

use askama::Template;
use axum::response::Response;

use super::list::summary;
use super::{find, last_used, masked, path_of, who};
use crate::dashboard::activity::range;
use crate::dashboard::error::PageError;
use crate::dashboard::fields::link;
use crate::dashboard::parts::badge::{Badge, badges};
use crate::dashboard::parts::chart::Chart;
use crate::dashboard::parts::effect::Effect;
use crate::dashboard::parts::log::{LOG, LogEntry, entries};
use crate::dashboard::parts::when::When;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html};
use crate::dashboard::visitor::Visitor;
use crate::model::{Key, State};
use crate::store::audit::AuditFilter;
use crate::store::usage::activity::{Range, Whose};

#[derive(Template)]
#[template(path = "keys/show.html")]
struct KeyPage {
    shell: Shell,
    key: Key,
    path: String,
    masked: String,
    by: String,
    summary: String,
    badges: Vec<Badge>,
    created: When,
    last_used: Option<When>,
    first_used: Option<When>,
    expires: Option<When>,
    expires_in: Option<When>,
    rotate_by: Option<When>,
    not_before: Option<When>,
    revoked: Option<When>,
    owner_link: String,
    predecessor: Option<Related>,
    successor: Option<Related>,
    is_over: bool,
    ranges: Vec<(&'static str, String, bool)>,
    chart: Chart,
    effect: Effect,
    log: Vec<LogEntry>,
    log_link: String,
    export: String,
}

/// The other key of a rotation, with what tells whether the old one is idle.
struct Related {
    name: String,
    id: String,
    path: String,
    last_used: Option<When>,
    badge: Badge,
}

/// The page.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let (store, now) = (&visitor.store, visitor.now);
    let listed = find(&visitor, &id).await?;
    let key = listed.key;
    let range = range(&visitor.query)?;
    let activity = store.activity(&Whose::Key(key.id.clone()), range, now).await?;
    let month = store.activity_of_keys(std::slice::from_ref(&key.id), Range::Month, now).await?;
    let verb = if key.state(now) == State::Revoked { "Refused" } else { "Applied" };
    let effect = Effect::new(store.propagation_of_key(&key.id, now).await?, verb, now);
    let filter = AuditFilter { subject: Some(key.id.clone()), limit: LOG, ..AuditFilter::default() };
    let log = entries(store.audit(&filter).await?.lines, now);
    let path = path_of(&key.id);
    let page = KeyPage {
        shell: Shell::new(&visitor, Section::Keys, key.name.clone())
            .in_environment(Some(key.environment))
            .with_notice(notice(visitor.query.get("done"))),
        masked: masked(key.environment, key.hint.as_deref()),
        by: who(&key.created_by),
        summary: summary(&key.permissions),
        badges: badges(&key, month.get(&key.id).map_or(&[], Vec::as_slice), now),
        created: When::exactly(key.created_at),
        last_used: last_used(listed.last_used, now),
        first_used: store.first_used(&key.id).await?.map(When::day),
        expires: key.expires_at.map(When::exactly),
        expires_in: key.expires_at.map(|at| When::from_now(at, now)),
        rotate_by: key.rotate_by.map(|at| When::from_now(at, now)),
        not_before: key.not_before.map(When::exactly),
        revoked: key.revoked_at.map(When::exactly),
        owner_link: key
            .owner
            .as_deref()
            .map(|owner| link("/settings/activity", &[("owner", owner)]))
            .unwrap_or_default(),
        predecessor: related(&visitor, key.replaces.as_deref()).await?,
        successor: related(&visitor, key.replaced_by.as_deref()).await?,
        is_over: matches!(key.state(now), State::Revoked | State::Expired),
        ranges: ranges(&path, range),
        chart: Chart::new(&activity, range),
        log_link: link("/settings/audit", &[("subject", &key.id)]),
        export: link("/settings/activity.csv", &[("key", &key.id), ("range", range.as_str())]),
        effect,
        log,
        path,
        key,
    };
    Ok(html(&page))
}

fn notice(done: &str) -> Option<&'static str> {
    match done {
        "revoked" => Some("Key revoked. Below you see which gateways already refuse it."),
        "changed" => Some("Saved. Below you see which gateways have already applied the change."),
        "same" => Some("No changes to save."),
        _ => None,
    }
}

fn ranges(path: &str, chosen: Range) -> Vec<(&'static str, String, bool)> {
    let one = |range: Range| {
        let to = format!("{}#activity", link(path, &[("range", range.as_str())]));
        (range.as_str(), to, range == chosen)
    };
    Range::ALL.map(one).into()
}

async fn related(visitor: &Visitor, id: Option<&str>) -> Result<Option<Related>, PageError> {
    let Some(id) = id else { return Ok(None) };
    let Ok(listed) = visitor.store.key_with_use(id).await else { return Ok(None) };
    let badge = badges(&listed.key, &[], visitor.now).swap_remove(0);
    Ok(Some(Related {
        path: path_of(&listed.key.id),
        last_used: last_used(listed.last_used, visitor.now),
        badge,
        id: listed.key.id,
        name: listed.key.name,
    }))
}
