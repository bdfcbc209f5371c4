//! Which notices are due of a key: that it ends, or should be rotated, in 30, 14, 7 or 1 days.
//! Pure.
//!
//! 1. A notice is of a key, of what comes (its end, its rotation), of the time when that comes, and
//!    of a step. Where the time is changed, notices begin again.
//! 2. Where several steps have been passed (nobody looked, or the key is made with a short life),
//!    only the nearest is due.
//! 3. A key that is over, or from which another takes over, has none: nobody has to act.
//! 4. Of a rotation there is none where the key ends by then: the notices of its end say it
//!    already.

use super::{DAY, Key};

/// How many days ahead notices are, the nearest first.
pub const STEPS: [i64; 4] = [1, 7, 14, 30];

/// What comes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// The key ends.
    Expiring,
    /// The key should be rotated.
    RotationDue,
}

/// One notice of a key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Notice {
    /// What comes.
    pub kind: Kind,
    /// When it comes.
    pub comes_at: i64,
    /// How many days ahead this notice is: one of [`STEPS`].
    pub step: i64,
}

/// Times in which something may come of which a notice became due: after the first, until the
/// second.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Window {
    /// What comes then was looked at before, or is nearer than this step.
    pub after: i64,
    /// What comes later is further away than this step.
    pub until: i64,
}

/// A delivery that failed is tried again after this, in seconds, then after twice as long, and so
/// on.
pub const FIRST_RETRY: i64 = 30;
/// The longest time between two tries, in seconds.
const LONGEST_RETRY: i64 = 3_600;
/// How often a delivery is tried: eight times within an hour or so, and then hourly until about a
/// day is over.
const TRIES: i64 = 30;

// === impl Kind ===

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Expiring, Self::RotationDue];

    /// The word in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expiring => "key.expiring",
            Self::RotationDue => "key.rotation_due",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// When that comes for this key, if it does (rules 3 and 4).
    fn comes_at(self, key: &Key, now: i64) -> Option<i64> {
        let time = match self {
            Self::Expiring => key.expires_at,
            Self::RotationDue => key.rotate_by.filter(|time| key.expires_at.is_none_or(|end| *time < end)),
        };
        time.filter(|time| *time > now && key.goes_on(now))
    }
}

// === impl Notice ===

impl Notice {
    /// What is due of a key.
    #[must_use]
    pub fn all_due(key: &Key, now: i64) -> Vec<Self> {
        Kind::ALL.into_iter().filter_map(|kind| Self::due(kind, key, now)).collect()
    }

    /// The notice of this kind that is due of a key.
    #[must_use]
    pub fn due(kind: Kind, key: &Key, now: i64) -> Option<Self> {
        let comes_at = kind.comes_at(key, now)?;
        let step = STEPS.into_iter().find(|step| comes_at - now <= step * DAY)?;
        Some(Self { kind, comes_at, step })
    }

    /// Whether this is still what should be said of the key.
    #[must_use]
    pub fn holds(&self, key: &Key, now: i64) -> bool {
        Self::due(self.kind, key, now) == Some(*self)
    }

    /// How many days are left; one that has begun counts.
    #[must_use]
    pub const fn days_left(&self, now: i64) -> i64 {
        (self.comes_at - now + DAY - 1) / DAY
    }
}

/// In which times something comes of which a notice became due since somebody looked last. They do
/// not overlap.
#[must_use]
pub fn windows(looked_at: Option<i64>, now: i64) -> Vec<Window> {
    let mut nearer = now;
    let of_step = STEPS.into_iter().map(|step| {
        let until = now + step * DAY;
        let after = looked_at.map_or(nearer, |at| nearer.max(at + step * DAY));
        nearer = until;
        Window { after, until }
    });
    of_step.filter(|window| window.after < window.until).collect()
}

/// After how many seconds a delivery that has failed so many times is tried again. `None`: not any
/// more. `jitter` moves it by up to a quarter, so that not all come back at once.
#[must_use]
pub fn retry_after(failures: i64, first: i64, jitter: u8) -> Option<i64> {
    let doubled = u32::try_from(failures - 1).ok().filter(|_| failures < TRIES)?;
    let delay = first.saturating_mul(1_i64.checked_shl(doubled.min(32))?).min(LONGEST_RETRY);
    Some(delay * (768 + 2 * i64::from(jitter)) / 1_024)
}

#[cfg(test)]
mod tests;
