//! Revoking: for good, by typing the key's name.

use askama::Template;
use axum::response::Response;

use super::{find, last_used, masked, path_of};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::parts::when::When;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html_with, lead_to};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::model::draft::{Mistake, Reason};
use crate::model::{Key, State};
use crate::store::keys::listing::Listed;

/// A key that was used within so many seconds is in use.
const IN_USE: i64 = 900;

/// Why a key is revoked: what is kept, and what the form says.
const REASONS: [(&str, &str); 6] = [
    ("it leaked, or may have", "It leaked, or may have"),
    ("it is no longer used", "It is no longer used"),
    ("another key replaced it", "Another key replaced it"),
    ("its owner has changed", "Its owner has changed"),
    ("its owner lost access", "Its owner lost access"),
    ("", "Another reason (add a note)"),
];

#[derive(Template)]
#[template(path = "keys/revoke.html")]
struct RevokePage {
    shell: Shell,
    name: String,
    masked: String,
    path: String,
    environment: &'static str,
    last_used: Option<When>,
    is_in_use: bool,
    typed: String,
    reason: String,
    note: String,
    errors: Errors,
}

#[derive(Default)]
struct Typed {
    name: String,
    reason: Option<String>,
    note: String,
}

/// The form.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let listed = find(&visitor, &id).await?;
    refuse_revoked(&listed.key, visitor.now)?;
    Ok(show(&visitor, listed, Typed::default(), Errors::default()))
}

fn refuse_revoked(key: &Key, now: i64) -> Result<(), PageError> {
    if key.state(now) == State::Revoked { Err(PageError::revoked()) } else { Ok(()) }
}

fn show(visitor: &Visitor, listed: Listed, typed: Typed, errors: Errors) -> Response {
    let Listed { key, last_used: used } = listed;
    let status = errors.status();
    let page = RevokePage {
        shell: Shell::new(visitor, Section::Keys, format!("Revoke {}", key.name))
            .in_environment(Some(key.environment)),
        masked: masked(key.environment, key.hint.as_deref()),
        path: path_of(&key.id),
        environment: key.environment.as_str(),
        last_used: last_used(used, visitor.now),
        is_in_use: used.is_some_and(|at| visitor.now - at < IN_USE),
        typed: typed.name,
        reason: typed.reason.unwrap_or_else(|| REASONS[0].0.into()),
        note: typed.note,
        name: key.name,
        errors,
    };
    html_with(status, &page)
}

/// Revokes it, and leads to its page, which shows which gateways refuse it already. No password is
/// asked for: nobody who keeps an operator from giving it shall keep them from revoking.
pub(super) async fn revoke(Path(id): Path, posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let listed = find(&visitor, &id).await?;
    refuse_revoked(&listed.key, visitor.now)?;
    let typed = Typed {
        name: fields.get("name").into(),
        reason: Some(fields.get("reason").into()),
        note: fields.get("note").into(),
    };
    let mut errors = Errors::default();
    // A page shows several spaces as one, and nobody can type what they do not see.
    if !typed.name.split_whitespace().eq(listed.key.name.split_whitespace()) {
        errors.add("name", "Type the name exactly as it is shown.");
    }
    let reason = reason(&typed, &mut errors);
    if !errors.is_empty() {
        return Ok(show(&visitor, listed, typed, errors));
    }
    visitor.store.revoke_key(&id, reason, visitor.now, &visitor.actor()).await?;
    Ok(lead_to(&format!("{}?done=revoked", path_of(&id))))
}

/// The reason that is kept: the chosen one, and what was written besides.
fn reason(typed: &Typed, errors: &mut Errors) -> Option<Reason> {
    let chosen = typed.reason.as_deref().unwrap_or_default();
    if !REASONS.iter().any(|reason| reason.0 == chosen) {
        errors.add("reason", "Choose a reason.");
    }
    let parts = [chosen, &typed.note].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    Reason::check(Some(parts.join(": "))).unwrap_or_else(|mistakes| {
        errors.add_all(mistakes.into_iter().map(|one| Mistake { field: "note".into(), ..one }).collect());
        None
    })
}

impl RevokePage {
    fn reasons(&self) -> [(&'static str, &'static str, bool); 6] {
        REASONS.map(|(word, label)| (word, label, word == self.reason))
    }
}
