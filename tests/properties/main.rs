//! Properties of the core that hold for every input, tested through its public names only.
//!
//! Properties of one module are next to it in `src/`; here are those that span modules, and two
//! that check a module against the plainest possible reading of its rule.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod addresses;
mod case;
mod fleet;
mod oracle;
mod permissions;

use std::collections::BTreeSet;

use flint_contract::outcome::Outcome;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use case::Case;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_request_is_decided_as_the_contract_says(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        oracle::check(&Case::decode(&bytes));
    }
}

/// The property above says little if most cases fail early: all that can become of a request does.
#[test]
fn cases_reach_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let bytes = prop::collection::vec(any::<u8>(), 0..80);
    let reached: BTreeSet<Option<Outcome>> = (0..20_000)
        .map(|_| oracle::check(&Case::decode(&bytes.new_tree(&mut runner).unwrap().current())))
        .collect();
    // Access tokens are not accepted by any configuration of the cases.
    let possible =
        Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::InvalidAccessToken).map(Some);
    let expected: BTreeSet<_> = possible.chain([None]).collect();
    assert_eq!(reached, expected);
}
