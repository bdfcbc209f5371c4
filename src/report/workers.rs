//! Which VMs of the process are alive, each with its own small number, for one gauge per worker.
//!
//! A VM has a slot in one shared value and renews it with every beat. A slot that was not renewed
//! for [`SILENT`] belongs to a VM that is gone, or dead: others set its gauge to 0, and a new VM
//! may take the slot.
//!
//! Times are milliseconds of the monotonic clock.

use crate::bytes::Reader;
use crate::table::store::{Address, Condition, Fault, Store};

/// How long after its last beat a VM counts as gone.
pub const SILENT: u64 = 5_000;

/// What a beat shows.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Beat {
    /// This VM's slot; `None` where another VM was quicker, until the next beat.
    pub slot: Option<usize>,
    /// The slots of VMs that are gone.
    pub gone: Vec<usize>,
}

/// Renews this VM's slot, or takes one. `me` is random and not 0.
///
/// # Errors
/// Those of the store; losing against another VM is none.
pub fn beat<S: Store>(store: &S, me: u64, now: u64) -> Result<Beat, Fault> {
    let address = Address::new(*b"flint.workers");
    let held = store.get(&address)?;
    let mut slots = held.as_ref().map(|(value, _)| read(value)).unwrap_or_default();
    let gone = |(vm, beat): &(u64, u64)| *vm != me && now.saturating_sub(*beat) > SILENT;
    let mine = slots.iter().position(|(vm, _)| *vm == me);
    let slot = mine.or_else(|| slots.iter().position(gone)).unwrap_or(slots.len());
    if slot == slots.len() {
        slots.push((me, now));
    } else if let Some(place) = slots.get_mut(slot) {
        *place = (me, now);
    }
    let value: Vec<u8> =
        slots.iter().flat_map(|(vm, beat)| [*vm, *beat]).flat_map(u64::to_le_bytes).collect();
    let gone = slots.iter().enumerate().filter(|(_, slot)| gone(slot)).map(|(place, _)| place).collect();
    match store.set(&address, &value, Condition::still(held.map(|(_, cas)| cas))) {
        Ok(()) => Ok(Beat { slot: Some(slot), gone }),
        Err(Fault::Lost) => Ok(Beat { slot: mine, gone }),
        Err(fault) => Err(fault),
    }
}

fn read(value: &[u8]) -> Vec<(u64, u64)> {
    let mut reader = Reader::new(value);
    std::iter::from_fn(|| Some((reader.u64()?, reader.u64()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::Memory;

    #[test]
    fn every_vm_has_its_slot_and_keeps_it() {
        let store = Memory::default();
        for (time, me) in [(0, 7), (1, 8), (2, 9), (3, 8), (4, 7)] {
            let beat = beat(&store, me, time).unwrap();
            assert_eq!(beat, Beat { slot: Some(usize::try_from(me - 7).unwrap()), gone: vec![] });
        }
    }

    #[test]
    fn a_silent_vm_is_seen_as_gone_and_its_slot_taken() {
        let store = Memory::default();
        beat(&store, 7, 0).unwrap();
        beat(&store, 8, 0).unwrap();
        assert!(beat(&store, 8, SILENT).unwrap().gone.is_empty());
        assert_eq!(beat(&store, 8, SILENT + 1).unwrap().gone, [0]);
        assert_eq!(beat(&store, 9, SILENT + 2).unwrap(), Beat { slot: Some(0), gone: vec![] });
        assert_eq!(beat(&store, 8, SILENT + 3).unwrap(), Beat { slot: Some(1), gone: vec![] });
    }
}
