//! Keys for tests. Each is new, and has the entry that the authority publishes for it.

use std::sync::atomic::{AtomicU32, Ordering};

use flint_contract::key::Digest;
use serde_json::{Value, json};

/// A key and its entry in the table.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The whole secret.
    pub(crate) secret: String,
    /// Its public name.
    pub(crate) id: String,
    /// What the authority tells gateways of it.
    pub(crate) entry: Value,
}

// === impl Key ===

impl Key {
    /// A new live key without grants.
    pub(crate) fn live(name: &str) -> Self {
        Self::new("live", name)
    }

    /// A new test key without grants.
    pub(crate) fn test(name: &str) -> Self {
        Self::new("test", name)
    }

    fn new(environment: &str, name: &str) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let secret = format!("flint_{environment}_{name}-{number}-hDz9Kq_31");
        let id = format!("key_{name}-{number}");
        let entry = json!({
            "sha256": Digest::of(secret.as_bytes()).to_hex(),
            "id": id,
            "environment": environment,
            "permissions": [],
        });
        Self { secret, id, entry }
    }

    /// Sets any field of the entry.
    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.entry[field] = value.into();
        self
    }

    /// Sets the grants.
    pub(crate) fn may(self, grants: &[&str]) -> Self {
        self.with("permissions", json!(grants))
    }

    /// The digest as the wire has it.
    pub(crate) fn digest(&self) -> &str {
        self.entry["sha256"].as_str().expect("a digest is text")
    }
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        key.entry
    }
}

impl From<&Key> for Value {
    fn from(key: &Key) -> Self {
        key.entry.clone()
    }
}
