//! The authority of Flint Auth: it makes, rotates and revokes API keys, feeds the gateways, and counts use.
//!
//! The life of a change: a command line or an HTTP call becomes a draft that cannot be wrong (`model`), the store
//! writes it with its audit line in one transaction and gives it the next change number (`store`), the commit wakes
//! every long poll (`store::wake`), and each gateway's next cursor says that it has applied it (`store::gateways`).
//!
//! What holds everywhere:
//! - a secret exists in the answer that made it and nowhere else; at rest there is its SHA-256;
//! - SQL is in `store/` only, and every statement runs on SQLite and on PostgreSQL as it stands;
//! - status codes are in `http/` and `dashboard/` only, exit codes in `cli.rs` only;
//! - change numbers are given in commit order, so no reader of the feed can miss one;
//! - a revoked key never comes back: no function of `model` leads away from revoked;
//! - the clock is read in `clock.rs` only, randomness in `secret.rs` only.

pub mod clock;
pub mod config;
pub mod password;
pub mod secret;

pub mod model;

pub mod oauth;

pub mod store;

pub mod views;

pub mod server;

pub mod http;

pub mod dashboard;

pub mod notices;

pub mod probe;

pub mod serve;

pub mod cli;
