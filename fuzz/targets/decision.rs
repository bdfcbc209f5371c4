//! Any request in any state of the world is decided as the contract says; the oracle is the one of
//! the property tests.
#![no_main]

#[path = "../../tests/properties/case.rs"]
mod case;
#[path = "../../tests/properties/oracle.rs"]
mod oracle;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    oracle::check(&case::Case::decode(bytes));
});
