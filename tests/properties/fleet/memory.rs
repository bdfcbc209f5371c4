//! Shared data as Envoy keeps it, with callers that can be made to die or to stall.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use flint_auth::table::Fault;
use flint_auth::table::store::{Address, Condition, Store};

/// A value and its compare-and-swap number.
type Value = (Vec<u8>, u32);
/// What happens, after how many reads and writes.
type Interruption = (usize, Box<dyn FnOnce()>);

#[derive(Default)]
pub(crate) struct Memory {
    values: RefCell<HashMap<Vec<u8>, Value>>,
    next: Cell<u32>,
    writes_left: Cell<Option<usize>>,
    interruption: RefCell<Option<Interruption>>,
}

/// The same, read by a test: nothing happens at that.
pub(crate) struct Quiet<'a>(pub(crate) &'a Memory);

impl Memory {
    /// After so many writes nothing that is written arrives.
    pub(crate) fn die_after(&self, writes: usize) {
        self.writes_left.set(Some(writes));
    }

    /// Writes arrive again.
    pub(crate) fn live(&self) {
        self.writes_left.set(None);
    }

    /// Before the read or write after that many others, this happens.
    pub(crate) fn interrupt_after(&self, calls: usize, event: impl FnOnce() + 'static) {
        self.interruption.replace(Some((calls, Box::new(event))));
    }

    /// What has not happened yet will not.
    pub(crate) fn interrupt_no_more(&self) {
        self.interruption.take();
    }

    fn step(&self) {
        match self.interruption.take() {
            Some((0, event)) => event(),
            Some((left, event)) => {
                self.interruption.replace(Some((left - 1, event)));
            }
            None => {}
        }
    }
}

impl Store for Memory {
    fn get(&self, address: &Address) -> Result<Option<Value>, Fault> {
        self.step();
        Ok(self.values.borrow().get(address.as_bytes()).cloned())
    }

    fn set(&self, address: &Address, value: &[u8], condition: Condition) -> Result<(), Fault> {
        self.step();
        match self.writes_left.get() {
            Some(0) => return Err(Fault::Refused),
            Some(left) => self.writes_left.set(Some(left - 1)),
            None => {}
        }
        let mut values = self.values.borrow_mut();
        let held = values.get(address.as_bytes()).map(|(_, cas)| *cas);
        let holds = match condition {
            Condition::Absent => held.is_none(),
            Condition::Is(cas) => held == Some(cas),
            Condition::Always => true,
        };
        if !holds {
            return Err(Fault::Lost);
        }
        self.next.set(self.next.get() + 1);
        values.insert(address.as_bytes().to_vec(), (value.to_vec(), self.next.get()));
        Ok(())
    }
}

impl Store for Quiet<'_> {
    fn get(&self, address: &Address) -> Result<Option<Value>, Fault> {
        Ok(self.0.values.borrow().get(address.as_bytes()).cloned())
    }

    fn set(&self, _: &Address, _: &[u8], _: Condition) -> Result<(), Fault> {
        Err(Fault::Refused)
    }
}
