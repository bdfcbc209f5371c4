//! Which gateway processes act on a change already: "refused by 4 of 4".

use askama::Template;
use askama::filters::HtmlSafe;

use super::badge::Badge;
use super::when::When;
use crate::store::feed::propagation::{Propagation, Standing};

/// How many processes are listed.
const MOST_ROWS: usize = 100;

/// The sentence and the table. A script reloads it until there are gateways and every one has
/// applied the change.
#[derive(Clone, Debug, Template)]
#[template(path = "parts/effect.html")]
pub(in crate::dashboard) struct Effect {
    verb: &'static str,
    applied: usize,
    of: usize,
    rows: Vec<ProcessRow>,
    /// How many processes are not among them.
    unlisted: usize,
}

#[derive(Clone, Debug)]
struct ProcessRow {
    gateway: String,
    process: String,
    badge: Badge,
    seen: When,
}

impl HtmlSafe for Effect {}

impl Effect {
    /// What has come of a change; `verb` is what gateways do because of it: `Refused` or `Applied`.
    pub(in crate::dashboard) fn new(propagation: Propagation, verb: &'static str, now: i64) -> Self {
        let unlisted = propagation.followers.len().saturating_sub(MOST_ROWS);
        // Those that lag come first.
        let rows = propagation.followers.into_iter().take(MOST_ROWS).map(|one| ProcessRow {
            badge: match one.standing {
                Standing::Applied => Badge::new("good", verb, String::new()),
                Standing::Pending => Badge::new("warn", "Not yet", String::new()),
                Standing::Silent => Badge::new("bad", "Silent", "not seen lately".into()),
            },
            gateway: one.gateway,
            process: one.process.process_id,
            seen: When::from_now(one.process.seen_at, now),
        });
        Self { verb, applied: propagation.applied, of: propagation.of, rows: rows.collect(), unlisted }
    }

    fn is_done(&self) -> bool {
        self.applied == self.of
    }
}
