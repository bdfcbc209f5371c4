//! Host calls.
