//! What the VM that polls knows and does: the table that serves, the one being built, and when the
//! next call is due.
//!
//! Everything is written under the lease's fence. If shared data fails, or another VM has written,
//! the holder starts over from what is there.

use std::fmt::Write as _;

use flint_contract::protocol::KEY_TABLE_PATH;

use crate::backoff::{self, Backoff};
use crate::feed::page::Page;
use crate::feed::poller::{Call, Now, Settings};
use crate::table::{Fault, Meta, Seed, Store, Writer, meta::Role, store::Namespace, writer::Sweep};

/// How many entries to ask for: parsed and written in 1 to 2 ms, during which that VM's thread does
/// nothing else.
const LIMIT: u32 = 500;
/// The least time between two calls, where the first brought nothing new and did not wait as it was
/// asked to.
pub(super) const LEAST_GAP: u64 = 250;
/// How many shards are rid of an old table at a tick. Who does many in one go has the lock of
/// shared data again before a worker that waits for it wakes up, also where it is a thread that
/// serves no requests.
const SWEEP: u32 = 1_000;
/// How many shards are looked through at a tick for revoked tokens whose time is over.
const PRUNE: u32 = 64;
/// How long after a look through all shards the next one begins.
const PRUNE_EVERY: u64 = 60_000;

/// What only the VM with the lease has.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) fence: u32,
    /// What shared data holds has been looked at.
    ready: bool,
    /// What it holds of this table is of no use to a writer: a whole new one is due.
    spoilt: bool,
    /// The table that serves, and its writer.
    serving: Option<(Meta, Writer)>,
    /// A table in the making, and the cursor of its next page.
    load: Option<(Writer, String)>,
    sweep: Option<Sweep>,
    /// The next shard to look through for revoked tokens whose time is over.
    prune_from: u32,
    /// When to begin with the first one again.
    prune_at: u64,
    pub(super) due: u64,
    pub(super) call: Option<Outstanding>,
    pub(super) backoff: Backoff,
    /// Resets without an ordinary page in between.
    pub(super) resets: u32,
    /// The next call is not to be held.
    hurried: bool,
}

/// A call on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    pub(super) sent: u64,
    wait: u32,
    pub(super) give_up: u64,
}

// === impl Holder ===

impl Holder {
    pub(super) fn new(fence: u32, now: Now) -> Self {
        Self {
            fence,
            ready: false,
            spoilt: false,
            serving: None,
            load: None,
            sweep: None,
            prune_from: 0,
            prune_at: 0,
            due: now.ms,
            call: None,
            backoff: Backoff::default(),
            resets: 0,
            hurried: false,
        }
    }

    /// Shared data failed this VM: it looks again at what is there before the next call. What makes
    /// no sense, or has far too many keys in one place, is replaced by a whole new table with
    /// another seed; until that is complete it serves as it is.
    pub(super) fn start_over(&mut self, fault: Fault) {
        (self.ready, self.serving, self.load) = (false, None, None);
        self.spoilt |= matches!(fault, Fault::Corrupt | Fault::Skewed);
    }

    /// Picks up what is in shared data, and empties what no longer serves. Returns whether that is
    /// done.
    pub(super) fn prepare<S: Store>(&mut self, store: &S, namespace: Namespace) -> Result<bool, Fault> {
        if !self.ready {
            let meta = claim(store, namespace, self.fence)?;
            if !self.spoilt {
                self.take_over(store, namespace, &meta)?;
            }
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
        save(store, namespace, Role::Serving, &meta, self.fence)?;
        if let Some((held, _)) = &mut self.serving {
            held.clone_from(&meta);
        }
        Ok(meta)
    }

    /// Leaves the table in the making, if there is one, to the next holder.
    pub(super) fn hand_over<S: Store>(&self, store: &S, namespace: Namespace) -> Result<(), Fault> {
        self.note_load(store, namespace, false)
    }

    /// Writes down how far the table in the making has come, so that the next holder continues from
    /// there. A note stays `open` while this holder may be adding a page: then the next one counts
    /// the keys.
    fn note_load<S: Store>(&self, store: &S, namespace: Namespace, open: bool) -> Result<(), Fault> {
        let Some((writer, cursor)) = &self.load else { return Ok(()) };
        let mut meta = Meta { cursor: cursor.clone(), writing: open, ..Meta::default() };
        writer.describe(&mut meta);
        save(store, namespace, Role::Handover, &meta, self.fence)
    }

    /// Takes the table in the making that an earlier holder has left, whether it meant to or not.
    /// The note of it becomes this holder's at once, so that an earlier one that has not noticed
    /// cannot write over it.
    fn take_over<S: Store>(&mut self, store: &S, namespace: Namespace, meta: &Meta) -> Result<(), Fault> {
        let is_wanted = |left: &Meta| left.serves() && left.run == meta.making;
        let Some(left) = Meta::load_as(store, namespace, Role::Handover)?.0.filter(is_wanted) else {
            return Ok(());
        };
        match Writer::resume(store, namespace, &left, meta.run, self.fence) {
            Ok(writer) => self.load = Some((writer, left.cursor)),
            Err(Fault::Corrupt) => return Ok(()),
            Err(fault) => return Err(fault),
        }
        self.note_load(store, namespace, true)
    }

    /// What the authority was last told, or will be told next.
    pub(super) fn cursor(&self) -> Option<&String> {
        match (&self.load, &self.serving) {
            (Some((_, cursor)), _) => Some(cursor),
            (None, Some((meta, _))) => Some(&meta.cursor),
            (None, None) => None,
        }
    }

    pub(super) fn next_call(&self, settings: Settings, now: Now) -> (Call, Outstanding) {
        let is_whole = self.load.is_none() && self.serving.is_some();
        let at_once = !is_whole || self.backoff.failures() > 0 || self.hurried;
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

    /// Forgets the call that is out, if there is one, and makes the next one due.
    pub(super) fn ask_at_once(&mut self, ms: u64) {
        self.due = self.call.take().map_or(ms, |call| ms.max(call.sent + LEAST_GAP));
        self.hurried = true;
    }

    /// How long after a call the next one may be made at the earliest, so that no answer, however
    /// odd, is the start of a loop: nothing new, at once, although the authority was asked to wait
    /// or promises more; or one reset after another, as when two authorities with different
    /// databases answer under one name.
    pub(super) fn gap(&mut self, page: &Page, moved: bool, call: Outstanding) -> u64 {
        if page.reset {
            self.resets = self.resets.saturating_add(1);
        } else if self.load.is_none() {
            self.resets = 0;
        }
        match self.resets {
            again @ 2.. if page.reset => (LEAST_GAP << (again - 2).min(16)).min(backoff::MOST),
            _ if call.wait > 0 && (page.changes.is_empty() || !moved) => LEAST_GAP,
            _ if page.more && page.changes.is_empty() && page.dropped == 0 => LEAST_GAP,
            _ => 0,
        }
    }

    /// Takes a good page. Answers with the number of keys if a whole table is complete.
    pub(super) fn take_page<S: Store>(
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
                self.note_load(store, namespace, true)?;
                return self.stay_fresh(store, namespace, now).map(|()| None);
            }
            return self.publish(store, namespace, writer, page.cursor, now).map(Some);
        }
        self.hurried = false;
        let (meta, writer) = self.serving.as_mut().ok_or(Fault::Corrupt)?;
        if !page.changes.is_empty() {
            meta.writing = true;
            save(store, namespace, Role::Serving, meta, self.fence)?;
            writer.apply(store, &page.changes)?;
            meta.version += 1;
        }
        writer.describe(meta);
        (meta.writing, meta.cursor, meta.fresh_at) = (false, page.cursor, now.ms);
        save(store, namespace, Role::Serving, meta, self.fence)?;
        Ok(None)
    }

    /// Drops the revoked tokens of a page for which there is no room.
    pub(super) fn heed_bound(&self, page: &mut Page, most: u64) {
        let held = match (&self.load, &self.serving) {
            _ if page.reset => 0,
            (Some((writer, _)), _) | (None, Some((_, writer))) => writer.tokens(),
            (None, None) => 0,
        };
        page.drop_tokens_beyond(most.saturating_sub(held));
    }

    /// Takes revoked tokens out whose time is over, some shards at a time.
    pub(super) fn prune<S: Store>(
        &mut self,
        store: &S,
        namespace: Namespace,
        unix: i64,
        ms: u64,
    ) -> Result<(), Fault> {
        let is_idle = self.load.is_none() && self.sweep.is_none();
        let Some((meta, writer)) = self.serving.as_mut().filter(|_| is_idle) else { return Ok(()) };
        if writer.tokens() == 0 || (self.prune_from == 0 && ms < self.prune_at) {
            return Ok(());
        }
        let (found, next) = writer.find_expired(store, unix, self.prune_from, PRUNE)?;
        if !found.is_empty() {
            meta.writing = true;
            save(store, namespace, Role::Serving, meta, self.fence)?;
            for index in found {
                writer.take_expired(store, unix, index)?;
            }
            writer.describe(meta);
            meta.writing = false;
            save(store, namespace, Role::Serving, meta, self.fence)?;
        }
        if next.is_none() {
            self.prune_at = ms + PRUNE_EVERY;
        }
        self.prune_from = next.unwrap_or_default();
        Ok(())
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
        let keys = meta.keys.saturating_sub(meta.tokens);
        self.serving = Some((meta, writer));
        Ok(keys)
    }
}

/// Makes [`Meta`] this holder's before anything else is written. From then on an earlier holder
/// that has not noticed cannot put a table in place: this one may have begun to write over its
/// shards.
fn claim<S: Store>(store: &S, namespace: Namespace, fence: u32) -> Result<Meta, Fault> {
    let (held, cas) = Meta::load(store, namespace)?;
    let meta = held.unwrap_or_default();
    if meta.fence > fence {
        return Err(Fault::Lost);
    }
    let meta = Meta { fence, ..meta };
    meta.save(store, namespace, Role::Serving, cas)?;
    Ok(meta)
}

/// Writes [`Meta`], unless a later holder of the lease has.
fn save<S: Store>(store: &S, namespace: Namespace, role: Role, meta: &Meta, fence: u32) -> Result<(), Fault> {
    let (held, cas) = Meta::load_as(store, namespace, role)?;
    if held.is_some_and(|held| held.fence > fence) {
        return Err(Fault::Lost);
    }
    meta.save(store, namespace, role, cas)
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
