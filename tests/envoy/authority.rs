//! A scriptable authority: contract §6 and §7 done right, and every way of doing them wrong on
//! demand.
//!
//! It keeps a log of changes and serves pages of it, holds long polls, records every call, and can
//! be told to answer badly, not at all, or to be gone. One thread per connection: Envoy opens few.

mod feed;
mod reply;
mod server;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use serde_json::Value;

use self::feed::Feed;
pub(crate) use self::reply::Reply;
use self::server::Server;
use crate::harness::eventually;

/// The token that this authority takes from gateways.
pub(crate) const TOKEN: &str = "gw_5f1d9c-the-gateways-own-token";

/// A running authority. It stops with its last handle.
pub(crate) struct Authority {
    shared: Arc<Shared>,
    server: Server,
}

/// One call, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    feed: Feed,
    calls: Vec<Call>,
    polls: Script,
    usage: Script,
    /// The signing keys that are served, and what calls for them get in their place.
    keys: Option<Value>,
    key_calls: Script,
    /// Calls for the key table that are being held or answered, and the most there have been at
    /// once.
    open: usize,
    most_open: usize,
    page_limit: Option<usize>,
}

/// What calls of one kind are answered with, other than the truth.
#[derive(Default)]
struct Script {
    next: VecDeque<Reply>,
    always: Option<Reply>,
}

// === impl Authority ===

impl Authority {
    /// An authority without keys, listening.
    pub(crate) fn start() -> Self {
        let authority = Self::down();
        authority.up();
        authority
    }

    /// An authority whose port refuses connections until [`Authority::up`].
    pub(crate) fn down() -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        Self { server: Server::reserve(), shared }
    }

    /// Begins to listen.
    pub(crate) fn up(&self) {
        self.server.up(&self.shared);
    }

    /// Closes every connection and refuses new ones.
    pub(crate) fn go_down(&self) {
        self.server.down();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Inserts or replaces entries, and returns once a gateway has acknowledged them.
    pub(crate) fn publish<E: Into<Value>>(&self, entries: impl IntoIterator<Item = E>) {
        let position = self.announce(entries);
        self.acknowledged(&position);
    }

    /// Inserts or replaces entries; nobody is waited for. Returns the position that acknowledges
    /// them.
    pub(crate) fn announce<E: Into<Value>>(&self, entries: impl IntoIterator<Item = E>) -> String {
        let entries: Vec<Value> = entries.into_iter().map(Into::into).collect();
        self.change(|state| state.feed.upsert(entries))
    }

    /// Forgets digests; nobody is waited for. Returns the position that acknowledges it.
    pub(crate) fn remove<E: Into<Value>>(&self, entries: impl IntoIterator<Item = E>) -> String {
        let digests = entries.into_iter().map(|entry| entry.into()["sha256"].clone()).collect();
        self.change(|state| state.feed.remove(digests))
    }

    /// Waits until a gateway has acknowledged all there is.
    pub(crate) fn synced(&self) {
        self.publish([] as [Value; 0]);
    }

    /// Waits until a gateway's call says, by its cursor, that it has applied this position.
    pub(crate) fn acknowledged(&self, position: &str) {
        eventually("a gateway acknowledges the change", || {
            self.polls().iter().any(|call| call.has_seen(position))
        });
    }

    /// Starts over with another database that holds these entries: old cursors are unknown.
    pub(crate) fn restart_with<E: Into<Value>>(&self, entries: impl IntoIterator<Item = E>) -> String {
        let entries: Vec<Value> = entries.into_iter().map(Into::into).collect();
        self.change(|state| state.feed.start_over(entries))
    }

    /// Revokes an access token; nobody is waited for. Returns the position that acknowledges it.
    pub(crate) fn revoke_token(&self, jti: &str, expires_at: i64) -> String {
        self.change(|state| state.feed.revoke_token(jti, expires_at))
    }

    /// Serves this set of signing keys.
    pub(crate) fn serve_keys(&self, set: Value) {
        self.change(|state| state.keys = Some(set));
    }

    /// Answers the next calls for signing keys with these, in order, then with the truth.
    pub(crate) fn next_key_calls(&self, replies: impl IntoIterator<Item = Reply>) {
        self.change(|state| state.key_calls.next.extend(replies));
    }

    /// Answers every call for signing keys with this until [`Authority::recover`]; held calls at
    /// once.
    pub(crate) fn every_key_call(&self, reply: Reply) {
        self.change(|state| state.key_calls.always = Some(reply));
    }

    /// How many calls for signing keys have come so far.
    pub(crate) fn key_calls(&self) -> usize {
        self.calls().iter().filter(|call| call.path == crate::tokens::JWKS).count()
    }

    /// The most entries of one page, whatever a gateway asks for.
    pub(crate) fn page_limit(&self, limit: usize) {
        self.change(|state| state.page_limit = Some(limit));
    }

    /// Answers the next calls for the key table with these, in order, then with the truth.
    pub(crate) fn next_polls(&self, replies: impl IntoIterator<Item = Reply>) {
        self.change(|state| state.polls.next.extend(replies));
    }

    /// Answers so many further calls for the key table with the truth, and holds those after them.
    pub(crate) fn hold_after(&self, calls: usize) {
        self.change(|state| {
            state.polls.next.extend(std::iter::repeat_n(Reply::Truth, calls));
            state.polls.next.push_back(Reply::Hold);
        });
    }

    /// Answers every call for the key table with this until [`Authority::recover`]; held calls at
    /// once.
    pub(crate) fn every_poll(&self, reply: Reply) {
        self.change(|state| state.polls.always = Some(reply));
    }

    /// Answers the next usage reports with these, in order, then with the truth.
    pub(crate) fn next_reports(&self, replies: impl IntoIterator<Item = Reply>) {
        self.change(|state| state.usage.next.extend(replies));
    }

    /// Answers every usage report with this until [`Authority::recover`].
    pub(crate) fn every_report(&self, reply: Reply) {
        self.change(|state| state.usage.always = Some(reply));
    }

    /// Tells the truth again.
    pub(crate) fn recover(&self) {
        self.change(|state| {
            state.polls = Script::default();
            state.usage = Script::default();
            state.key_calls = Script::default();
        });
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// The calls for the key table so far.
    pub(crate) fn polls(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.path == "/v1/key-table").collect()
    }

    /// The usage reports so far, also those that were answered badly.
    pub(crate) fn reports(&self) -> Vec<Value> {
        let bodies = self.calls().into_iter().filter(|call| call.path == "/v1/usage");
        bodies.map(|call| serde_json::from_slice(&call.body).expect("a report is JSON")).collect()
    }

    /// How many calls for the key table there have been at once, at most.
    pub(crate) fn most_open_polls(&self) -> usize {
        self.shared.lock().most_open
    }

    /// Waits until this many more calls for the key table have come than there are now.
    pub(crate) fn polled_again(&self, times: usize) {
        self.polled(self.polls().len() + times);
    }

    /// Waits until so many calls for the key table have come in all.
    pub(crate) fn polled(&self, times: usize) {
        eventually("the gateway polls", || self.polls().len() >= times);
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.shared.lock());
        self.shared.changed.notify_all();
        result
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.server.down();
        self.shared.changed.notify_all();
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

// === impl Script ===

impl Script {
    /// The answer that is next, where it is not the truth.
    fn take(&mut self) -> Option<Reply> {
        if self.holds() || matches!(self.next.front(), Some(Reply::Truth)) {
            return None;
        }
        self.next.pop_front().or_else(|| self.always.clone())
    }

    /// Notes that a call got the truth.
    fn told_the_truth(&mut self) {
        self.next.pop_front_if(|reply| matches!(reply, Reply::Truth));
    }

    /// Whether the next call is to be held.
    fn holds(&self) -> bool {
        matches!(self.next.front().or(self.always.as_ref()), Some(Reply::Hold))
    }
}

// === impl Call ===

impl Call {
    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The cursor that the gateway has applied, as it says.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.parameter("cursor")
    }

    /// Whether the cursor is this one or a later one of the same database.
    pub(crate) fn has_seen(&self, position: &str) -> bool {
        let split = |cursor: &str| {
            let (database, at) = cursor.split_once('-')?;
            Some((database.to_owned(), at.parse::<usize>().ok()?))
        };
        match (self.cursor().and_then(split), split(position)) {
            (Some((database, at)), Some((wanted, least))) => database == wanted && at >= least,
            _ => false,
        }
    }

    /// The only field of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(field, _)| field == name);
        let first = found.next()?;
        assert!(found.next().is_none(), "{name} came twice");
        Some(&first.1)
    }
}
