//! The way back: what is counted and said of requests, of the table, and of the workers of this process.

pub mod usage;
pub mod telemetry;
pub mod workers;
