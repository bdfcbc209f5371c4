//! The authority of Flint Auth: it makes, rotates and revokes API keys, feeds the gateways, and
//! counts use.
//!
//! The life of a change: a command line or an HTTP call becomes a draft that cannot be wrong
//! (`model`), the store writes it with its audit line in one transaction and gives it the next
//! change number (`store`), the commit wakes every long poll (`store::feed::wake`), and each
//! gateway's next cursor says that it has applied it (`store::feed::acknowledgements`).
//!
//! What holds everywhere:
//! - a secret exists in the answer that made it and nowhere else; at rest there is its SHA-256;
//! - SQL is in `store/` only, and every statement runs on SQLite and on PostgreSQL as it stands;
//! - status codes are in `api/` and `dashboard/` only, exit codes in `cli.rs` only;
//! - the three fronts `api/`, `dashboard/` and `cli/` do not know each other: `serve.rs` puts them
//!   together, and what they share is in `views/`, `store/` and `model/`;
//! - `server/` takes a router and knows no page;
//! - change numbers are given in commit order, so no reader of the feed can miss one;
//! - a revoked key never comes back: no function of `model` leads away from revoked;
//! - the clock is read in `clock.rs` only, randomness in `secret.rs` only.

pub mod clock; // the time
pub mod config; // which database
pub mod password; // hashes of passwords
pub mod secret; // randomness, secrets, ids

pub mod model; // what a key is, and every rule; pure
pub mod oauth; // the rules of the authorization server; pure
pub mod store; // the database
pub mod views; // how things are shown to programs and people

pub mod server; // connections, TLS, limits

pub mod api; // the HTTP interface
pub mod dashboard; // the pages
pub mod serve; // `flint serve`: the fronts behind one listener
pub mod cli; // the command line

pub mod notices; // tells a webhook of keys that end
pub mod doctor; // what `flint doctor` finds
mod outbound; // connections to elsewhere
