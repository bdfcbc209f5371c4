//! Faults on demand, for the tests of what Envoy does when a VM fails. Only with the feature
//! `faults`, which no build for use has.
//!
//! The configuration may then have a member `faults`: `fail_configure_from` is the number of the
//! call of `on_configure`, counted over the process, from which on it fails; `trap_path` is a path
//! that makes the VM trap.

use flint_contract::key::Digest;

use crate::table::store::{Address, Condition, Store as _};

use super::shared::Shared;

#[derive(Debug, Default)]
pub(super) struct Faults {
    fail_configure_from: Option<u64>,
    trap_path: Option<String>,
}

impl Faults {
    /// Takes the member out of a configuration.
    pub(super) fn take(bytes: Vec<u8>) -> (Vec<u8>, Self) {
        let Ok(serde_json::Value::Object(mut config)) = serde_json::from_slice(&bytes) else {
            return (bytes, Self::default());
        };
        let Some(faults) = config.remove("faults") else { return (bytes, Self::default()) };
        let fail_configure_from = faults.get("fail_configure_from").and_then(serde_json::Value::as_u64);
        let trap_path = faults.get("trap_path").and_then(|path| path.as_str()).map(str::to_owned);
        (serde_json::to_vec(&config).unwrap_or_default(), Self { fail_configure_from, trap_path })
    }

    /// Counts a call of `on_configure` with this configuration. Returns whether it is to fail.
    pub(super) fn fails_to_configure(&self, bytes: &[u8]) -> bool {
        let Some(from) = self.fail_configure_from else { return false };
        let address = Address::new(Digest::of(bytes).to_hex().bytes());
        loop {
            let held = Shared.get(&address).ok().flatten();
            let count = held
                .as_ref()
                .and_then(|(value, _)| value.as_slice().try_into().ok())
                .map_or(0, u64::from_le_bytes);
            if Shared
                .set(&address, &(count + 1).to_le_bytes(), Condition::still(held.map(|(_, cas)| cas)))
                .is_ok()
            {
                return count + 1 >= from;
            }
        }
    }

    /// Traps at a request for the path.
    pub(super) fn trap(&self, path: Option<&[u8]>) {
        let path = path.and_then(|path| path.split(|byte| *byte == b'?').next());
        if self.trap_path.as_deref().map(str::as_bytes).is_some_and(|trap| Some(trap) == path) {
            std::process::abort();
        }
    }
}
