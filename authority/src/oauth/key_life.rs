//! The life of the keys that sign tokens, as functions of their times.
//!
//! 1. A key is next, current, previous or withdrawn. It is published in the first three states.
//! 2. The current one signs: of the published keys whose time to sign has come, the one whose time
//!    came last.
//! 3. A new key is published at once and signs a quarter of an hour later, so that anyone who
//!    caches the set for some minutes has it by then.
//! 4. A key stays published until the last token that it signed has expired, and ten minutes more,
//!    for clocks that differ.
//! 5. A key that no longer signs may be withdrawn before its time: what it signed last breaks.
//! 6. If nothing else helps, a new key signs at once and all others are withdrawn at once: live
//!    tokens break.

use super::client::MAX_ACCESS_SECONDS;

/// How long a new key is published before it signs, in seconds.
pub const LEAD: i64 = 900;
/// How long a key stays published after its last token has expired, in seconds.
const REST: i64 = 600;
/// The most keys that are published at once.
pub const MAX_PUBLISHED: usize = 10;

/// What signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA of 2048 bits with PKCS #1 v1.5.
    Rs256,
}

/// A key, without its halves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyTimes {
    /// Its id, which headers and the set have.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// When it was made.
    pub created_at: i64,
    /// The first second in which it signs.
    pub signs_from: i64,
    /// The first second in which it is no longer published, once that is known.
    pub published_until: Option<i64>,
}

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Published; its time to sign has not come.
    Next,
    /// It signs.
    Current,
    /// Another one signs; what it signed may be alive.
    Previous,
    /// Nothing that it signed passes any more.
    Withdrawn,
}

/// When a new key begins, and when the others end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// The first second in which the new key signs.
    pub signs_from: i64,
    /// The ends of the keys that get another one, by id.
    pub ends: Vec<(String, i64)>,
}

impl Algorithm {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The word (RFC 7518 §3.1, RFC 8037 §3.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == word)
    }
}

impl State {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Previous => "previous",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl KeyTimes {
    /// Whether the set has it.
    #[must_use]
    pub fn is_published(&self, now: i64) -> bool {
        self.published_until.is_none_or(|end| now < end)
    }
}

/// The key that signs (rule 2).
#[must_use]
pub fn current(keys: &[KeyTimes], now: i64) -> Option<&KeyTimes> {
    let may_sign = |key: &&KeyTimes| key.is_published(now) && key.signs_from <= now;
    keys.iter().filter(may_sign).max_by_key(|key| (key.signs_from, key.kid.as_str()))
}

/// Where a key is in its life (rule 1).
#[must_use]
pub fn state(key: &KeyTimes, keys: &[KeyTimes], now: i64) -> State {
    if !key.is_published(now) {
        State::Withdrawn
    } else if current(keys, now).is_some_and(|current| current.kid == key.kid) {
        State::Current
    } else if key.signs_from > now {
        State::Next
    } else {
        State::Previous
    }
}

/// Whether a key may be withdrawn before its time (rule 5).
#[must_use]
pub fn may_retire(key: &KeyTimes, keys: &[KeyTimes], now: i64) -> bool {
    state(key, keys, now) == State::Previous
}

/// Plans a rotation. The first key of all signs at once.
#[must_use]
pub fn rotate(keys: &[KeyTimes], now: i64, at_once: bool) -> Rotation {
    let published = keys.iter().filter(|key| key.is_published(now));
    if at_once {
        let ends = published.map(|key| (key.kid.clone(), now)).collect();
        return Rotation { signs_from: now, ends };
    }
    if current(keys, now).is_none() {
        return Rotation { signs_from: now, ends: Vec::new() };
    }
    let signs_from = now + LEAD;
    let end = signs_from + MAX_ACCESS_SECONDS + REST;
    let ends =
        published.filter(|key| key.published_until.is_none()).map(|key| (key.kid.clone(), end)).collect();
    Rotation { signs_from, ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    /// The keys after a rotation.
    fn rotated(mut keys: Vec<KeyTimes>, kid: &str, now: i64, at_once: bool) -> Vec<KeyTimes> {
        let rotation = rotate(&keys, now, at_once);
        for (kid, end) in rotation.ends {
            keys.iter_mut().filter(|key| key.kid == kid).for_each(|key| key.published_until = Some(end));
        }
        let (kid, algorithm) = (kid.into(), Algorithm::Es256);
        let signs_from = rotation.signs_from;
        keys.push(KeyTimes { kid, algorithm, created_at: now, signs_from, published_until: None });
        keys
    }

    fn states(keys: &[KeyTimes], now: i64) -> Vec<&'static str> {
        keys.iter().map(|key| state(key, keys, now).as_str()).collect()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_until_nothing_that_it_signed_is_alive() {
        let keys = rotated(Vec::new(), "a", NOW, false);
        assert_eq!(states(&keys, NOW), ["current"]);
        let keys = rotated(keys, "b", NOW + 10, false);
        for (after, expected) in [
            (10, ["current", "next"]),
            (10 + LEAD - 1, ["current", "next"]),
            (10 + LEAD, ["previous", "current"]),
            (10 + LEAD + MAX_ACCESS_SECONDS + REST - 1, ["previous", "current"]),
            (10 + LEAD + MAX_ACCESS_SECONDS + REST, ["withdrawn", "current"]),
        ] {
            assert_eq!(states(&keys, NOW + after), expected, "{after} s later");
        }
    }

    #[test]
    fn only_a_key_that_no_longer_signs_is_retired() {
        let keys = rotated(rotated(Vec::new(), "a", NOW, false), "b", NOW + 10, false);
        let may = |now| keys.iter().map(|key| may_retire(key, &keys, now)).collect::<Vec<_>>();
        assert_eq!(may(NOW + 10), [false, false]);
        assert_eq!(may(NOW + 10 + LEAD), [true, false]);
        assert_eq!(may(NOW + 10 + LEAD + MAX_ACCESS_SECONDS + REST), [false, false]);
    }

    #[test]
    fn a_second_rotation_takes_over_from_one_that_is_on_its_way() {
        let keys = rotated(rotated(Vec::new(), "a", NOW, false), "b", NOW + 10, false);
        let keys = rotated(keys, "c", NOW + 20, false);
        assert_eq!(states(&keys, NOW + 20), ["current", "next", "next"]);
        assert_eq!(states(&keys, NOW + 10 + LEAD), ["previous", "current", "next"]);
        assert_eq!(states(&keys, NOW + 20 + LEAD), ["previous", "previous", "current"]);
    }

    #[test]
    fn at_once_means_that_the_others_are_withdrawn_at_once() {
        let keys = rotated(rotated(Vec::new(), "a", NOW, false), "b", NOW + 10, false);
        let keys = rotated(keys, "c", NOW + 20, true);
        assert_eq!(states(&keys, NOW + 20), ["withdrawn", "withdrawn", "current"]);
    }
}
