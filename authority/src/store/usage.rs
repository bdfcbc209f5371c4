//! Use of keys: the reports that gateways send, added up by minute, hour and day.

pub mod activity; // sums over time
pub mod first_use; // since when a key is used
pub mod received; // reports as they come in
pub mod rollup; // adding up
