//! What the filter and the authority of Flint Auth must agree on. They share nothing else.
//!
//! It reads no clock, no randomness and no environment, never logs, and does no input or output.
//! The rules are those of `docs/contract.md`, which "contract §n" refers to.

pub mod key;
pub mod permission;
pub mod entry;
pub mod outcome;
pub mod protocol;
