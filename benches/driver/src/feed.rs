//! An authority with synthetic keys: `GET /v1/key-table` and `POST /v1/usage` of the contract, and
//! calls that the benchmark makes: `POST /bench/change?from=&count=`, the same with `&revoke=1`,
//! `POST /bench/forget` (no cursor is known from then on, as after a restore of the database), and
//! `GET /bench/state`.
//!
//! The entries are rendered before the port is printed, so that what is measured is the gateway's
//! time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::{Answer, Request, serve};
use crate::keys::{Kind, put_entry};
use crate::number;

/// The most entries of a page, whatever is asked for.
const MOST: usize = 10_000;

/// Every entry as it was first, one after the other.
#[derive(Debug)]
struct Base {
    text: String,
    /// Where each entry ends, the comma after it included.
    ends: Vec<usize>,
    kind: Kind,
}

/// Keys that were changed together.
#[derive(Clone, Copy, Debug)]
struct Change {
    from: u32,
    count: u32,
    revoked: bool,
}

/// What there is besides the base.
#[derive(Debug, Default)]
struct State {
    changes: Vec<Change>,
    /// How often everything was forgotten.
    epoch: u64,
    polls: u64,
    reports: u64,
    /// The cursor of the last call.
    cursor: String,
}

#[derive(Debug)]
struct Feed {
    base: Base,
    state: Mutex<State>,
    changed: Condvar,
}

/// A place in the feed: so many entries of the base, or so many changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cursor {
    Base(usize),
    Changes(usize),
}

/// Serves `keys` keys.
pub(crate) fn run(keys: &str, kind: &str) -> Result<(), String> {
    let kind = match kind {
        "plain" => Kind::Plain,
        "expiring" => Kind::Expiring,
        "chosen" => Kind::Chosen,
        _ => return Err(format!("{kind} is none of plain, expiring and chosen")),
    };
    let base = Base::new(number(keys)?, kind);
    let feed = Arc::new(Feed { base, state: Mutex::default(), changed: Condvar::new() });
    serve(move |request| feed.handle(request))
}

impl Base {
    fn new(keys: u32, kind: Kind) -> Self {
        let mut base = Self { text: String::new(), ends: Vec::new(), kind };
        for n in 0..keys {
            put_entry(&mut base.text, n, kind, 0, false);
            base.text.push(',');
            base.ends.push(base.text.len());
        }
        base
    }

    /// The entries from one on, as the inside of a JSON array.
    fn slice(&self, from: usize, to: usize) -> &str {
        let start = from.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = to.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.text.get(start..end).unwrap_or_default().trim_end_matches(',')
    }
}

impl Cursor {
    /// Reads a cursor of this epoch.
    fn parse(text: &str, epoch: u64) -> Option<Self> {
        let (of, place) = text.split_once('.')?;
        let (kind, count) = place.split_at_checked(1)?;
        match kind {
            _ if of.parse() != Ok(epoch) => None,
            "b" => Some(Self::Base(count.parse().ok()?)),
            "c" => Some(Self::Changes(count.parse().ok()?)),
            _ => None,
        }
    }

    fn write(self, epoch: u64) -> String {
        match self {
            Self::Base(count) => format!("{epoch}.b{count}"),
            Self::Changes(count) => format!("{epoch}.c{count}"),
        }
    }
}

impl Feed {
    fn handle(&self, request: &Request<'_>) -> Answer {
        match (request.method, request.path()) {
            ("GET", "/v1/key-table") => json(self.page(request)),
            ("POST", "/v1/usage") => {
                self.state().reports += 1;
                json("{}".to_owned())
            }
            ("POST", "/bench/change") => json(self.change(request)),
            ("POST", "/bench/forget") => {
                let mut state = self.state();
                state.epoch += 1;
                state.changes.clear();
                self.changed.notify_all();
                json("{}".to_owned())
            }
            ("GET", "/bench/state") => {
                let state = self.state();
                let (polls, reports, cursor) = (state.polls, state.reports, &state.cursor);
                json(format!(r#"{{"polls":{polls},"reports":{reports},"cursor":"{cursor}"}}"#))
            }
            _ => Answer { status: 404, headers: "", body: Vec::new() },
        }
    }

    fn page(&self, request: &Request<'_>) -> String {
        let asked = request.parameter("cursor").unwrap_or_default();
        let wait = request.parameter("wait").and_then(|wait| wait.parse().ok()).unwrap_or(0);
        let limit =
            request.parameter("limit").and_then(|limit| limit.parse().ok()).unwrap_or(MOST).clamp(1, MOST);
        let mut state = self.state();
        state.polls += 1;
        asked.clone_into(&mut state.cursor);
        let known = match Cursor::parse(asked, state.epoch) {
            Some(Cursor::Base(count)) if count <= self.base.ends.len() => Some(Cursor::Base(count)),
            Some(Cursor::Changes(count)) if count <= state.changes.len() => Some(Cursor::Changes(count)),
            _ => None,
        };
        let reset = known.is_none() && !asked.is_empty();
        match known.unwrap_or(Cursor::Base(0)) {
            Cursor::Base(from) => self.base_page(from, limit, reset, state.epoch),
            Cursor::Changes(from) => self.change_page(state, from, limit, Duration::from_secs(wait)),
        }
    }

    fn base_page(&self, from: usize, limit: usize, reset: bool, epoch: u64) -> String {
        let keys = self.base.ends.len();
        let to = (from + limit).min(keys);
        let more = to < keys;
        let cursor = if more { Cursor::Base(to) } else { Cursor::Changes(0) }.write(epoch);
        format!(
            r#"{{"cursor":"{cursor}","more":{more},"reset":{reset},"keys":[{}]}}"#,
            self.base.slice(from, to)
        )
    }

    /// The next change, waiting for it if need be. A change is one page, however large.
    fn change_page(
        &self,
        mut state: MutexGuard<'_, State>,
        from: usize,
        limit: usize,
        wait: Duration,
    ) -> String {
        let (until, epoch) = (Instant::now() + wait, state.epoch);
        while from == state.changes.len() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let cursor = Cursor::Changes(from).write(epoch);
                return format!(r#"{{"cursor":"{cursor}","more":false}}"#);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            if state.epoch != epoch {
                return self.base_page(0, limit, true, state.epoch);
            }
        }
        let more = from + 1 < state.changes.len();
        let change = state.changes.get(from).copied();
        drop(state);
        let mut entries = String::new();
        for n in change.into_iter().flat_map(|change| change.from..change.from + change.count) {
            let revoked = change.is_some_and(|change| change.revoked);
            put_entry(&mut entries, n, self.base.kind, from + 1, revoked);
            entries.push(',');
        }
        let entries = entries.trim_end_matches(',');
        let cursor = Cursor::Changes(from + 1).write(epoch);
        format!(r#"{{"cursor":"{cursor}","more":{more},"keys":[{entries}]}}"#)
    }

    fn change(&self, request: &Request<'_>) -> String {
        let read = |name: &str| request.parameter(name).and_then(|word| word.parse::<u32>().ok());
        let change = Change {
            from: read("from").unwrap_or(0),
            count: read("count").unwrap_or(1),
            revoked: request.parameter("revoke").is_some(),
        };
        let mut state = self.state();
        state.changes.push(change);
        self.changed.notify_all();
        format!(r#"{{"changes":{}}}"#, state.changes.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(body: String) -> Answer {
    Answer { status: 200, headers: "content-type: application/json\r\n", body: body.into_bytes() }
}

#[cfg(test)]
mod tests {
    use flint_contract::protocol::Page;

    use super::*;

    fn feed(keys: u32) -> Feed {
        Feed { base: Base::new(keys, Kind::Expiring), state: Mutex::default(), changed: Condvar::new() }
    }

    fn ask(feed: &Feed, method: &str, target: &str) -> String {
        String::from_utf8(feed.handle(&Request { method, target }).body).unwrap()
    }

    fn page(feed: &Feed, query: &str) -> Page {
        let body = ask(feed, "GET", &format!("/v1/key-table?wait=0&{query}"));
        serde_json::from_str(&body).unwrap()
    }

    #[test]
    fn pages_hold_every_key_once() {
        let feed = feed(25);
        let (mut cursor, mut ids) = (String::new(), Vec::new());
        loop {
            let page = page(&feed, &format!("limit=10&cursor={cursor}"));
            ids.extend(page.keys.into_iter().map(|key| key.id));
            cursor = page.cursor;
            if !page.more {
                break;
            }
        }
        assert_eq!(ids.len(), 25);
        ids.dedup();
        assert_eq!(ids.len(), 25);
        assert_eq!(cursor, "0.c0");
    }

    #[test]
    fn a_change_is_one_page_after_the_base() {
        let feed = feed(5);
        ask(&feed, "POST", "/bench/change?from=2&count=2");
        ask(&feed, "POST", "/bench/change?from=4&count=1&revoke=1");
        let (first, second) = (page(&feed, "cursor=0.c0"), page(&feed, "cursor=0.c1"));
        assert_eq!((first.cursor.as_str(), first.more, first.keys.len()), ("0.c1", true, 2));
        assert_eq!((second.cursor.as_str(), second.more), ("0.c2", false));
        assert_eq!(second.keys[0].revoked_at, Some(1));
        assert_ne!(first.keys[0].owner, page(&feed, "limit=5").keys[2].owner);
        assert_eq!(page(&feed, "cursor=0.c2").keys, []);
    }

    #[test]
    fn an_unknown_cursor_starts_over() {
        let feed = feed(5);
        assert!(page(&feed, "cursor=0.c1").reset);
        assert!(page(&feed, "cursor=nonsense").reset);
        assert!(!page(&feed, "").reset);
        ask(&feed, "POST", "/bench/forget");
        assert!(page(&feed, "cursor=0.c0").reset);
        assert!(!page(&feed, "cursor=1.c0").reset);
    }
}
