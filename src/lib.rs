//! The filter of Flint Auth.

pub mod config;
pub mod bytes;
pub mod entry;
pub mod key;
pub mod outcome;
pub mod permission;
pub mod protocol;
pub mod route;
pub mod table;
