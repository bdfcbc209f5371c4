//! Envoy's shared data as the store behind the key table.

use crate::table::store::{Address, Condition, Fault, Store};

/// The process-wide map of the VM's `vm_id`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared;

impl Store for Shared {
    fn get(&self, address: &Address) -> Result<Option<(Vec<u8>, u32)>, Fault> {
        flint_abi::shared(address.as_bytes()).map_err(|_| Fault::Refused)
    }

    /// Envoy takes 0 for "in any case", and compares only where there is a value: a number that
    /// none ever has sets one only if there is none. (`SharedData::set` of proxy-wasm-cpp-host;
    /// numbers count up from 1.)
    fn set(&self, address: &Address, value: &[u8], condition: Condition) -> Result<(), Fault> {
        let cas = match condition {
            Condition::Absent => u32::MAX,
            Condition::Is(cas) => cas,
            Condition::Always => 0,
        };
        flint_abi::set_shared(address.as_bytes(), value, cas)
            .map_err(|refused| if refused == flint_abi::CAS_MISMATCH { Fault::Lost } else { Fault::Refused })
    }
}
