//! Which VM of the process polls the authority: a lease in shared data.
//!
//! 1. One VM holds the lease at a time. It renews the lease while it lives; a lease that was not
//!    renewed for [`TERM`] is free.
//! 2. The VM that takes the lease gets the next *fence*, a number that only grows. Everything the
//!    holder writes carries it, so that a holder that lost the lease without noticing cannot undo
//!    its successor's work.
//! 3. The VM of Envoy's main thread never serves a request, so parsing there delays nobody. Nothing
//!    else tells it apart, so a VM that has served requests leaves the lease to one that has not,
//!    if there is one.
//!
//! 4. A lease that cannot be read is nobody's: it is replaced, or no VM of the process would ever
//!    poll again. How often it was taken cannot be read either, so the next fence is one that
//!    cannot have been reached yet.
//!
//! Times are milliseconds of the monotonic clock, which all VMs of a process share.

use crate::bytes::Reader;
use crate::table::store::{Condition, Fault, Namespace, Slot, Store};

/// How long a lease lasts without being renewed.
pub const TERM: u64 = 2_000;
/// How long a VM that serves requests leaves a free lease to others.
const COURTESY: u64 = 500;
/// How long a sign of a VM without requests is good.
const PRESENT: u64 = 1_000;
/// No lease is taken more often than once in this time, on the average since the clock began.
const SHORTEST: u64 = 100;

/// One VM's part in the lease.
#[derive(Debug)]
pub struct Lease {
    namespace: Namespace,
    /// This VM; random and not 0, which is nobody.
    me: u64,
    /// When this VM first looked.
    began: Option<u64>,
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
        Self { namespace, me, began: None }
    }

    /// Takes, renews or watches the lease; to be called a few times within [`TERM`]. Answers with
    /// the fence while this VM is the holder.
    ///
    /// # Errors
    /// Those of the store; the VM is not the holder then.
    pub fn step<S: Store>(&mut self, store: &S, now: u64, served: bool) -> Result<Option<u32>, Fault> {
        if !served {
            let sign: Vec<u8> = [now, self.me].into_iter().flat_map(u64::to_le_bytes).collect();
            store.set(&self.namespace.slot(Slot::IdleVm), &sign, Condition::Always)?;
        }
        let began = *self.began.get_or_insert(now);
        let (held, cas) = self.look(store)?;
        let held = held.unwrap_or_else(|| Held { owner: 0, fence: fence_before(cas, now), until: began });
        // An end far beyond a term from now was not written by this clock; a little is only the
        // writer's later look.
        let runs = held.until > now && held.until <= now + 2 * TERM;
        let fence = match (runs, held.owner == self.me) {
            (true, false) => return Ok(None),
            (true, true) => held.fence,
            (false, _) if served && held.until <= now && now < held.until + COURTESY => return Ok(None),
            (false, _) => held.fence.wrapping_add(1),
        };
        let mine = Held { owner: self.me, fence, until: now + TERM };
        match store.set(&self.namespace.slot(Slot::Lease), &mine.write(), Condition::still(cas)) {
            Ok(()) => Ok(Some(fence)),
            Err(Fault::Lost) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Whether another VM, one that has served no request, is there to take over.
    ///
    /// # Errors
    /// Those of the store.
    pub fn idle_vm_is_present<S: Store>(&self, store: &S, now: u64) -> Result<bool, Fault> {
        let seen = store.get(&self.namespace.slot(Slot::IdleVm))?;
        let seen = seen.and_then(|(value, _)| {
            let mut reader = Reader::new(&value);
            Some((reader.u64()?, reader.u64()?))
        });
        Ok(seen.is_some_and(|(seen, who)| who != self.me && now.saturating_sub(seen) < PRESENT))
    }

    /// Gives the lease up, if it is this VM's.
    ///
    /// # Errors
    /// Those of the store.
    pub fn release<S: Store>(&self, store: &S, now: u64) -> Result<(), Fault> {
        match self.look(store)? {
            (Some(held), Some(cas)) if held.owner == self.me => {
                let free = Held { owner: 0, until: now, ..held };
                store.set(&self.namespace.slot(Slot::Lease), &free.write(), Condition::Is(cas))
            }
            _ => Ok(()),
        }
    }

    /// Whether there was a lease and it ended before this time. One that cannot be read has ended.
    ///
    /// # Errors
    /// Those of the store.
    pub fn ended_before<S: Store>(&self, store: &S, time: u64) -> Result<bool, Fault> {
        let (held, cas) = self.look(store)?;
        Ok(held.map_or(cas.is_some(), |held| held.until < time))
    }

    /// The lease, if it can be read, and the compare-and-swap number of what is there.
    fn look<S: Store>(&self, store: &S) -> Result<(Option<Held>, Option<u32>), Fault> {
        let found = store.get(&self.namespace.slot(Slot::Lease))?;
        Ok(found.map_or((None, None), |(value, cas)| (Held::read(&value), Some(cas))))
    }
}

/// The fence before the next one if the lease is absent, or cannot be read: then none before was
/// larger.
fn fence_before(cas: Option<u32>, now: u64) -> u32 {
    cas.map_or(0, |_| u32::try_from(now / SHORTEST).unwrap_or(u32::MAX - 1))
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

    #[test]
    fn the_first_to_claim_holds_it() {
        let store = Memory::default();
        let (mut a, mut b) = (lease(1), lease(2));
        assert_eq!(a.step(&store, 100, false).unwrap(), Some(1));
        assert_eq!(b.step(&store, 101, false).unwrap(), None);
        assert_eq!(a.step(&store, 100 + TERM - 1, false).unwrap(), Some(1));
        assert_eq!(b.step(&store, 100 + TERM, false).unwrap(), None, "it was renewed");
    }

    #[test]
    fn a_lease_that_is_not_renewed_passes_on_with_a_higher_fence() {
        let store = Memory::default();
        let (mut a, mut b) = (lease(1), lease(2));
        assert_eq!(a.step(&store, 0, false).unwrap(), Some(1));
        assert_eq!(b.step(&store, TERM - 1, false).unwrap(), None, "it still runs");
        assert_eq!(b.step(&store, TERM, false).unwrap(), Some(2));
        assert_eq!(a.step(&store, TERM + 50, false).unwrap(), None);
        assert_eq!(b.step(&store, TERM + 60, false).unwrap(), Some(2));
    }

    #[test]
    fn a_holder_that_overslept_gets_a_new_fence() {
        let store = Memory::default();
        let mut a = lease(1);
        assert_eq!(a.step(&store, 0, false).unwrap(), Some(1));
        assert_eq!(a.step(&store, 5 * TERM, false).unwrap(), Some(2));
    }

    #[test]
    fn a_lease_that_ends_in_another_age_of_the_clock_is_free() {
        let store = Memory::default();
        assert_eq!(lease(1).step(&store, 1_000_000, false).unwrap(), Some(1));
        assert_eq!(lease(2).step(&store, 5, true).unwrap(), Some(2));
    }

    #[test]
    fn a_lease_that_cannot_be_read_is_taken_with_a_fence_above_all_before() {
        for unreadable in [&b""[..], b"x", &[0xff; 19]] {
            let store = Memory::default();
            let (mut a, mut b) = (lease(1), lease(2));
            assert_eq!(a.step(&store, 0, false).unwrap(), Some(1));
            assert_eq!(a.step(&store, 5 * TERM, false).unwrap(), Some(2));
            let now = 5 * TERM + 50;
            store.set(&namespace().slot(Slot::Lease), unreadable, Condition::Always).unwrap();
            assert!(a.ended_before(&store, 0).unwrap(), "nobody would clear it");
            a.release(&store, now).unwrap();
            let fence = b.step(&store, now, false).unwrap().expect("nobody polls");
            assert!(fence > 2, "{fence}");
            assert_eq!(a.step(&store, now + 1, false).unwrap(), None);
            assert_eq!(b.step(&store, now + TERM - 1, false).unwrap(), Some(fence), "it is renewed");
            assert!(!b.ended_before(&store, now).unwrap());
        }
    }

    #[test]
    fn of_two_that_find_a_lease_unreadable_one_takes_it() {
        let store = Memory::default();
        store.set(&namespace().slot(Slot::Lease), b"x", Condition::Always).unwrap();
        let (mut a, mut b) = (lease(1), lease(2));
        assert!(a.step(&store, 1_000, false).unwrap().is_some());
        assert_eq!(b.step(&store, 1_000, false).unwrap(), None);
    }

    #[test]
    fn a_vm_that_serves_requests_waits_for_others_and_then_takes_it() {
        let store = Memory::default();
        let (mut a, mut b) = (lease(1), lease(2));
        assert_eq!(a.step(&store, 0, true).unwrap(), None, "courtesy also at the very first");
        assert_eq!(a.step(&store, COURTESY - 1, true).unwrap(), None);
        assert_eq!(b.step(&store, COURTESY - 1, false).unwrap(), Some(1));
        b.release(&store, 600).unwrap();
        assert_eq!(a.step(&store, 600 + COURTESY - 1, true).unwrap(), None);
        assert_eq!(a.step(&store, 600 + COURTESY, true).unwrap(), Some(2));
        assert!(!a.idle_vm_is_present(&store, 600 + PRESENT).unwrap());
        b.step(&store, 2_000, false).unwrap();
        assert!(a.idle_vm_is_present(&store, 2_001).unwrap());
    }
}
