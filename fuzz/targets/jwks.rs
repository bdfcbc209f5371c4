//! Any bytes are a set of keys or are refused whole; what is kept comes back as it was written.
#![no_main]

use flint_auth::token::keys::{KeySet, MAX_BODY, MAX_KEYS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // As it lies in shared data, where another version may have written it.
    let _ = KeySet::read(bytes);
    let Ok((keys, left_out)) = KeySet::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_BODY && !keys.is_empty() && keys.len() + left_out <= MAX_KEYS);
    let mut written = Vec::new();
    keys.write(&mut written);
    assert!(KeySet::read(&written).as_ref() == Some(&keys));
});
