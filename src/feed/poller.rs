//! Keeping the table fresh: what to ask the authority and when, and what its answers do (contract §6). Sans-IO.
//!
//! The host calls [`Poller::poll`] on ticks and after every answer; it sends what comes back and hands the answer to
//! [`Poller::handle_answer`]. Only the VM with the lease ever has something to send.
//!
//! 1. A page that is bad in any way changes nothing and is asked for again, with jittered exponential back-off.
//! 2. A first run, and a run after `reset`, build a table beside the one that serves; it takes over when complete.
//!    Pages of an ordinary run take effect one by one.
//! 3. The next call goes out only when every reader sees what its cursor acknowledges: shared data is written and,
//!    after a replacement, the old table is out of all shards.
//! 4. A call after a failure, or while there is no table, asks for an answer at once (`wait=0`), so that recovery
//!    does not wait for the next change.
//!
//! 5. A VM that serves requests leaves the lease, after every page, to one that does not, with the table in the making
//!    if there is one.
//!
//! Times are milliseconds of the monotonic clock.

use std::fmt::Write as _;

use flint_contract::protocol::KEY_TABLE_PATH;

use crate::backoff::{self, Backoff};
use crate::feed::lease::Lease;
use crate::feed::page::{BadPage, Page};
use crate::table::{Fault, Meta, Seed, Store, Writer, meta::Of, store::Namespace, writer::Sweep};

/// How many entries to ask for: parsed and written in 1 to 2 ms, during which that VM's thread does nothing else.
const LIMIT: u32 = 500;
/// The least time between two calls, where the first brought nothing new and did not wait as it was asked to.
const LEAST_GAP: u64 = 250;
/// How many shards are rid of an old table at a tick. Who does many in one go has the lock of shared data again before
/// a worker that waits for it wakes up, also where it is a thread that serves no requests.
const SWEEP: u32 = 1_000;

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
}

/// What only the VM with the lease has.
#[derive(Debug)]
struct Holder {
    fence: u32,
    /// What shared data holds has been looked at.
    ready: bool,
    /// What it holds of this table is of no use to a writer: a whole new one is due.
    spoilt: bool,
    /// The table that serves, and its writer.
    serving: Option<(Meta, Writer)>,
    /// A table in the making, and the cursor of its next page.
    load: Option<(Writer, String)>,
    sweep: Option<Sweep>,
    due: u64,
    call: Option<Outstanding>,
    backoff: Backoff,
    /// Resets without an ordinary page in between.
    resets: u32,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    sent: u64,
    wait: u32,
    give_up: u64,
}

// === impl Poller ===

impl Poller {
    /// A poller that has done nothing yet. `me` is random and not 0.
    #[must_use]
    pub const fn new(namespace: Namespace, settings: Settings, me: u64) -> Self {
        Self { namespace, settings, lease: Lease::new(namespace, me), holder: None, events: Vec::new() }
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

    /// The call that [`Poller::poll`] asked for failed, or could not be made.
    pub fn handle_failure(&mut self, failure: Failure, now: Now) {
        let Some(holder) = &mut self.holder else { return };
        holder.call = None;
        holder.due = now.ms + holder.backoff.failed(now.random as u64);
        self.events.push(Event::Failed(failure, holder.backoff.failures()));
    }

    /// The call that [`Poller::poll`] asked for will not be answered, and that is nobody's fault: it is due again.
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
        let page = match read(answer) {
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

    /// Shared data failed this VM: it starts over from what is there, if it is still the one to do so. What makes no
    /// sense, or has far too many keys in one place, is replaced by a whole new table with another seed; until that is
    /// complete it serves as it is.
    fn fault(&mut self, fault: Fault, now: Now) {
        self.handle_failure(Failure::Store(fault), now);
        if let Some(holder) = &mut self.holder {
            (holder.ready, holder.serving, holder.load) = (false, None, None);
            holder.spoilt |= matches!(fault, Fault::Corrupt | Fault::Skewed);
        }
    }

    fn yield_to_idle_vm<S: Store>(&mut self, store: &S, now: Now) {
        let Some(holder) = &self.holder else { return };
        if now.served
            && self.lease.idle_vm_is_present(store, now.ms) == Ok(true)
            && holder.hand_over(store, self.namespace).is_ok()
        {
            // Where the release fails the lease runs out.
            let _ = self.lease.release(store, now.ms);
            self.holder = None;
            self.events.push(Event::LostLease);
        }
    }
}

// === impl Holder ===

impl Holder {
    fn new(fence: u32, now: Now) -> Self {
        Self {
            fence,
            ready: false,
            spoilt: false,
            serving: None,
            load: None,
            sweep: None,
            due: now.ms,
            call: None,
            backoff: Backoff::default(),
            resets: 0,
        }
    }

    /// Picks up what is in shared data, and empties what no longer serves. Answers whether that is done.
    fn prepare<S: Store>(&mut self, store: &S, namespace: Namespace) -> Result<bool, Fault> {
        if !self.ready {
            let meta = claim(store, namespace, self.fence)?;
            self.load = if self.spoilt { None } else { self.take_over(store, namespace, &meta)? };
            let is_littered = meta.littered || meta.making != 0;
            if self.load.is_none() && meta.serves() && is_littered {
                self.sweep = Some(Sweep::new(namespace, meta.run, self.fence));
            }
            if meta.serves() && !self.spoilt {
                self.serving = match Writer::resume(store, namespace, &meta, 0, self.fence) {
                    Ok(writer) => Some((meta, writer)),
                    // A table that makes no sense is replaced by a whole new one.
                    Err(Fault::Corrupt) => None,
                    Err(fault) => return Err(fault),
                };
            }
            self.ready = true;
        }
        let Some(sweep) = &mut self.sweep else { return Ok(true) };
        let done = sweep.step(store, SWEEP)?;
        if done {
            self.sweep = None;
            self.change_meta(store, namespace, |meta| (meta.littered, meta.making) = (false, 0))?;
        }
        Ok(done)
    }

    /// Changes [`Meta`], and what this holder knows of it.
    fn change_meta<S: Store>(
        &mut self,
        store: &S,
        namespace: Namespace,
        change: impl FnOnce(&mut Meta),
    ) -> Result<Meta, Fault> {
        let mut meta = match &self.serving {
            Some((meta, _)) => meta.clone(),
            None => Meta::load(store, namespace)?.0.unwrap_or_default(),
        };
        change(&mut meta);
        save(store, namespace, &meta, self.fence)?;
        if let Some((held, _)) = &mut self.serving {
            held.clone_from(&meta);
        }
        Ok(meta)
    }

    /// Leaves the table in the making, if there is one, to the next holder.
    fn hand_over<S: Store>(&self, store: &S, namespace: Namespace) -> Result<(), Fault> {
        let Some((writer, cursor)) = &self.load else { return Ok(()) };
        let mut meta = Meta { cursor: cursor.clone(), ..Meta::default() };
        writer.describe(&mut meta);
        meta.hand_over(store, namespace)
    }

    /// Takes the table that the holder just before this one has left. What one before that has left, late, is of no
    /// use: there has been another writer since.
    fn take_over<S: Store>(
        &self,
        store: &S,
        namespace: Namespace,
        meta: &Meta,
    ) -> Result<Option<(Writer, String)>, Fault> {
        let is_of_the_last = |left: &Meta| left.fence.wrapping_add(1) == self.fence;
        let is_wanted = |left: &Meta| left.serves() && left.run == meta.making && is_of_the_last(left);
        let Some(left) = Meta::load_of(store, namespace, Of::Handover)?.0.filter(is_wanted) else {
            return Ok(None);
        };
        match Writer::resume(store, namespace, &left, meta.run, self.fence) {
            Ok(writer) => Ok(Some((writer, left.cursor))),
            Err(Fault::Corrupt) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// What the authority was last told, or will be told next.
    fn cursor(&self) -> Option<&String> {
        match (&self.load, &self.serving) {
            (Some((_, cursor)), _) => Some(cursor),
            (None, Some((meta, _))) => Some(&meta.cursor),
            (None, None) => None,
        }
    }

    fn next_call(&self, settings: Settings, now: Now) -> (Call, Outstanding) {
        let at_once = self.load.is_some() || self.serving.is_none() || self.backoff.failures() > 0;
        let wait = if at_once { 0 } else { settings.wait_seconds };
        let mut path = format!("{KEY_TABLE_PATH}?wait={wait}&limit={LIMIT}");
        if let Some(cursor) = self.cursor() {
            path.push_str("&cursor=");
            percent_encode(cursor, &mut path);
        }
        let timeout = 1_000 * (u64::from(wait) + u64::from(settings.timeout_seconds));
        // The host reports a timeout itself; the second more is for the case that it never does.
        (Call { path, timeout }, Outstanding { sent: now.ms, wait, give_up: now.ms + timeout + 1_000 })
    }

    /// How long after a call the next one may be made at the earliest, so that no answer, however odd, is the start of
    /// a loop: nothing new, at once, where the authority was asked to wait; or one reset after another, as when two
    /// authorities with different databases answer under one name.
    fn gap(&mut self, page: &Page, moved: bool, call: Outstanding) -> u64 {
        if page.reset {
            self.resets = self.resets.saturating_add(1);
        } else if self.load.is_none() {
            self.resets = 0;
        }
        match self.resets {
            again @ 2.. if page.reset => (LEAST_GAP << (again - 2).min(16)).min(backoff::MOST),
            _ if call.wait > 0 && (page.changes.is_empty() || !moved) => LEAST_GAP,
            _ => 0,
        }
    }

    /// Takes a good page. Answers with the number of keys if a whole table is complete.
    fn take_page<S: Store>(
        &mut self,
        store: &S,
        namespace: Namespace,
        page: Page,
        now: Now,
    ) -> Result<Option<u64>, Fault> {
        if page.reset || (self.load.is_none() && self.serving.is_none()) {
            let meta = self.change_meta(store, namespace, |meta| meta.begin(now.random as u64))?;
            let seed = Seed::new(now.random);
            let writer = Writer::begin(store, namespace, meta.making, seed, meta.run, self.fence)?;
            self.load = Some((writer, String::new()));
            self.spoilt = false;
        }
        if let Some((mut writer, _)) = self.load.take() {
            writer.apply(store, &page.changes)?;
            if page.more {
                self.load = Some((writer, page.cursor));
                return self.stay_fresh(store, namespace, now).map(|()| None);
            }
            return self.publish(store, namespace, writer, page.cursor, now).map(Some);
        }
        let (meta, writer) = self.serving.as_mut().ok_or(Fault::Corrupt)?;
        if !page.changes.is_empty() {
            meta.writing = true;
            save(store, namespace, meta, self.fence)?;
            writer.apply(store, &page.changes)?;
            meta.version += 1;
        }
        writer.describe(meta);
        (meta.writing, meta.cursor, meta.fresh_at) = (false, page.cursor, now.ms);
        save(store, namespace, meta, self.fence)?;
        Ok(None)
    }

    /// While a table is in the making, every good page keeps the one that serves from growing old.
    fn stay_fresh<S: Store>(&mut self, store: &S, namespace: Namespace, now: Now) -> Result<(), Fault> {
        self.change_meta(store, namespace, |meta| meta.fresh_at = now.ms).map(|_| ())
    }

    /// Puts a whole table in the place of the one that serves.
    fn publish<S: Store>(
        &mut self,
        store: &S,
        namespace: Namespace,
        writer: Writer,
        cursor: String,
        now: Now,
    ) -> Result<u64, Fault> {
        let meta = self.change_meta(store, namespace, |meta| {
            meta.version += 1;
            meta.replace(writer.run());
            writer.describe(meta);
            (meta.writing, meta.cursor, meta.fresh_at) = (false, cursor, now.ms);
        })?;
        self.sweep = meta.littered.then(|| Sweep::new(namespace, meta.run, self.fence));
        let keys = meta.keys;
        self.serving = Some((meta, writer));
        Ok(keys)
    }
}

/// Makes [`Meta`] this holder's before anything else is written. From then on an earlier holder that has not noticed
/// cannot put a table in place: this one may have begun to write over its shards.
fn claim<S: Store>(store: &S, namespace: Namespace, fence: u32) -> Result<Meta, Fault> {
    let (held, cas) = Meta::load(store, namespace)?;
    let meta = held.unwrap_or_default();
    if meta.fence > fence {
        return Err(Fault::Lost);
    }
    let meta = Meta { fence, ..meta };
    meta.save(store, namespace, cas)?;
    Ok(meta)
}

/// Writes [`Meta`], unless a later holder of the lease has.
fn save<S: Store>(store: &S, namespace: Namespace, meta: &Meta, fence: u32) -> Result<(), Fault> {
    let (held, cas) = Meta::load(store, namespace)?;
    if held.is_some_and(|held| held.fence > fence) {
        return Err(Fault::Lost);
    }
    meta.save(store, namespace, cas)
}

fn read(answer: Answer<'_>) -> Result<Page, Failure> {
    match answer.status {
        None => Err(Failure::NoAnswer),
        Some(200) if answer.encoded => Err(Failure::Encoding),
        Some(200) => Page::parse(answer.body).map_err(|bad| match bad {
            BadPage::Json => Failure::Json,
            BadPage::Shape => Failure::Shape,
        }),
        Some(status) => Err(Failure::Status(status)),
    }
}

/// Writes all but the unreserved characters (RFC 3986 §2.3) as `%XX`.
fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests;
