//! Access tokens that were revoked before their time. They lie in the key table, each under a
//! digest that no key has, so that all that holds for keys holds for them: a page takes effect for
//! every worker at once, a reset replaces them with the rest, and none is acknowledged before all
//! refuse it. An importer may choose a token's digest for a key: a held token stays all the same.

use flint_contract::entry::Entry;
use flint_contract::key::{Digest, Environment};

/// The most that a table holds; what is beyond that is dropped and counted. Each takes up some 50
/// bytes.
pub const MAX_REVOKED: u64 = 1_000_000;
/// For how many seconds after its `expires_at` an entry is held: longer than any clock skew that
/// can be configured.
pub const HELD_AFTER: i64 = 360;

/// What stands for a token in the table. What is hashed has a zero byte, which no key has.
#[must_use]
pub fn digest(jti: &str) -> Digest {
    Digest::of(&[b"jti\0", jti.as_bytes()].concat())
}

/// The entry of a token, told from all others by its empty id. It holds nothing but when it ends.
#[must_use]
pub fn entry(jti: &str, expires_at: i64) -> Entry {
    Entry {
        digest: digest(jti),
        id: Box::default(),
        environment: Environment::Live,
        permissions: Vec::new(),
        owner: None,
        not_before: None,
        expires_at: Some(expires_at),
        revoked_at: None,
        allowed_cidrs: None,
    }
}

/// Whether this is a token's entry.
#[must_use]
pub fn is_token(entry: &Entry) -> bool {
    entry.id.is_empty()
}
