//! The filter of Flint Auth.

pub mod entry;
pub mod key;
pub mod outcome;
pub mod permission;
pub mod protocol;
