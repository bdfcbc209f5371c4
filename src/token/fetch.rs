//! Keeping an issuer's keys fresh: when to call its server, and what its answers do. Sans-IO, as
//! the poller of the key table is, and under a lease of the same kind: one VM of the process calls,
//! and every VM sees what comes of it.
//!
//! 1. A set is fetched again after `refresh_seconds`, give or take a tenth; after a failure with
//!    the back-off of the key table; and at once if a token with an unknown `kid` asked for it
//!    ([`super::held::ASK_EVERY`]).
//! 2. An answer that is not good changes nothing; the known set works until it is too old.
//! 3. There is one call at a time. A question that comes while one is on its way has another one
//!    made after it.
//!
//! Times are milliseconds of the monotonic clock.

use crate::backoff::Backoff;
use crate::feed::lease::Lease;
use crate::feed::poller::{Answer, Now};
use crate::table::store::{Fault, Namespace, Store};

use super::held::{self, Head};
use super::keys::{BadSet, KeySet};

/// When to call.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// After how many seconds a set is fetched again.
    pub refresh_seconds: u32,
    /// After how many seconds a call is given up.
    pub timeout_seconds: u32,
}

/// Why a set was not refreshed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// Envoy would not send the call.
    NotSent,
    /// The call was reset, or the answer was too large for Envoy.
    NoAnswer,
    /// No answer in time.
    TimedOut,
    /// The answer's status is not 200.
    Status(u16),
    /// The answer has a content encoding.
    Encoding,
    /// The answer is not a set of keys.
    Bad(BadSet),
    /// Shared data could not be read or written.
    Store(Fault),
}

/// What there is to count and to say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A call failed; this many in a row have.
    Failed(Failure, u32),
    /// The first good answer after failures.
    Recovered(u32),
    /// There are other keys than before.
    Changed {
        /// How many can be used.
        keys: usize,
        /// How many were left out.
        left_out: usize,
    },
}

/// What fetches one set, in one VM.
#[derive(Debug)]
pub struct Fetcher {
    namespace: Namespace,
    lease: Lease,
    holder: Option<Holder>,
    events: Vec<Event>,
}

/// What only the VM with the lease has.
#[derive(Debug)]
struct Holder {
    fence: u32,
    /// When the next call is due; not known before shared data has been looked at.
    due: Option<u64>,
    /// When the call that is on its way was made.
    call: Option<u64>,
    /// When the last call was made.
    called: Option<u64>,
    backoff: Backoff,
}

// === impl Fetcher ===

impl Fetcher {
    /// One that has done nothing yet. `me` is random and not 0.
    #[must_use]
    pub const fn new(namespace: Namespace, me: u64) -> Self {
        Self { namespace, lease: Lease::new(namespace, me), holder: None, events: Vec::new() }
    }

    /// Takes what happened since the last time.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether this VM is the one that calls.
    #[must_use]
    pub const fn is_holder(&self) -> bool {
        self.holder.is_some()
    }

    /// Keeps the lease. Returns after how many milliseconds to give the call up that is to be made
    /// now, if one is.
    pub fn poll<S: Store>(&mut self, store: &S, settings: Settings, now: Now) -> Option<u64> {
        self.keep_lease(store, now);
        let timeout = 1_000 * u64::from(settings.timeout_seconds);
        // The host reports a timeout itself; the second more is for the case that it never does.
        let is_overdue = |call: u64| call + timeout + 1_000 <= now.ms;
        if self.holder.as_ref()?.call.is_some_and(is_overdue) {
            self.handle_failure(store, Failure::TimedOut, now);
        }
        match self.holder.as_mut()?.is_due(store, self.namespace, settings, now) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(fault) => {
                self.fail(Failure::Store(fault), now);
                return None;
            }
        }
        let holder = self.holder.as_mut()?;
        (holder.call, holder.called) = (Some(now.ms), Some(now.ms));
        Some(timeout)
    }

    /// The call that [`Fetcher::poll`] asked for failed, or could not be made.
    pub fn handle_failure<S: Store>(&mut self, store: &S, failure: Failure, now: Now) {
        let Some(call) = self.fail(failure, now) else { return };
        // Anyone who waits for the answer need not wait any longer.
        let Some(holder) = &self.holder else { return };
        let _ = write_head(store, self.namespace, holder.fence, |head| head.answered = call);
    }

    /// The call that [`Fetcher::poll`] asked for will not be answered, and that is nobody's fault:
    /// it is due again.
    pub fn call_ended(&mut self, ms: u64) {
        if let Some(holder) = &mut self.holder {
            (holder.call, holder.called, holder.due) = (None, None, Some(ms));
        }
    }

    /// The answer to the call that [`Fetcher::poll`] asked for.
    pub fn handle_answer<S: Store>(&mut self, store: &S, settings: Settings, answer: Answer<'_>, now: Now) {
        self.keep_lease(store, now);
        let Some(holder) = &mut self.holder else { return };
        let Some(call) = holder.call else { return };
        let (keys, left_out) = match read(answer) {
            Ok(read) => read,
            Err(failure) => {
                self.handle_failure(store, failure, now);
                return self.yield_to_idle_vm(store, now);
            }
        };
        match publish(store, self.namespace, holder.fence, &keys, call) {
            Ok(false) => {}
            Ok(true) => self.events.push(Event::Changed { keys: keys.len(), left_out }),
            Err(fault) => {
                self.fail(Failure::Store(fault), now);
                return;
            }
        }
        let failures = holder.backoff.succeeded();
        if failures > 0 {
            self.events.push(Event::Recovered(failures));
        }
        (holder.call, holder.due) = (None, Some(now.ms + spread(settings.refresh_seconds, now.random)));
        self.yield_to_idle_vm(store, now);
    }

    /// Notes a failure. Returns when the call was made, if there was one.
    fn fail(&mut self, failure: Failure, now: Now) -> Option<u64> {
        let holder = self.holder.as_mut()?;
        holder.due = Some(now.ms + holder.backoff.failed(now.random as u64));
        self.events.push(Event::Failed(failure, holder.backoff.failures()));
        holder.call.take()
    }

    fn keep_lease<S: Store>(&mut self, store: &S, now: Now) {
        let fence = self.lease.step(store, now.ms, now.served).unwrap_or_default();
        if self.holder.as_ref().map(|holder| holder.fence) != fence {
            self.holder = fence.map(Holder::new);
        }
    }

    fn yield_to_idle_vm<S: Store>(&mut self, store: &S, now: Now) {
        if now.served && self.lease.idle_vm_is_present(store, now.ms) == Ok(true) {
            // If the release fails the lease runs out.
            let _ = self.lease.release(store, now.ms);
            self.holder = None;
        }
    }
}

// === impl Holder ===

impl Holder {
    fn new(fence: u32) -> Self {
        Self { fence, due: None, call: None, called: None, backoff: Backoff::default() }
    }

    /// Whether a call is to be made now.
    fn is_due<S: Store>(
        &mut self,
        store: &S,
        namespace: Namespace,
        settings: Settings,
        now: Now,
    ) -> Result<bool, Fault> {
        if self.call.is_some() {
            return Ok(false);
        }
        let due = match self.due {
            Some(due) => due,
            None => {
                let head = write_head(store, namespace, self.fence, |_| ())?;
                self.called = Some(head.answered).filter(|answered| *answered > 0);
                let fresh = Some(head.fresh_at).filter(|_| head.version > 0);
                let due = fresh.map_or(now.ms, |fresh| fresh + spread(settings.refresh_seconds, now.random));
                *self.due.insert(due)
            }
        };
        // Another configuration may want it sooner than the one that the last call was made for.
        let due = due.min(now.ms + 1_100 * u64::from(settings.refresh_seconds));
        self.due = Some(due);
        if due <= now.ms {
            return Ok(true);
        }
        let asked = held::asked_at(store, namespace)?.0.filter(|asked| *asked <= now.ms);
        Ok(asked.is_some_and(|asked| self.called.is_none_or(|called| called < asked)))
    }
}

/// Changes the head, unless a later holder of the lease has written it.
fn write_head<S: Store>(
    store: &S,
    namespace: Namespace,
    fence: u32,
    change: impl FnOnce(&mut Head),
) -> Result<Head, Fault> {
    let (held, condition) = Head::load(store, namespace)?;
    let mut head = held.unwrap_or_default();
    if head.fence > fence {
        return Err(Fault::Lost);
    }
    head.fence = fence;
    change(&mut head);
    head.save(store, namespace, condition)?;
    Ok(head)
}

/// Puts keys in place. Returns whether they are other ones than before.
fn publish<S: Store>(
    store: &S,
    namespace: Namespace,
    fence: u32,
    keys: &KeySet,
    call: u64,
) -> Result<bool, Fault> {
    let (held, condition) = held::load_keys(store, namespace)?;
    // What lies there belongs to this holder from here on: whoever wrote the keys since is a later
    // one.
    let head = write_head(store, namespace, fence, |_| ())?;
    let last = held.as_ref().map_or(0, |(version, _)| *version).max(head.version);
    let is_same = head.version > 0 && held.is_some_and(|(version, held)| version == last && held == *keys);
    let version = if is_same { last } else { last + 1 };
    if !is_same {
        held::save_keys(store, namespace, version, keys, condition)?;
    }
    write_head(store, namespace, fence, |head| {
        (head.version, head.fresh_at, head.answered) = (version, call, call);
    })?;
    Ok(!is_same)
}

fn read(answer: Answer<'_>) -> Result<(KeySet, usize), Failure> {
    match answer.status {
        None => Err(Failure::NoAnswer),
        Some(200) if answer.encoded => Err(Failure::Encoding),
        Some(200) => KeySet::parse(answer.body).map_err(Failure::Bad),
        Some(status) => Err(Failure::Status(status)),
    }
}

/// So many seconds in milliseconds, give or take a tenth: gateways that started together do not
/// call together.
fn spread(seconds: u32, random: u128) -> u64 {
    let whole = 1_000 * u64::from(seconds);
    let tenth = whole / 10;
    whole - tenth + u64::try_from(random % u128::from(2 * tenth + 1)).unwrap_or_default()
}
