//! The promises of the filter, kept by a real Envoy: contract §2 to §7, seen from outside.
//!
//! A test starts (or shares) an Envoy between a client, a scripted authority and an upstream that
//! echoes. Nothing here knows how the filter works inside: bytes on sockets go in, and out come
//! bytes on sockets, Envoy's statistics and its logs.
//!
//! `make test-envoy` builds what is needed and runs all. By hand:
//! `cargo test --test envoy -- sync::`. `ENVOY` names another Envoy, `FLINT_WASM` another build of
//! the filter, `FLINT` another authority.

#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod authority;
mod client;
mod expect;
mod harness;
mod keys;
mod scene;
mod tokens;
mod upstream;
mod wire;

// What the filter promises, in the order of the contract.
mod credentials;
mod delayed;
// One request at a time.
mod allow_deny;
mod answers;
mod headers;
mod routes;
// Access tokens, and the keys of those who issue them.
mod access_tokens;
mod foreign_judge;
mod issuer_keys;
// The key table and what feeds it.
mod first_table;
mod outage;
mod pages;
mod sync;
mod telemetry;
mod usage;

// What goes wrong inside Envoy, and what must never show.
mod configuration;
mod guard;
mod reload;
mod secrets;
mod statuses;
mod trap;

// What people copy: configurations and snippets; and the whole product, once.
mod documentation;
mod examples;
mod shipped;
mod story;
mod tls;
