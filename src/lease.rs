//! Which VM of the process polls the authority: a lease in shared data.
//!
//! 1. One VM holds the lease at a time. It renews the lease while it lives; a lease that was not renewed for
//!    [`TERM`] is free.
//! 2. Whoever takes the lease gets the next *fence*, a number that only grows. Everything the holder writes carries
//!    it, so that a holder that was overtaken without noticing cannot undo its successor's work.
//! 3. Shared data cannot create a value only if there is none. So a claim counts only [`CONFIRM`] later, when it is
//!    still there: two first claims within a microsecond then leave one.
//! 4. The VM of Envoy's main thread never serves a request, so what it parses delays nobody. It cannot be told
//!    apart but by that: a VM that has served requests leaves the lease to one that has not, where there is one.
//!
//! Times are milliseconds of the monotonic clock, which all VMs of a process share.

use crate::bytes::Reader;
use crate::table::store::{Fault, Namespace, Store};

/// How long a lease lasts without being renewed.
pub const TERM: u64 = 2_000;
/// How long a claim has to stand before it counts.
pub const CONFIRM: u64 = 10;
/// How long a VM that serves requests leaves a free lease to others.
const COURTESY: u64 = 500;
/// How long a sign of a VM without requests is good.
const PRESENT: u64 = 1_000;

/// One VM's part in the lease.
#[derive(Debug)]
pub struct Lease {
    namespace: Namespace,
    /// This VM; random and not 0, which is nobody.
    me: u64,
    /// Since when the lease has been this VM's, without a gap.
    since: Option<u64>,
}

#[derive(Clone, Copy)]
struct Held {
    owner: u64,
    fence: u32,
    until: u64,
}

impl Lease {
    /// The part of a VM that has not looked yet.
    #[must_use]
    pub const fn new(namespace: Namespace, me: u64) -> Self {
        Self { namespace, me, since: None }
    }

    /// Takes, renews or watches the lease; to be called a few times within [`TERM`]. Answers with the fence while
    /// this VM is the holder.
    ///
    /// # Errors
    /// Those of the store; the VM is not the holder then.
    pub fn step<S: Store>(&mut self, store: &S, now: u64, served: bool) -> Result<Option<u32>, Fault> {
        let since = self.since.take();
        if !served {
            store.set(&self.namespace.single(b'i'), &now.to_le_bytes(), None)?;
        }
        let key = self.namespace.single(b'l');
        let Some((held, cas)) = self.held(store)? else {
            store.set(&key, &Held { owner: 0, fence: 0, until: 0 }.write(), None)?;
            return Ok(None);
        };
        // An end beyond one term from now was not written by this clock.
        let runs = held.until > now && held.until <= now + TERM;
        if runs && held.owner != self.me {
            return Ok(None);
        }
        if runs && let Some(since) = since {
            let renewed = Held { until: now + TERM, ..held };
            if store.set(&key, &renewed.write(), Some(cas)) == Err(Fault::Lost) {
                return Ok(None);
            }
            self.since = Some(since);
            return Ok((now >= since + CONFIRM).then_some(held.fence));
        }
        let polite_until = if served && held.until <= now { held.until + COURTESY } else { 0 };
        if now >= polite_until {
            let claim = Held { owner: self.me, fence: held.fence.wrapping_add(1), until: now + TERM };
            match store.set(&key, &claim.write(), Some(cas)) {
                Ok(()) => self.since = Some(now),
                Err(Fault::Lost) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// Whether a VM that has served no request is there to take over.
    ///
    /// # Errors
    /// Those of the store.
    pub fn idle_vm_is_present<S: Store>(&self, store: &S, now: u64) -> Result<bool, Fault> {
        let seen = store.get(&self.namespace.single(b'i'))?;
        let seen = seen.and_then(|(value, _)| Reader::new(&value).u64());
        Ok(seen.is_some_and(|seen| seen <= now && now - seen < PRESENT))
    }

    /// Gives the lease up, if it is this VM's.
    ///
    /// # Errors
    /// Those of the store.
    pub fn release<S: Store>(&mut self, store: &S, now: u64) -> Result<(), Fault> {
        self.since = None;
        match self.held(store)? {
            Some((held, cas)) if held.owner == self.me => {
                let free = Held { owner: 0, until: now, ..held };
                store.set(&self.namespace.single(b'l'), &free.write(), Some(cas))
            }
            _ => Ok(()),
        }
    }

    fn held<S: Store>(&self, store: &S) -> Result<Option<(Held, u32)>, Fault> {
        let found = store.get(&self.namespace.single(b'l'))?;
        Ok(found.and_then(|(value, cas)| Some((Held::read(&value)?, cas))))
    }
}

impl Held {
    fn write(self) -> Vec<u8> {
        let mut out = self.owner.to_le_bytes().to_vec();
        out.extend(self.fence.to_le_bytes());
        out.extend(self.until.to_le_bytes());
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self { owner: reader.u64()?, fence: reader.u32()?, until: reader.u64()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{Memory, namespace};

    fn lease(me: u64) -> Lease {
        Lease::new(namespace(), me)
    }

    /// Steps a VM often enough to take a free lease.
    fn take(lease: &mut Lease, store: &Memory, now: u64, served: bool) -> Option<u32> {
        for time in [now, now + 1] {
            lease.step(store, time, served).unwrap();
        }
        lease.step(store, now + 1 + CONFIRM, served).unwrap()
    }

    #[test]
    fn the_first_to_claim_holds_it_once_the_claim_has_stood() {
        let store = Memory::default();
        let (mut a, mut b) = (lease(1), lease(2));
        assert_eq!(a.step(&store, 100, false).unwrap(), None);
        assert_eq!(a.step(&store, 101, false).unwrap(), None);
        assert_eq!(b.step(&store, 102, false).unwrap(), None);
        assert_eq!(a.step(&store, 105, false).unwrap(), None, "not confirmed yet");
        assert_eq!(a.step(&store, 111, false).unwrap(), Some(1));
        assert_eq!(b.step(&store, 112, false).unwrap(), None);
    }

    #[test]
    fn of_two_first_claims_at_once_one_stands() {
        let store = Memory::default();
        let (mut a, mut b) = (lease(1), lease(2));
        a.step(&store, 0, false).unwrap();
        a.step(&store, 0, false).unwrap();
        // B read "none" before A wrote, and writes over A's claim.
        store.set(&namespace().single(b'l'), &Held { owner: 0, fence: 0, until: 0 }.write(), None).unwrap();
        b.step(&store, 0, false).unwrap();
        assert_eq!(a.step(&store, 20, false).unwrap(), None);
        assert_eq!(b.step(&store, 20, false).unwrap(), Some(1));
    }

    #[test]
    fn a_lease_that_is_not_renewed_passes_on_with_a_higher_fence() {
        let store = Memory::default();
        let (mut a, mut b) = (lease(1), lease(2));
        assert_eq!(take(&mut a, &store, 0, false), Some(1));
        assert_eq!(b.step(&store, TERM, false).unwrap(), None, "it still runs");
        assert_eq!(take(&mut b, &store, 2 * TERM, false), Some(2));
        assert_eq!(a.step(&store, 2 * TERM + 50, false).unwrap(), None);
        assert_eq!(b.step(&store, 2 * TERM + 60, false).unwrap(), Some(2));
    }

    #[test]
    fn a_holder_that_overslept_claims_anew() {
        let store = Memory::default();
        let mut a = lease(1);
        assert_eq!(take(&mut a, &store, 0, false), Some(1));
        assert_eq!(a.step(&store, 5 * TERM, false).unwrap(), None);
        assert_eq!(a.step(&store, 5 * TERM + CONFIRM, false).unwrap(), Some(2));
    }

    #[test]
    fn a_vm_that_serves_requests_waits_for_others_and_then_takes_it() {
        let store = Memory::default();
        let (mut a, mut b) = (lease(1), lease(2));
        assert_eq!(take(&mut a, &store, 0, true), None, "courtesy also at the very first");
        assert_eq!(take(&mut b, &store, 100, false), Some(1));
        b.release(&store, 200).unwrap();
        assert_eq!(a.step(&store, 200 + COURTESY - 1, true).unwrap(), None);
        assert_eq!(take(&mut a, &store, 200 + COURTESY, true), Some(2));
        assert!(!a.idle_vm_is_present(&store, 200 + PRESENT).unwrap());
        b.step(&store, 2_000, false).unwrap();
        assert!(a.idle_vm_is_present(&store, 2_001).unwrap());
    }
}
