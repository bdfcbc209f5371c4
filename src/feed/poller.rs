//! Keeping the table fresh: what to ask the authority and when, and what its answers do (contract
//! §6). Sans-IO.
//!
//! The host calls [`Poller::poll`] on ticks and after every answer; it sends what comes back and
//! hands the answer to [`Poller::handle_answer`]. Only the VM with the lease ever has something to
//! send.
//!
//! 1. A page that is bad in any way changes nothing and is asked for again, with jittered
//!    exponential back-off.
//! 2. The first run, and a run after `reset`, build a new table next to the one that serves; it
//!    takes over when it is complete. Pages of an ordinary run take effect one by one.
//! 3. The next call goes out only when every reader sees what its cursor acknowledges: shared data
//!    is written and, after a replacement, the old table is out of all shards.
//! 4. A call after a failure, or while there is no table, asks for an answer at once (`wait=0`), so
//!    that recovery does not wait for the next change.
//! 5. A VM that serves requests leaves the lease, after every page, to one that does not, together
//!    with any unfinished table.
//! 6. The progress of an unfinished table is saved after every page, so the next holder of the
//!    lease continues from there even if this one dies.
//!
//! Times are milliseconds of the monotonic clock.

use crate::feed::holder::Holder;
use crate::feed::lease::Lease;
use crate::feed::page::{BadPage, Page};
use crate::table::{Fault, Store, store::Namespace};
use crate::token::revoked::MAX_REVOKED;

/// How to call the authority.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the authority may hold a call.
    pub wait_seconds: u32,
    /// How much longer than that a call may take.
    pub timeout_seconds: u32,
}

/// What a VM knows of itself at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock, in milliseconds.
    pub ms: u64,
    /// Whether this VM has served a request yet.
    pub served: bool,
    /// Fresh random bits.
    pub random: u128,
}

/// A call to make: `GET` of `path`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    /// Path and query.
    pub path: String,
    /// After how many milliseconds to give up.
    pub timeout: u64,
}

/// What came back, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The status; `None` where there was no answer at all: a reset, or one too large.
    pub status: Option<u16>,
    /// There is a `content-encoding` other than `identity`.
    pub encoded: bool,
    /// The body.
    pub body: &'a [u8],
}

/// Why the table was not refreshed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The token's environment variable is not set.
    NoToken,
    /// Envoy would not send the call: no such cluster, or no healthy host.
    NotSent,
    /// The call was reset, or the answer was too large for Envoy.
    NoAnswer,
    /// No answer in time, and not even the host's word for it.
    TimedOut,
    /// The answer's status is not 200.
    Status(u16),
    /// The answer has a content encoding.
    Encoding,
    /// The answer is not JSON, or was cut short.
    Json,
    /// The answer is JSON of another shape.
    Shape,
    /// The answer is larger than a page may be.
    Excess,
    /// The answer promises more and stays where it is.
    NoProgress,
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
    /// A page took effect, or was added to the table in the making.
    Applied {
        /// How many keys it changed.
        changes: usize,
        /// How many of its entries were bad.
        dropped: u64,
    },
    /// A whole table took the place of the old one, or is the first.
    Replaced {
        /// How many keys it has.
        keys: u64,
    },
    /// The authority does not know the cursor; so many times without an ordinary page in between.
    Reset(u32),
    /// This VM has become the one that polls.
    TookLease,
    /// This VM polls no longer.
    LostLease,
}

/// The poller of one authority in one VM.
#[derive(Debug)]
pub struct Poller {
    namespace: Namespace,
    settings: Settings,
    lease: Lease,
    holder: Option<Holder>,
    events: Vec<Event>,
    /// Both clocks at the last tick.
    clocks: Option<(u64, i64)>,
}

/// By how many milliseconds the wall clock gets ahead of the monotonic one between two ticks if the
/// machine was suspended; less is rounding, and what time servers correct.
const SUSPENDED: i64 = 10_000;

// === impl Poller ===

impl Poller {
    /// A poller that has done nothing yet. `me` is random and not 0.
    #[must_use]
    pub const fn new(namespace: Namespace, settings: Settings, me: u64) -> Self {
        let lease = Lease::new(namespace, me);
        Self { namespace, settings, lease, holder: None, events: Vec::new(), clocks: None }
    }

    /// Takes what happened since the last time.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether this VM is the one that polls.
    #[must_use]
    pub const fn is_holder(&self) -> bool {
        self.holder.is_some()
    }

    /// Keeps the lease, and answers with the call to make now, if there is one.
    pub fn poll<S: Store>(&mut self, store: &S, now: Now) -> Option<Call> {
        self.keep_lease(store, now);
        let overdue = |holder: &Holder| holder.call.is_some_and(|call| call.give_up <= now.ms);
        if self.holder.as_ref().is_some_and(overdue) {
            self.handle_failure(Failure::TimedOut, now);
        }
        let holder = self.holder.as_mut()?;
        if holder.call.is_some() || holder.due > now.ms {
            return None;
        }
        match holder.prepare(store, self.namespace) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(fault) => {
                self.fault(fault, now);
                return None;
            }
        }
        let (call, outstanding) = holder.next_call(self.settings, now);
        holder.call = Some(outstanding);
        Some(call)
    }

    /// Looks at both clocks; to be called at every tick. While a machine is suspended the monotonic
    /// clock stands still, and with it the table's age, and a call that was held may never be
    /// answered. So the authority is asked at once if the wall clock has leapt. The age itself does
    /// not follow the wall clock, which leaps for other reasons too.
    pub fn look_at_clocks(&mut self, ms: u64, unix: i64) {
        let Some((last_ms, last_unix)) = self.clocks.replace((ms, unix)) else { return };
        let ran = i64::try_from(ms.saturating_sub(last_ms)).unwrap_or(i64::MAX);
        let passed = unix.saturating_sub(last_unix).saturating_mul(1_000);
        if passed.saturating_sub(ran) > SUSPENDED
            && let Some(holder) = &mut self.holder
        {
            holder.ask_at_once(ms);
        }
    }

    /// Takes revoked tokens out of the table whose time was over at `unix`. To be called at every
    /// tick.
    pub fn prune<S: Store>(&mut self, store: &S, unix: i64, now: Now) {
        let Some(holder) = &mut self.holder else { return };
        if let Err(fault) = holder.prune(store, self.namespace, unix, now.ms) {
            self.fault(fault, now);
        }
    }

    /// The call that [`Poller::poll`] asked for failed, or could not be made.
    pub fn handle_failure(&mut self, failure: Failure, now: Now) {
        let Some(holder) = &mut self.holder else { return };
        holder.call = None;
        holder.due = now.ms + holder.backoff.failed(now.random as u64);
        self.events.push(Event::Failed(failure, holder.backoff.failures()));
    }

    /// The call that [`Poller::poll`] asked for will not be answered, and that is nobody's fault:
    /// it is due again.
    pub fn call_ended(&mut self, ms: u64) {
        if let Some(holder) = &mut self.holder {
            (holder.call, holder.due) = (None, ms);
        }
    }

    /// The answer to the call that [`Poller::poll`] asked for.
    pub fn handle_answer<S: Store>(&mut self, store: &S, answer: Answer<'_>, now: Now) {
        self.keep_lease(store, now);
        // An answer to a call that was given up, or made under a lease that is gone, is not wanted.
        let Some(holder) = &mut self.holder else { return };
        let Some(call) = holder.call.take() else { return };
        let mut page = match read(answer) {
            Ok(page) => page,
            Err(failure) => return self.handle_failure(failure, now),
        };
        let moved = page.reset || holder.cursor() != Some(&page.cursor);
        if page.more && !moved {
            return self.handle_failure(Failure::NoProgress, now);
        }
        let gap = holder.gap(&page, moved, call);
        if page.reset {
            self.events.push(Event::Reset(holder.resets));
        }
        holder.heed_bound(&mut page, MAX_REVOKED);
        let (changes, dropped) = (page.changes.len(), page.dropped);
        match holder.take_page(store, self.namespace, page, now) {
            Ok(replaced) => {
                self.events.push(Event::Applied { changes, dropped });
                self.events.extend(replaced.map(|keys| Event::Replaced { keys }));
            }
            Err(fault) => return self.fault(fault, now),
        }
        let failures = holder.backoff.succeeded();
        if failures > 0 {
            self.events.push(Event::Recovered(failures));
        }
        holder.due = now.ms.max(call.sent + gap);
        self.yield_to_idle_vm(store, now);
    }

    fn keep_lease<S: Store>(&mut self, store: &S, now: Now) {
        let fence = self.lease.step(store, now.ms, now.served).unwrap_or_default();
        let held = self.holder.as_ref().map(|holder| holder.fence);
        if held == fence {
            return;
        }
        if self.holder.take().is_some() {
            self.events.push(Event::LostLease);
        }
        if let Some(fence) = fence {
            self.holder = Some(Holder::new(fence, now));
            self.events.push(Event::TookLease);
        }
    }

    /// Shared data failed this VM: it starts over from what is there, if it is still the one to do
    /// so.
    fn fault(&mut self, fault: Fault, now: Now) {
        self.handle_failure(Failure::Store(fault), now);
        if let Some(holder) = &mut self.holder {
            holder.start_over(fault);
        }
    }

    fn yield_to_idle_vm<S: Store>(&mut self, store: &S, now: Now) {
        let Some(holder) = &self.holder else { return };
        if now.served
            && self.lease.idle_vm_is_present(store, now.ms) == Ok(true)
            && holder.hand_over(store, self.namespace).is_ok()
        {
            // If the release fails the lease runs out.
            let _ = self.lease.release(store, now.ms);
            self.holder = None;
            self.events.push(Event::LostLease);
        }
    }
}

fn read(answer: Answer<'_>) -> Result<Page, Failure> {
    match answer.status {
        None => Err(Failure::NoAnswer),
        Some(200) if answer.encoded => Err(Failure::Encoding),
        Some(200) => Page::parse(answer.body).map_err(|bad| match bad {
            BadPage::Json => Failure::Json,
            BadPage::Shape => Failure::Shape,
            BadPage::Excess => Failure::Excess,
        }),
        Some(status) => Err(Failure::Status(status)),
    }
}

#[cfg(test)]
mod tests;
