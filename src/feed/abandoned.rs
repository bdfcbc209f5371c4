//! Empties tables and sets of keys that nobody uses any more, so that a gateway whose token,
//! authority or issuer was changed by an update of its configuration does not keep the old ones for
//! as long as Envoy runs.
//!
//! 1. Every namespace that was ever used is in one shared list.
//! 2. A namespace whose lease ran out [`ABANDONED`] ago, and that is still free at a second look,
//!    has no poller and therefore no configuration.
//! 3. The VM that clears it takes its lease first. A configuration that comes back in the meantime
//!    waits for that lease and then starts with an empty table, not with half of one.

use crate::feed::lease::Lease;
use crate::table::Meta;
use crate::table::meta::Role;
use crate::table::store::{Address, Condition, Fault, Namespace, Store};
use crate::table::writer::Sweep;
use crate::token::held;

/// How long after the end of its lease a namespace counts as abandoned, in milliseconds.
pub const ABANDONED: u64 = 600_000;

/// Enters a namespace into the list.
///
/// # Errors
/// Those of the store, [`Fault::Lost`] among them: then it is to be tried again.
pub fn enter<S: Store>(store: &S, namespace: Namespace) -> Result<(), Fault> {
    let (mut listed, condition) = list(store)?;
    if listed.contains(&namespace) {
        return Ok(());
    }
    listed.push(namespace);
    store.set(&address(), &written(&listed), condition)
}

/// Clears one abandoned namespace, if there is one: one that counted as abandoned at the last look
/// too. After a process was stopped for long, all namespaces seem abandoned until their pollers
/// have had their turn. `me` is this VM's number, `seen` what it found the last time.
///
/// # Errors
/// Those of the store; what was cleared until then stays so, and the next call continues.
pub fn clear_one<S: Store>(
    store: &S,
    me: u64,
    now: u64,
    seen: &mut Vec<Namespace>,
) -> Result<Option<Namespace>, Fault> {
    let mut found = Vec::new();
    for namespace in list(store)?.0 {
        if Lease::new(namespace, me).ended_before(store, now.saturating_sub(ABANDONED))? {
            found.push(namespace);
        }
    }
    let twice = found.iter().find(|namespace| seen.contains(namespace)).copied();
    *seen = found;
    let Some(namespace) = twice else { return Ok(None) };
    let mut lease = Lease::new(namespace, me);
    let Some(fence) = lease.step(store, now, false)? else { return Ok(None) };
    // Readers first: from here on there is no table, and no earlier holder can put one in place.
    let cas = Meta::load(store, namespace)?.1;
    // A table of a configuration that comes back before all is empty finds litter.
    Meta { fence, littered: true, ..Meta::default() }.save(store, namespace, Role::Serving, cas)?;
    Sweep::new(namespace, 0, fence).step(store, u32::MAX)?;
    held::clear(store, namespace)?;
    lease.release(store, now)?;
    let (mut listed, condition) = list(store)?;
    listed.retain(|listed| *listed != namespace);
    store.set(&address(), &written(&listed), condition)?;
    Ok(Some(namespace))
}

fn address() -> Address {
    Address::new(*b"flint.namespaces")
}

fn list<S: Store>(store: &S) -> Result<(Vec<Namespace>, Condition), Fault> {
    let found = store.get(&address())?;
    let cas = found.as_ref().map(|(_, cas)| *cas);
    let value = found.map(|(value, _)| value).unwrap_or_default();
    Ok((value.as_chunks().0.iter().map(|name| Namespace::from_bytes(*name)).collect(), Condition::still(cas)))
}

fn written(listed: &[Namespace]) -> Vec<u8> {
    listed.iter().flat_map(|namespace| *namespace.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::lease::TERM;
    use crate::table::View;
    use crate::table::tests::{Memory, serving};

    fn table(store: &Memory, token: &str) -> Namespace {
        let namespace = Namespace::of("cluster", "host", token);
        enter(store, namespace).unwrap();
        enter(store, namespace).unwrap();
        assert!(Lease::new(namespace, 1).step(store, 0, false).unwrap().is_some());
        serving(store, namespace, 0..500);
        namespace
    }

    #[test]
    fn a_table_that_nobody_polls_is_emptied_and_the_others_stay() {
        let store = Memory::default();
        let (old, new) = (table(&store, "old"), table(&store, "new"));
        let full = store.bytes();
        let late = ABANDONED + TERM + 1;
        Lease::new(new, 2).step(&store, late, false).unwrap();
        let mut seen = Vec::new();
        assert_eq!(clear_one(&store, 9, TERM + 1, &mut seen), Ok(None));
        assert_eq!(clear_one(&store, 9, late, &mut seen), Ok(None), "it is looked at twice");
        assert_eq!(clear_one(&store, 9, late, &mut seen), Ok(Some(old)));
        assert_eq!(clear_one(&store, 9, late, &mut seen), Ok(None));
        let meta = |namespace| {
            let mut view = View::new(namespace);
            view.refresh(&store).unwrap();
            view.meta().cloned()
        };
        assert!(meta(old).is_none() && meta(new).is_some());
        assert!(store.bytes() < full * 6 / 10);
    }

    #[test]
    fn a_configuration_that_comes_back_begins_anew() {
        let store = Memory::default();
        let old = table(&store, "old");
        let late = ABANDONED + TERM + 1;
        assert_eq!(clear_one(&store, 9, late, &mut vec![old]), Ok(Some(old)));
        assert_eq!(
            Lease::new(old, 1).step(&store, late, false).unwrap(),
            Some(3),
            "with a fence above all before"
        );
        enter(&store, old).unwrap();
    }

    #[test]
    fn a_table_whose_process_was_stopped_for_long_stays() {
        let store = Memory::default();
        let namespace = table(&store, "old");
        let (late, mut seen) = (ABANDONED + TERM + 1, Vec::new());
        assert_eq!(clear_one(&store, 9, late, &mut seen), Ok(None));
        Lease::new(namespace, 1).step(&store, late + 25, false).unwrap();
        assert_eq!(clear_one(&store, 9, late + 60_000, &mut seen), Ok(None));
        assert!(Meta::load(&store, namespace).unwrap().0.unwrap().serves());
    }
}
