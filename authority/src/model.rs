//! What a key is, which states it has, and which changes are legal. Pure: time comes in as an
//! argument.
//!
//! 1. A key is pending, active, expired or revoked; the first of revoked, expired, pending that
//!    holds is its state.
//! 2. Nothing leads away from revoked. Revoking again changes nothing.
//! 3. Rotation makes a second key and sets the expiry of the first, never later than it was.
//! 4. A key that was rotated is not rotated again, and its expiry can only be brought forward.
//! 5. Only a revoked or expired key can be removed: gateways forget it, and its digest is never
//!    taken again.
//! 6. An expired key may be given a later end, unless rule 4 forbids it.

pub mod draft;
pub mod import;
pub mod lifecycle;
pub mod notices;
pub mod usage;

use flint_contract::key::{Digest, Environment};
use serde::Serialize;

/// A day in seconds.
pub const DAY: i64 = 86_400;
/// How long a key lives where nothing else is said, and after how long it is due for rotation.
pub const DEFAULT_LIFETIME: i64 = 90 * DAY;
/// How long the old key of a rotation continues where nothing else is said.
pub const DEFAULT_OVERLAP: i64 = DAY;
/// The longest overlap of a rotation.
pub const MAX_OVERLAP: i64 = 30 * DAY;
/// The latest time that is accepted anywhere: the end of the year 9999.
pub const MAX_TIME: i64 = 253_402_300_799;

/// All that the authority knows of a key. The secret is not among it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    /// Its public name.
    pub id: String,
    /// The SHA-256 of its secret.
    pub digest: Digest,
    /// Counts changes, from 1; a change that names an older version is refused.
    pub version: i64,
    /// What people call it.
    pub name: String,
    /// Production or sandbox.
    pub environment: Environment,
    /// What may be shown of the secret; an imported key has none.
    pub hint: Option<String>,
    /// Grants.
    pub permissions: Vec<String>,
    /// The owner, such as a customer.
    pub owner: Option<String>,
    /// Where it may be used from; `None` is everywhere, an empty list nowhere.
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
    /// When it was made.
    pub created_at: i64,
    /// Who made it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: i64,
}

/// Where a key is in its life (rule 1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its time has not come.
    Pending,
    /// It passes.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

/// Why a change is refused. The text is for the person who asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Rule 2.
    #[error("the key is revoked, and a revoked key can never be used again")]
    Revoked,
    /// Only a key that still passes, or will, can be rotated.
    #[error("the key has expired; create a new one instead")]
    Expired,
    /// Rule 4.
    #[error("the key has already been rotated; {0} replaces it")]
    Superseded(String),
    /// Rule 5.
    #[error("the key is still valid; revoke it first")]
    NotOver,
    /// Someone else changed the key in the meantime.
    #[error("the key was changed in the meantime: it is at version {0}")]
    Stale(i64),
}

// === impl Key ===

impl Key {
    /// Where the key is in its life.
    #[must_use]
    pub fn state(&self, now: i64) -> State {
        let reached = |time: Option<i64>| time.is_some_and(|time| time <= now);
        if reached(self.revoked_at) {
            State::Revoked
        } else if reached(self.expires_at) {
            State::Expired
        } else if self.not_before.is_some_and(|time| now < time) {
            State::Pending
        } else {
            State::Active
        }
    }

    /// Whether the key should have been rotated by now. A key that is over or has a successor is
    /// not due.
    #[must_use]
    pub fn is_due(&self, now: i64) -> bool {
        self.rotate_by.is_some_and(|time| time <= now) && self.goes_on(now)
    }

    /// Whether somebody counts on the key: it is not over, and no other takes over from it.
    #[must_use]
    pub fn goes_on(&self, now: i64) -> bool {
        self.replaced_by.is_none() && matches!(self.state(now), State::Active | State::Pending)
    }
}

// === impl State ===

impl State {
    /// The word in answers and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Active, Self::Expired, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}
