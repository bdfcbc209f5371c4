//! A key as people and programs see it, in the API and on the command line alike.

use serde::Serialize;

use crate::model::{Key, State};
use crate::store::keys::listing::{KeyPage, Listed};
use crate::store::keys::{Made, Rotated};

/// A key without anything that would help to guess or find its secret. Times are Unix seconds.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyView {
    /// Its public name.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `live` or `test`.
    pub environment: &'static str,
    /// Where it is in its life.
    pub status: State,
    /// Whether it should have been rotated by now.
    pub rotation_due: bool,
    /// The beginning and the end of its secret; `null` for a key that was imported.
    pub hint: Option<String>,
    /// Grants.
    pub permissions: Vec<String>,
    /// The owner, such as a customer.
    pub owner: Option<String>,
    /// Where it may be used from; `null` is everywhere.
    pub allowed_cidrs: Option<Vec<String>>,
    /// The first second in which it passes.
    pub not_before: Option<i64>,
    /// The first second in which it no longer passes.
    pub expires_at: Option<i64>,
    /// The first second in which it is refused as revoked.
    pub revoked_at: Option<i64>,
    /// Why it was revoked.
    pub revoke_reason: Option<String>,
    /// When it is due for rotation.
    pub rotate_by: Option<i64>,
    /// The key that it took over from.
    pub replaces: Option<String>,
    /// The key that takes over from it.
    pub replaced_by: Option<String>,
    /// When a gateway last met it, as far as reports have come in.
    pub last_used_at: Option<i64>,
    /// When it was made.
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: i64,
    /// Counts changes, from 1.
    pub version: i64,
}

impl KeyView {
    /// The key as it is now.
    #[must_use]
    pub fn new(key: Key, last_used_at: Option<i64>, now: i64) -> Self {
        Self {
            status: key.state(now),
            rotation_due: key.is_due(now),
            environment: key.environment.as_str(),
            id: key.id,
            name: key.name,
            hint: key.hint,
            permissions: key.permissions,
            owner: key.owner,
            allowed_cidrs: key.allowed_cidrs,
            not_before: key.not_before,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            revoke_reason: key.revoke_reason,
            rotate_by: key.rotate_by,
            replaces: key.replaces,
            replaced_by: key.replaced_by,
            last_used_at,
            created_at: key.created_at,
            created_by: key.created_by,
            updated_at: key.updated_at,
            version: key.version,
        }
    }
}

/// A page of keys.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyList {
    /// The keys, in the order that was asked for.
    pub keys: Vec<KeyView>,
    /// Where the next page begins; `null` on the last one.
    pub next_cursor: Option<String>,
    /// Where the page before ends; `null` on the first one.
    pub previous_cursor: Option<String>,
}

/// A new key with its secret, which is in no other answer ever.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct KeyWithSecret {
    /// What everybody may see of it.
    #[serde(flatten)]
    pub key: KeyView,
    /// The key itself.
    pub secret: String,
}

/// The new key with its secret, and the key that it takes over from.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct RotatedKey {
    /// The key that comes.
    #[serde(flatten)]
    pub new: KeyWithSecret,
    /// The key that goes.
    pub previous: KeyView,
}

/// What became of a leaked key. Whoever found it is told no more of it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct LeakedAnswer {
    /// The key's public id.
    pub id: String,
    /// Since when it is revoked.
    pub revoked_at: Option<i64>,
}

/// What was imported.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Imported {
    /// Whether this only says what would happen.
    pub dry_run: bool,
    /// How many keys were, or would be, made.
    pub imported: usize,
    /// How many lines were skipped because their digests are here already.
    pub skipped: usize,
    /// The new keys' ids, in the order of the lines.
    pub ids: Vec<String>,
}

impl KeyList {
    /// A page of keys as they are now.
    #[must_use]
    pub fn new(page: KeyPage, now: i64) -> Self {
        let view = |listed: Listed| KeyView::new(listed.key, listed.last_used, now);
        let keys = page.keys.into_iter().map(view).collect();
        Self { keys, next_cursor: page.next, previous_cursor: page.previous }
    }
}

impl KeyWithSecret {
    /// A key that was just made.
    #[must_use]
    pub fn new(made: Made, now: i64) -> Self {
        Self { secret: made.secret.reveal().into(), key: KeyView::new(made.key, None, now) }
    }
}

impl RotatedKey {
    /// Both keys of a rotation; the old one was last used then.
    #[must_use]
    pub fn new(rotated: Rotated, last_used: Option<i64>, now: i64) -> Self {
        let previous = KeyView::new(rotated.old, last_used, now);
        Self { new: KeyWithSecret::new(rotated.new, now), previous }
    }
}

impl From<Key> for LeakedAnswer {
    fn from(key: Key) -> Self {
        Self { id: key.id, revoked_at: key.revoked_at }
    }
}
