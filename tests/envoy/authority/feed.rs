//! The log of changes and its pages (contract §6).

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A log of changes. A cursor is the number of the database and how many changes a gateway has
/// seen.
pub(crate) struct Feed {
    database: u32,
    changes: Vec<Change>,
}

enum Change {
    Upsert(Value),
    Remove(Value),
    RevokeToken(Value),
}

/// Where a gateway stands.
pub(crate) struct Place {
    at: usize,
    reset: bool,
}

// === impl Feed ===

impl Default for Feed {
    fn default() -> Self {
        Self { database: 1, changes: Vec::new() }
    }
}

impl Feed {
    /// Appends entries; returns the cursor of anyone who has seen them.
    pub(crate) fn upsert(&mut self, entries: Vec<Value>) -> String {
        self.changes.extend(entries.into_iter().map(Change::Upsert));
        self.cursor(self.changes.len())
    }

    /// Appends removals; returns the cursor of anyone who has seen them.
    pub(crate) fn remove(&mut self, digests: Vec<Value>) -> String {
        self.changes.extend(digests.into_iter().map(Change::Remove));
        self.cursor(self.changes.len())
    }

    /// Appends a revoked access token; returns the cursor of anyone who has seen it.
    pub(crate) fn revoke_token(&mut self, jti: &str, expires_at: i64) -> String {
        self.changes.push(Change::RevokeToken(json!({"jti": jti, "expires_at": expires_at})));
        self.cursor(self.changes.len())
    }

    /// Begins another database.
    pub(crate) fn start_over(&mut self, entries: Vec<Value>) -> String {
        self.database += 1;
        self.changes.clear();
        self.upsert(entries)
    }

    /// Reads a cursor; one of another database, or none, is the beginning. A cursor carries on a
    /// reset that it is in the middle of.
    pub(crate) fn place(&self, cursor: Option<&str>) -> Place {
        let Some(cursor) = cursor else { return Place { at: 0, reset: false } };
        let parsed = cursor.split_once('-').and_then(|(database, at)| Some((database, at.parse().ok()?)));
        match parsed {
            Some((database, at)) if database == format!("db{}", self.database) => Place { at, reset: false },
            _ => Place { at: 0, reset: true },
        }
    }

    /// Whether there is something newer, or something to say about the cursor itself.
    pub(crate) fn has_news(&self, place: &Place) -> bool {
        place.reset || place.at < self.changes.len()
    }

    /// The page after a place.
    pub(crate) fn page(&self, place: &Place, limit: usize) -> Value {
        let end = self.changes.len().min(place.at + limit.max(1));
        let changes = &self.changes[place.at..end];
        let (mut keys, mut removed, mut revoked) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        // In one page a removal beats an entry, whatever came first: only the last change of a
        // digest may stand.
        for change in changes.iter().rev() {
            let (digest, list, value) = match change {
                Change::Upsert(entry) => (&entry["sha256"], &mut keys, entry),
                Change::Remove(digest) => (digest, &mut removed, digest),
                Change::RevokeToken(token) => (&token["jti"], &mut revoked, token),
            };
            // What has no digest is no entry; tests send such things.
            if !digest.is_string() || seen.insert(digest.to_string()) {
                list.push(value.clone());
            }
        }
        keys.reverse();
        json!({
            "cursor": self.cursor(end),
            "more": end < self.changes.len(),
            "reset": place.reset,
            "keys": keys,
            "removed": removed,
            "revoked_tokens": revoked,
        })
    }

    fn cursor(&self, at: usize) -> String {
        format!("db{}-{at}", self.database)
    }
}
