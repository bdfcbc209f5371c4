//! Revoked tokens in pages and in the table.

use serde_json::{Value, json};

use crate::feed::lease::TERM;
use crate::feed::page::Page;
use crate::feed::poller::{Answer, Event, Now, Poller, Settings};
use crate::table::tests::{Memory, namespace};
use crate::table::{Meta, View};
use crate::token::revoked::{HELD_AFTER, digest, is_token};

const NOW: i64 = super::support::NOW;

/// A process that polls.
struct Process {
    store: Memory,
    poller: Poller,
    ms: u64,
}

fn page(cursor: &str, more: bool, reset: bool, tokens: &Value) -> Value {
    json!({"cursor": cursor, "more": more, "reset": reset, "revoked_tokens": tokens,
        "keys": [{"sha256": "0".repeat(64), "id": "key_1", "environment": "live", "permissions": []}]})
}

fn token(jti: &str, expires_at: i64) -> Value {
    json!({"jti": jti, "expires_at": expires_at})
}

impl Process {
    fn new() -> Self {
        let settings = Settings { wait_seconds: 25, timeout_seconds: 5 };
        Self { store: Memory::default(), poller: Poller::new(namespace(), settings, 1), ms: 0 }
    }

    fn now(&self) -> Now {
        Now { ms: self.ms, served: false, random: 7 }
    }

    fn take(&mut self, page: &Value) -> Vec<Event> {
        for _ in 0..100 {
            self.ms += 300;
            let now = self.now();
            if self.poller.poll(&self.store, now).is_some() {
                break;
            }
        }
        let body = page.to_string();
        let now = self.now();
        let answer = Answer { status: Some(200), encoded: false, body: body.as_bytes() };
        self.poller.handle_answer(&self.store, answer, now);
        self.poller.take_events()
    }

    /// Looks through all of the table for what is over.
    fn prune(&mut self, unix: i64) {
        for _ in 0..400 {
            self.ms += 300;
            let now = self.now();
            self.poller.poll(&self.store, now);
            self.poller.prune(&self.store, unix, now);
        }
    }

    fn ends(&self, jti: &str) -> Option<i64> {
        let mut view = View::new(namespace());
        view.refresh(&self.store).unwrap();
        let found = view.lookup(&self.store, &digest(jti)).unwrap()?;
        let record = found.record().unwrap();
        assert!(record.id.is_empty());
        record.expires_at
    }

    fn counts(&self) -> (u64, u64) {
        let meta = Meta::load(&self.store, namespace()).unwrap().0.unwrap();
        (meta.keys, meta.tokens)
    }
}

#[test]
fn revoked_tokens_of_a_page_are_read_and_bad_ones_dropped() {
    let read = |tokens: Value| Page::parse(page("c", false, false, &tokens).to_string().as_bytes());
    let good = read(json!([token("a", 7), {"jti": "b", "expires_at": -1, "x": 1}, token("", 0)])).unwrap();
    assert_eq!((good.dropped, good.changes.len()), (0, 4));
    assert!(good.changes[1..].iter().all(|(_, entry)| is_token(entry.as_ref().unwrap())));
    let bad = json!([
        {"jti": "a"}, {"expires_at": 1}, {"jti": 1, "expires_at": 1}, {"jti": null, "expires_at": 1},
        {"jti": "a", "expires_at": 1.5}, {"jti": "a", "expires_at": "1"}, {"jti": "a", "expires_at": null}, 7, "a", null,
    ]);
    let dropped = read(bad).unwrap();
    assert_eq!((dropped.dropped, dropped.changes.len()), (10, 1));
    let twice = read(json!([token("a", 1), token("a", 2)])).unwrap();
    assert_eq!(twice.changes[1].1.as_ref().and_then(|entry| entry.expires_at), Some(2));
}

#[test]
fn a_revoked_token_is_in_the_table_and_no_key() {
    let mut process = Process::new();
    let events = process.take(&page("c1", false, false, &json!([token("a", NOW)])));
    assert!(events.contains(&Event::Replaced { keys: 1 }), "{events:?}");
    assert_eq!((process.ends("a"), process.ends("b"), process.counts()), (Some(NOW), None, (2, 1)));
    process.take(&page("c2", false, false, &json!([token("b", NOW + 1), token("a", NOW + 2)])));
    assert_eq!(
        (process.ends("a"), process.ends("b"), process.counts()),
        (Some(NOW + 2), Some(NOW + 1), (3, 2))
    );
}

#[test]
fn a_reset_replaces_revoked_tokens_when_it_is_complete() {
    let mut process = Process::new();
    process.take(&page("c1", false, false, &json!([token("a", NOW), token("b", NOW)])));
    process.take(&page("d1", true, true, &json!([token("b", NOW), token("c", NOW)])));
    assert_eq!((process.ends("a"), process.ends("c")), (Some(NOW), None), "the old table serves");
    process.take(&page("d2", false, false, &json!([])));
    assert_eq!((process.ends("a"), process.ends("b"), process.ends("c")), (None, Some(NOW), Some(NOW)));
    assert_eq!(process.counts(), (3, 2));
}

#[test]
fn a_revoked_token_is_let_go_when_no_gateway_needs_it() {
    let mut process = Process::new();
    let tokens: Vec<_> = (0..1_000).map(|number| token(&format!("j{number}"), NOW + number % 2)).collect();
    process.take(&page("c1", false, false, &json!(tokens)));
    assert_eq!(process.counts(), (1_001, 1_000));
    process.prune(NOW + HELD_AFTER);
    assert_eq!(process.counts(), (1_001, 1_000), "its time plus any skew is not over");
    process.prune(NOW + HELD_AFTER + 1);
    assert_eq!(process.counts(), (501, 500));
    assert_eq!((process.ends("j0"), process.ends("j1")), (None, Some(NOW + 1)));
    process.prune(NOW + HELD_AFTER + 2);
    assert_eq!(process.counts(), (1, 0));
}

#[test]
fn the_next_poller_counts_what_one_that_died_has_left_half_pruned() {
    let mut process = Process::new();
    let tokens: Vec<_> = (0..200).map(|number| token(&format!("j{number}"), NOW)).collect();
    process.take(&page("c1", false, false, &json!(tokens)));
    process.store.die_after(3);
    process.prune(NOW + HELD_AFTER + 1);
    process.store.live();
    process.ms += 2 * TERM;
    let settings = Settings { wait_seconds: 25, timeout_seconds: 5 };
    process.poller = Poller::new(namespace(), settings, 2);
    process.take(&page("c2", false, false, &json!([token("last", NOW + 9)])));
    process.prune(NOW + HELD_AFTER + 1);
    assert_eq!((process.counts(), process.ends("last")), ((2, 1), Some(NOW + 9)));
}

#[test]
fn there_is_a_bound_and_what_is_beyond_it_is_counted() {
    let mut bounded = Page::parse(
        page("c", false, false, &json!([token("a", 1), token("b", 1), token("c", 1)])).to_string().as_bytes(),
    )
    .unwrap();
    bounded.drop_tokens_beyond(2);
    assert_eq!((bounded.changes.len(), bounded.dropped), (3, 1));
    bounded.drop_tokens_beyond(0);
    assert_eq!((bounded.changes.len(), bounded.dropped), (1, 3), "keys stay");
}
