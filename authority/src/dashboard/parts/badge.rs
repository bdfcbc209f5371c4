//! How a key stands, in one badge and a reason: pure.

use askama::Template;
use askama::filters::HtmlSafe;

use super::when;
use crate::model::{DAY, Key, State};
use crate::store::usage::activity::Point;
use crate::store::usage::rollup::sum_of;

/// How early a badge says that a key ends or is due for rotation, in seconds.
pub(in crate::dashboard) const SOON: i64 = 14 * DAY;
/// Below so many requests the share of refused ones says nothing.
const ENOUGH: i64 = 20;

/// A word with a tone. The tone is never alone: the word says it too.
#[derive(Clone, Debug, Eq, PartialEq, Template)]
#[template(
    source = r#"<span class="badge {{ tone }}">{{ label }}</span>{% if !reason.is_empty() %} <span class="reason">{{ reason }}</span>{% endif %}"#,
    ext = "html"
)]
pub(in crate::dashboard) struct Badge {
    pub(in crate::dashboard) tone: &'static str,
    pub(in crate::dashboard) label: &'static str,
    pub(in crate::dashboard) reason: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    pub(in crate::dashboard) fn new(tone: &'static str, label: &'static str, reason: String) -> Self {
        Self { tone, label, reason }
    }
}

/// All that can be said of a key, the gravest first.
pub(in crate::dashboard) fn badges(key: &Key, activity: &[Point], now: i64) -> Vec<Badge> {
    let ago = |at: Option<i64>| at.map(|at| when::distance(at, now)).unwrap_or_default();
    match key.state(now) {
        State::Revoked => {
            let reason = key.revoke_reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            return vec![Badge::new("bad", "Revoked", format!("{}{reason}", ago(key.revoked_at)))];
        }
        State::Expired => return vec![Badge::new("quiet", "Expired", ago(key.expires_at))],
        State::Pending => return vec![Badge::new("info", "Not yet valid", ago(key.not_before))],
        State::Active => {}
    }
    let mut badges = Vec::new();
    if key.replaced_by.is_some() {
        let end =
            key.expires_at.map_or_else(String::new, |end| format!("expires {}", when::distance(end, now)));
        badges.push(Badge::new("warn", "Superseded", end));
    } else if key.expires_at.is_some_and(|end| end - now <= SOON) {
        badges.push(Badge::new("warn", "Expires soon", ago(key.expires_at)));
    }
    if let Some(due) = key.rotate_by.filter(|due| key.replaced_by.is_none() && due - now <= SOON) {
        let (tone, label) = if due <= now { ("bad", "Rotation overdue") } else { ("warn", "Rotation due") };
        badges.push(Badge::new(tone, label, when::distance(due, now)));
    }
    let refused = sum_of(activity.iter().filter(|point| point.outcome != "allowed").map(|point| point.count));
    let all = sum_of(activity.iter().map(|point| point.count));
    if all >= ENOUGH && refused * 10 > all {
        badges.push(Badge::new("warn", "Many refusals", format!("{} % of 30 days", refused * 100 / all)));
    }
    badges.sort_by_key(|badge| badge.tone != "bad");
    if badges.is_empty() {
        badges.push(Badge::new("good", "Active", String::new()));
    }
    badges
}

#[cfg(test)]
mod tests;
