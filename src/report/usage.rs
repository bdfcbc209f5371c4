//! Usage reports (contract §7): the outcomes of requests with known keys, counted here and sent to
//! the authority.
//!
//! 1. Every VM counts for itself and sends its own reports. Counting is a map access; sending
//!    happens on ticks.
//! 2. A report is sealed when it is first sent: a retry has the same id and entries.
//! 3. At most [`MAX_PAIRS`] pairs of key and outcome wait to be sealed, and one sealed report of at
//!    most [`REPORT_PAIRS`] to be delivered: some 4 MiB a VM at the worst. What finds no room is
//!    counted as dropped, and the next report says so.
//!
//! Sans-IO, like [`crate::feed::poller`]: the host calls [`Usage::poll`] and
//! [`Usage::handle_status`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::iter;

use flint_contract::outcome::Outcome;
use flint_contract::protocol::{UsageEntry, UsageReport};

use crate::backoff::Backoff;

/// The most pairs of key and outcome that wait to be sealed.
pub const MAX_PAIRS: usize = 16_384;
/// The most pairs of one report, but for the other outcomes of its last key: some 200 kB,
/// serialised within a millisecond.
pub const REPORT_PAIRS: usize = 2_000;
/// How long after its first decision a report is sent, in milliseconds.
pub const INTERVAL: u64 = 5_000;

/// Counts, and the report that is on its way.
#[derive(Debug, Default)]
pub struct Usage {
    keys: HashMap<Box<str>, Counts, BuildHasherDefault<IdHasher>>,
    pairs: usize,
    dropped: u64,
    /// When counting began: Unix seconds, and milliseconds of the monotonic clock.
    began: Option<(i64, u64)>,
    sealed: Option<Box<[u8]>>,
    due: u64,
    give_up: Option<u64>,
    backoff: Backoff,
}

/// Hashes ids eight bytes at a time. The standard hasher defends against keys that an attacker
/// chooses, at a cost that shows on every request; ids are chosen by the authority.
#[derive(Clone, Copy, Debug, Default)]
struct IdHasher(u64);

/// The counts of one key: as a rule there is one outcome, which is then found without another step.
#[derive(Debug)]
struct Counts {
    first: Count,
    others: Vec<Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    outcome: Outcome,
    count: u64,
    last_used: i64,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// The authority has it.
    Sent,
    /// It will come again; this many attempts in a row have failed.
    Failed(u32),
    /// The authority does not want it, with this status: it is gone.
    Rejected(u16),
}

/// The time, by both clocks, and a fresh random number.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic clock, in milliseconds.
    pub ms: u64,
    /// The wall clock, in Unix seconds.
    pub unix: i64,
    /// 128 random bits.
    pub random: u128,
}

impl Usage {
    /// Counts a decision on a known key. Returns whether there was room.
    pub fn count(&mut self, key: &str, outcome: Outcome, ms: u64, unix: i64) -> bool {
        self.began.get_or_insert((unix, ms));
        if let Some(counts) = self.keys.get_mut(key) {
            if let Some(count) = counts.of(outcome) {
                count.count += 1;
                count.last_used = count.last_used.max(unix);
                return true;
            }
            if self.pairs < MAX_PAIRS {
                counts.others.push(Count { outcome, count: 1, last_used: unix });
                self.pairs += 1;
                return true;
            }
        } else if self.pairs < MAX_PAIRS {
            let first = Count { outcome, count: 1, last_used: unix };
            self.keys.insert(key.into(), Counts { first, others: Vec::new() });
            self.pairs += 1;
            return true;
        }
        self.dropped += 1;
        false
    }

    /// The body of the report to send now, if there is one. `timeout` is how long the call may
    /// take, in milliseconds.
    pub fn poll(&mut self, now: Now, timeout: u64) -> Option<&[u8]> {
        if self.give_up.is_some_and(|give_up| give_up <= now.ms) {
            self.handle_status(None, now);
        }
        if self.give_up.is_some() || self.due > now.ms {
            return None;
        }
        if self.sealed.is_none() {
            let (from, began) = self.began?;
            if now.ms < began + INTERVAL {
                return None;
            }
            self.seal(from, now);
        }
        // The host reports a timeout itself; the second more is for the case that it never does.
        self.give_up = Some(now.ms + timeout + 1_000);
        self.sealed.as_deref()
    }

    /// The answer to a report; `None` where there was none, or the report could not be sent.
    pub fn handle_status(&mut self, status: Option<u16>, now: Now) -> Option<Delivery> {
        self.give_up.take()?;
        Some(match status {
            Some(200..=299) => {
                self.sealed = None;
                self.backoff.succeeded();
                Delivery::Sent
            }
            Some(status @ 400..=499) if !matches!(status, 401 | 403 | 408 | 429) => {
                self.sealed = None;
                self.backoff.succeeded();
                Delivery::Rejected(status)
            }
            _ => {
                self.due = now.ms + self.backoff.failed(u64::try_from(now.random >> 64).unwrap_or_default());
                Delivery::Failed(self.backoff.failures())
            }
        })
    }

    /// Whether there is anything that the authority has not been told.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.began.is_none() && self.sealed.is_none()
    }

    fn seal(&mut self, from: i64, now: Now) {
        let mut entries = Vec::with_capacity(self.pairs.min(REPORT_PAIRS));
        let mut keys = std::mem::take(&mut self.keys).into_iter();
        while entries.len() < REPORT_PAIRS
            && let Some((key, counts)) = keys.next()
        {
            let counts = iter::once(counts.first).chain(counts.others);
            entries.extend(counts.map(|Count { outcome, count, last_used }| UsageEntry {
                key_id: key.to_string(),
                outcome: outcome.as_str().to_owned(),
                count,
                last_used,
            }));
        }
        self.keys = keys.collect();
        self.pairs -= entries.len();
        if self.keys.is_empty() {
            self.began = None;
        }
        let report_id = format!("{:032x}", now.random);
        let dropped = std::mem::take(&mut self.dropped);
        let to = now.unix.max(from);
        let report = UsageReport { report_id, from, to, entries, dropped };
        // Writing to memory cannot fail; if it did, the report would be empty and the authority
        // would reject it.
        self.sealed = Some(serde_json::to_vec(&report).unwrap_or_default().into());
    }
}

// === impl Counts ===

impl Counts {
    fn of(&mut self, outcome: Outcome) -> Option<&mut Count> {
        iter::once(&mut self.first).chain(&mut self.others).find(|count| count.outcome == outcome)
    }
}

// === impl IdHasher ===

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
            self.0 = (self.0.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(ODD);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(ms: u64) -> Now {
        Now { ms, unix: 1_000 + i64::try_from(ms / 1_000).unwrap(), random: u128::from(ms) << 64 }
    }

    fn count(usage: &mut Usage, key: &str, outcome: Outcome, ms: u64) -> bool {
        usage.count(key, outcome, ms, now(ms).unix)
    }

    fn report(usage: &mut Usage, ms: u64) -> Option<UsageReport> {
        usage.poll(now(ms), 5_000).map(|body| serde_json::from_slice(body).unwrap())
    }

    #[test]
    fn decisions_are_counted_by_key_and_outcome_and_reported_within_the_interval() {
        let mut usage = Usage::default();
        assert_eq!(report(&mut usage, 99_000), None);
        for ms in [0, 10, 2_000] {
            assert!(count(&mut usage, "a", Outcome::Allowed, ms));
        }
        assert!(
            count(&mut usage, "a", Outcome::Revoked, 3_000) && count(&mut usage, "b", Outcome::Allowed, 0)
        );
        assert_eq!(report(&mut usage, INTERVAL - 1), None);
        let mut sent = report(&mut usage, INTERVAL).unwrap();
        sent.entries.sort_by(|a, b| (&a.key_id, &a.outcome).cmp(&(&b.key_id, &b.outcome)));
        let lines: Vec<_> =
            sent.entries.iter().map(|e| (&*e.key_id, &*e.outcome, e.count, e.last_used)).collect();
        assert_eq!(
            lines,
            [("a", "allowed", 3, 1_002), ("a", "revoked", 1, 1_003), ("b", "allowed", 1, 1_000)]
        );
        assert_eq!((sent.from, sent.to, sent.dropped, sent.report_id.len()), (1_000, 1_005, 0, 32));
        assert_eq!(usage.handle_status(Some(204), now(INTERVAL)), Some(Delivery::Sent));
        assert!(usage.is_empty());
        assert_eq!(report(&mut usage, 99_000), None);
    }

    #[test]
    fn a_report_that_failed_comes_again_as_it_was() {
        let mut usage = Usage::default();
        count(&mut usage, "a", Outcome::Allowed, 0);
        let first = report(&mut usage, INTERVAL).unwrap();
        let mut ms = INTERVAL;
        for (attempt, status) in
            [None, Some(500), Some(401), Some(403), Some(408), Some(429)].into_iter().enumerate()
        {
            assert_eq!(
                usage.handle_status(status, now(ms)),
                Some(Delivery::Failed(u32::try_from(attempt).unwrap() + 1))
            );
            count(&mut usage, "a", Outcome::Allowed, ms);
            assert_eq!(report(&mut usage, ms + 1), None, "back-off");
            ms += 10_001;
            assert_eq!(report(&mut usage, ms), Some(first.clone()));
            assert_eq!(report(&mut usage, ms), None, "one at a time");
        }
        assert_eq!(usage.handle_status(Some(200), now(ms)), Some(Delivery::Sent));
        assert_eq!(report(&mut usage, ms).unwrap().entries[0].count, 6);
    }

    #[test]
    fn a_report_that_is_not_wanted_is_gone() {
        let mut usage = Usage::default();
        count(&mut usage, "a", Outcome::Allowed, 0);
        report(&mut usage, INTERVAL).unwrap();
        assert_eq!(usage.handle_status(Some(422), now(INTERVAL)), Some(Delivery::Rejected(422)));
        assert!(usage.is_empty());
    }

    #[test]
    fn a_call_that_is_never_answered_is_given_up() {
        let mut usage = Usage::default();
        count(&mut usage, "a", Outcome::Allowed, 0);
        let first = report(&mut usage, INTERVAL).unwrap();
        assert_eq!(report(&mut usage, INTERVAL + 5_999), None);
        assert_eq!(report(&mut usage, INTERVAL + 6_000), None);
        assert_eq!(report(&mut usage, INTERVAL + 6_200), Some(first));
        assert_eq!(usage.handle_status(Some(200), now(0)), Some(Delivery::Sent));
        assert_eq!(usage.handle_status(Some(200), now(0)), None, "an answer that nobody waits for");
    }

    #[test]
    fn what_finds_no_room_is_counted_as_dropped() {
        let mut usage = Usage::default();
        let fits =
            (0..MAX_PAIRS + 100).filter(|n| count(&mut usage, &n.to_string(), Outcome::Allowed, 0)).count();
        assert_eq!(fits, MAX_PAIRS);
        assert!(count(&mut usage, "0", Outcome::Allowed, 0), "what is held goes on counting");
        assert!(!count(&mut usage, "0", Outcome::Expired, 0));
        let (mut pairs, mut counted, mut dropped) = (0, 0, 0);
        while let Some(sent) = report(&mut usage, INTERVAL) {
            assert!(sent.entries.len() < REPORT_PAIRS + Outcome::ALL.len());
            pairs += sent.entries.len();
            counted += sent.entries.iter().map(|entry| entry.count).sum::<u64>();
            dropped += sent.dropped;
            usage.handle_status(Some(200), now(INTERVAL));
        }
        assert_eq!((pairs, counted, dropped), (MAX_PAIRS, MAX_PAIRS as u64 + 1, 101));
    }
}
