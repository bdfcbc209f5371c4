//! What a connection is doing, and by when it must make progress.
//!
//! Hyper's own time for reading a head also runs between requests on a connection that is kept, and
//! not while it finds out the version; so the time is measured here. The bytes that pass (`stream`)
//! and the requests (`connection`) tell what happens; [`Progress::overdue`] waits until nothing has
//! happened for too long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limits::Limits;

/// Why a connection should end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Overdue {
    /// No request comes.
    Idle,
    /// A request began and its head does not end, or the first one does not begin.
    Head,
    /// The client takes nothing of what is written.
    Write,
    /// The client takes an answer too slowly.
    Answer,
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// Told where the time that is waited for has become an earlier one.
    earlier: Notify,
    limits: Limits,
}

/// A request that is being answered, until the end of its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    progress: Arc<Progress>,
    number: u64,
}

#[derive(Debug)]
struct State {
    /// How many requests have come.
    requests: u64,
    /// Whether another request may come while one is answered: HTTP/2.
    multiplexed: bool,
    under_way: usize,
    /// When the time without a request began.
    quiet_since: Instant,
    /// When the first byte of the next head came; not known where requests are multiplexed.
    head_since: Option<Instant>,
    /// Since when the client takes nothing.
    blocked_since: Option<Instant>,
    /// When each answer began that has not been taken.
    answers: BTreeMap<u64, Instant>,
    /// When the connection was told to end.
    ends_since: Option<Instant>,
    /// The time that is waited for.
    awaited: Option<Instant>,
}

// === impl State ===

impl State {
    fn new(now: Instant) -> Self {
        Self {
            requests: 0,
            multiplexed: false,
            under_way: 0,
            quiet_since: now,
            head_since: None,
            blocked_since: None,
            answers: BTreeMap::new(),
            ends_since: None,
            awaited: None,
        }
    }

    fn received(&mut self, now: Instant) {
        if self.under_way == 0 && !self.multiplexed {
            self.head_since.get_or_insert(now);
        }
    }

    fn begin(&mut self, multiplexed: bool) -> u64 {
        self.requests += 1;
        self.multiplexed = multiplexed;
        self.under_way += 1;
        self.head_since = None;
        self.requests
    }

    fn end(&mut self, number: u64, now: Instant) {
        self.under_way -= 1;
        self.answers.remove(&number);
        self.quiet_since = now;
    }

    /// By when something has to have happened, and what it means if not.
    fn deadline(&self, limits: &Limits) -> Option<(Instant, Overdue)> {
        let quiet = match self.head_since {
            _ if self.under_way > 0 => None,
            _ if self.ends_since.is_some() => {
                let since = self.ends_since.max(Some(self.quiet_since));
                since.map(|since| (since + limits.head, Overdue::Idle))
            }
            _ if self.requests == 0 => Some((self.quiet_since + limits.head, Overdue::Head)),
            Some(since) => Some((since + limits.head, Overdue::Head)),
            None => Some((self.quiet_since + limits.idle, Overdue::Idle)),
        };
        let blocked = self.blocked_since.map(|since| (since + limits.write, Overdue::Write));
        let answer = self.answers.values().next().map(|since| (*since + limits.answer, Overdue::Answer));
        [quiet, blocked, answer].into_iter().flatten().min_by_key(|deadline| deadline.0)
    }
}

// === impl Progress ===

impl Progress {
    /// That of a connection that has just been made.
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let state = Mutex::new(State::new(Instant::now()));
        Arc::new(Self { state, earlier: Notify::new(), limits })
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        self.change(|state| state.received(Instant::now()));
    }

    /// Whether the client takes nothing at the moment.
    pub(super) fn blocked(&self, blocked: bool) {
        self.change(|state| state.blocked_since = blocked.then(Instant::now));
    }

    /// The connection has been told to end.
    pub(super) fn ends(&self) {
        self.change(|state| state.ends_since = Some(Instant::now()));
    }

    /// Since when nothing is asked; `None` if something is.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.under_way == 0).then_some(state.quiet_since)
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>, multiplexed: bool) -> Exchange {
        let number = self.change(|state| state.begin(multiplexed));
        Exchange { progress: Arc::clone(self), number }
    }

    /// Waits until something should have happened and has not.
    pub(super) async fn overdue(&self) -> Overdue {
        loop {
            let deadline = self.await_next();
            let Some((at, overdue)) = deadline else {
                self.earlier.notified().await;
                continue;
            };
            if at <= Instant::now() {
                return overdue;
            }
            tokio::select! {
                () = sleep_until(at) => {}
                () = self.earlier.notified() => {}
            }
        }
    }

    fn await_next(&self) -> Option<(Instant, Overdue)> {
        let mut state = self.lock();
        let deadline = state.deadline(&self.limits);
        state.awaited = deadline.map(|deadline| deadline.0);
        deadline
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let next = state.deadline(&self.limits).map(|deadline| deadline.0);
        // A later time is seen when the earlier one has come: most requests are over long before
        // any.
        let is_earlier = next.is_some_and(|next| state.awaited.is_none_or(|awaited| next < awaited));
        if is_earlier {
            state.awaited = next;
            self.earlier.notify_one();
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Exchange ===

impl Exchange {
    /// The answer begins.
    pub(super) fn answer(&self) {
        let number = self.number;
        self.progress.change(|state| state.answers.insert(number, Instant::now()));
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.progress.change(|state| state.end(self.number, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// When it must have gone on, in seconds from the start.
    fn due(state: &State, start: Instant) -> Option<(u64, Overdue)> {
        state.deadline(&Limits::default()).map(|(at, overdue)| ((at - start).as_secs(), overdue))
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_head_has_its_time_from_its_first_byte_on_and_the_first_one_from_the_connection_on() {
        let start = Instant::now();
        let mut state = State::new(start);
        assert_eq!(due(&state, start), Some((10, Overdue::Head)));
        state.received(at(start, 9));
        assert_eq!(due(&state, start), Some((10, Overdue::Head)));
        let first = state.begin(false);
        assert_eq!(due(&state, start), None, "a held call has time");
        state.received(at(start, 20));
        assert_eq!(due(&state, start), None, "a body is not a head");
        state.end(first, at(start, 100));
        assert_eq!(due(&state, start), Some((700, Overdue::Idle)));
        state.received(at(start, 650));
        state.received(at(start, 655));
        assert_eq!(due(&state, start), Some((660, Overdue::Head)), "one byte now and then is not enough");
        let second = state.begin(false);
        state.end(second, at(start, 656));
        assert_eq!(due(&state, start), Some((1_256, Overdue::Idle)));
    }

    #[test]
    fn frames_between_multiplexed_requests_are_no_heads() {
        let start = Instant::now();
        let mut state = State::new(start);
        let (first, second) = (state.begin(true), state.begin(true));
        state.end(first, at(start, 5));
        assert_eq!(due(&state, start), None);
        state.end(second, at(start, 6));
        state.received(at(start, 300));
        assert_eq!(due(&state, start), Some((606, Overdue::Idle)));
    }

    #[test]
    fn an_answer_must_be_taken() {
        let start = Instant::now();
        let mut state = State::new(start);
        let number = state.begin(true);
        state.answers.insert(number, at(start, 1));
        assert_eq!(due(&state, start), Some((301, Overdue::Answer)));
        state.blocked_since = Some(at(start, 2));
        assert_eq!(due(&state, start), Some((32, Overdue::Write)));
        state.blocked_since = None;
        state.end(number, at(start, 3));
        assert_eq!(due(&state, start), Some((603, Overdue::Idle)));
    }

    #[test]
    fn who_is_told_to_end_has_a_little_time_for_it() {
        let start = Instant::now();
        let mut state = State::new(start);
        let number = state.begin(true);
        state.ends_since = Some(at(start, 5));
        assert_eq!(due(&state, start), None, "what is under way is answered");
        state.end(number, at(start, 7));
        assert_eq!(due(&state, start), Some((17, Overdue::Idle)));
    }

    #[tokio::test]
    async fn an_earlier_time_is_seen_while_a_later_one_is_awaited() {
        let later = Duration::from_hours(1);
        let limits = Limits { head: later, write: Duration::from_millis(1), ..Limits::default() };
        let progress = Progress::new(limits);
        let waiting = tokio::spawn({
            let progress = Arc::clone(&progress);
            async move { progress.overdue().await }
        });
        while progress.lock().awaited.is_none() {
            tokio::task::yield_now().await;
        }
        progress.blocked(true);
        assert_eq!(waiting.await.unwrap(), Overdue::Write);
    }
}
