//! The time and randomness, from the host.

use std::time::UNIX_EPOCH;

use proxy_wasm::hostcalls;

/// The monotonic clock, in milliseconds; 0 if it cannot be read.
pub(super) fn monotonic_ms() -> u64 {
    flint_abi::monotonic().unwrap_or_default() / 1_000_000
}

/// The wall clock, in Unix seconds.
pub(super) fn unix() -> Option<i64> {
    let now = hostcalls::get_current_time().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(now.as_secs()).ok()
}

/// Random bits. If the host gives none, the clock has to do. All but one of the things that they
/// are for (spreading calls, telling VMs and reports apart) need no secret; a key table that is
/// placed by a seed that can be guessed can be made slow by anyone who imports keys, up to a bound.
pub(super) fn random() -> u128 {
    flint_abi::random().map_or_else(|_| u128::from(flint_abi::monotonic().unwrap_or(1)), u128::from_le_bytes)
}

/// The low half of [`random`].
pub(super) fn random_u64() -> u64 {
    u64::try_from(random() & u128::from(u64::MAX)).unwrap_or_default()
}
