//! The filter of Flint Auth: it decides API keys in Envoy, against a key table that keeps itself
//! fresh.
//!
//! "Contract §n" is `docs/contract.md`, on which other programs rely. The life of a request:
//!
//! 1. `host/request.rs` reads the header map from Envoy; [`decide::request`] finds in it everything
//!    that the decision needs.
//! 2. [`decide::decision`] takes the steps of the contract: the [`route`]'s requirement, the
//!    [`decide::credential`], the key's digest, its record in the [`table`], time, environment,
//!    address, permission.
//! 3. `host/request.rs` carries the decision out: it sets identity headers and filter state, or
//!    sends the answer that [`decide::reply`] has for the outcome. It counts the outcome for
//!    [`report::telemetry`] and [`report::usage`].
//!
//! Independently of requests, on ticks: [`feed::lease`] lets one VM of the process poll,
//! [`feed::poller`] says what to ask the authority, [`feed::page`] reads the answer, and the
//! table's writer puts it where every VM sees it.
//!
//! What holds everywhere:
//!
//! - Nothing outside `host/` names `proxy_wasm` or `flint_abi`, or calls the host; the manifest
//!   makes that a compile error.
//! - The core reads no clock, no randomness and no environment, and never logs.
//! - A request is forwarded only by a `Permit`, and only [`decide::decision`] makes one. There is
//!   no `None` that means yes.
//! - A `Config` that exists is valid.
//! - A key in plain text is borrowed from the request, in [`decide::credential`] and
//!   [`flint_contract::key`], and never kept.
//! - Only [`feed::page`] and the contract crate derive `serde`; only [`decide::reply`] has text
//!   that clients read.
//! - The filter and the authority share the crate [`flint_contract`] and nothing else; the
//!   authority cannot see this one.

pub mod decide;
pub mod route;
pub mod token;
pub mod config;

pub mod table;
pub mod bytes;

pub mod feed;
pub mod backoff;

pub mod report;

#[cfg(target_arch = "wasm32")]
mod host;
