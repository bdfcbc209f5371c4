//! Envoy's shared data, as the table's store.

use crate::table::store::{Fault, Key, Store};

/// The process-wide map of the VM's `vm_id`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared;

impl Store for Shared {
    fn get(&self, key: &Key) -> Result<Option<(Vec<u8>, u32)>, Fault> {
        flint_abi::shared(key.as_bytes()).map_err(|_| Fault::Refused)
    }

    fn set(&self, key: &Key, value: &[u8], cas: Option<u32>) -> Result<(), Fault> {
        flint_abi::set_shared(key.as_bytes(), value, cas.unwrap_or(0))
            .map_err(|refused| if refused == flint_abi::CAS_MISMATCH { Fault::Lost } else { Fault::Refused })
    }
}
