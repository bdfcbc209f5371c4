//! Envoy's shared data, as the table's store.

use proxy_wasm::hostcalls;
use proxy_wasm::types::Status;

use crate::table::store::{Fault, If, Key, Store};

/// The process-wide map of the VM's `vm_id`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared;

impl Store for Shared {
    fn get(&self, key: &Key) -> Result<Option<(Vec<u8>, u32)>, Fault> {
        let (value, cas) = hostcalls::get_shared_data(text(key)?).map_err(|_| Fault::Refused)?;
        Ok(value.zip(cas))
    }

    /// Envoy takes 0 for "in any case", and compares only where there is a value: a number that none ever has sets
    /// one only where there is none. (`SharedData::set` of proxy-wasm-cpp-host; numbers count up from 1.)
    fn set(&self, key: &Key, value: &[u8], condition: If) -> Result<(), Fault> {
        let cas = match condition {
            If::Absent => u32::MAX,
            If::Is(cas) => cas,
            If::Always => 0,
        };
        hostcalls::set_shared_data(text(key)?, Some(value), Some(cas)).map_err(|status| match status {
            Status::CasMismatch => Fault::Lost,
            _ => Fault::Refused,
        })
    }
}

/// Addresses are ASCII.
fn text(key: &Key) -> Result<&str, Fault> {
    std::str::from_utf8(key.as_bytes()).map_err(|_| Fault::Refused)
}
