//! What the filter reports: counts and log lines about requests, the table, and the workers of this
//! process.

pub mod usage;
pub mod telemetry;
pub mod workers;
