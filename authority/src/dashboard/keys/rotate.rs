//! Rotation: a new key takes over, and the old one stays valid for a while.

use askama::Template;
use axum::response::Response;

use super::create::once;
use super::{find, last_used, masked, path_of, reveal};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::parts::when::{self, When};
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html_with};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::model::draft::Overlap;
use crate::model::{DAY, DEFAULT_OVERLAP, Key, Refusal, State};
use crate::store::StoreError;
use crate::store::keys::listing::Listed;

/// For how long the old key may continue, in seconds, and how the form says it.
const OVERLAPS: [(i64, &str); 5] =
    [(0, "Now"), (900, "15 minutes"), (3_600, "1 hour"), (DAY, "24 hours"), (7 * DAY, "7 days")];

#[derive(Template)]
#[template(path = "keys/rotate.html")]
struct RotatePage {
    shell: Shell,
    name: String,
    masked: String,
    path: String,
    environment: &'static str,
    last_used: Option<When>,
    overlaps: Vec<(i64, &'static str, String, bool)>,
    errors: Errors,
    once: String,
    is_stale: bool,
}

/// The form.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let listed = find(&visitor, &id).await?;
    refuse(&listed.key, visitor.now)?;
    show(&visitor, listed, DEFAULT_OVERLAP, Errors::default())
}

/// What the store would refuse too, before anybody types anything.
fn refuse(key: &Key, now: i64) -> Result<(), PageError> {
    let refusal = match (key.state(now), &key.replaced_by) {
        (State::Revoked, _) => return Err(PageError::revoked()),
        (State::Expired, _) => Refusal::Expired,
        (_, Some(successor)) => Refusal::Superseded(successor.clone()),
        _ => return Ok(()),
    };
    Err(StoreError::Refused(refusal).into())
}

fn show(visitor: &Visitor, listed: Listed, chosen: i64, errors: Errors) -> Result<Response, PageError> {
    let Listed { key, last_used: used } = listed;
    let status = errors.status();
    let page = RotatePage {
        shell: Shell::new(visitor, Section::Keys, format!("Rotate {}", key.name))
            .in_environment(Some(key.environment)),
        masked: masked(key.environment, key.hint.as_deref()),
        path: path_of(&key.id),
        environment: key.environment.as_str(),
        last_used: last_used(used, visitor.now),
        overlaps: overlaps(key.expires_at, visitor.now, chosen),
        once: once()?,
        is_stale: visitor.is_stale(),
        name: key.name,
        errors,
    };
    Ok(html_with(status, &page))
}

/// Each overlap with what it means for this key, whose own end is never moved away.
fn overlaps(own: Option<i64>, now: i64, chosen: i64) -> Vec<(i64, &'static str, String, bool)> {
    let one = |(seconds, label)| {
        let end = now + seconds;
        let about = match own {
            _ if seconds == 0 => "The old key is refused at once. For a key that leaked.".into(),
            Some(own) if own < end => {
                format!("The old key expires when it was going to, {}.", when::exact(own))
            }
            _ => format!("The old key expires {}.", when::exact(end)),
        };
        (seconds, label, about, seconds == chosen)
    };
    OVERLAPS.map(one).into()
}

/// Makes the new key, and shows its secret in this one answer.
pub(super) async fn rotate(Path(id): Path, posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let listed = find(&visitor, &id).await?;
    let mut errors = Errors::default();
    let overlap =
        fields.get("overlap").parse().ok().filter(|one| OVERLAPS.iter().any(|(each, _)| each == one));
    if overlap.is_none() {
        errors.add("overlap", "Choose how long the old key stays valid.");
    }
    if errors.is_empty()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    let (Some(overlap), true) = (overlap, errors.is_empty()) else {
        refuse(&listed.key, visitor.now)?;
        return show(&visitor, listed, overlap.unwrap_or(DEFAULT_OVERLAP), errors);
    };
    let overlap = Overlap::check(overlap).map_err(StoreError::Invalid)?;
    let rotating = visitor.once(&fields, "the new key", |store, now, actor| async move {
        store.rotate_key(&id, overlap, now, &actor).await
    });
    let rotated = rotating.await??;
    Ok(reveal::page(&visitor, &rotated.new, Some(&rotated.old)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_overlap_goes_past_the_keys_own_end() {
        let now = 1_790_000_000;
        let told = overlaps(Some(now + 7_200), now, DEFAULT_OVERLAP);
        let own: Vec<_> =
            told.iter().map(|(_, _, about, _)| about.contains("when it was going to")).collect();
        assert_eq!(own, [false, false, false, true, true]);
        assert_eq!(told.iter().filter(|one| one.3).map(|one| one.1).collect::<Vec<_>>(), ["24 hours"]);
    }
}
