//! Judges a token except for revocation, environment and permission: rules 1 to 4 of this module,
//! with the current key sets and the memory of what was verified before.
//!
//! 1. That a token was verified before never shows: its times are judged each time, and so is
//!    whether its key is still in the set.
//! 2. A token whose set has never been there waits for it. One with an unknown `kid` has the set
//!    fetched, and waits for that, if that is allowed now.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::claims::Claims;
use super::held::{self, Refetch, State, View};
use super::keys::{Key, KeySet};
use super::memory::{self, Memory};
use super::{Fault, MAX_TOKEN, Unverified};
use crate::config::Oauth;
use crate::config::oauth::KeySource;
use crate::table::store::Store;

/// A token that is good, as of its verification.
#[derive(Debug)]
pub struct Verified {
    /// The place of its issuer in the configuration.
    pub issuer: usize,
    /// What it says.
    pub claims: Claims,
    key: Arc<Key>,
    /// The version of the set in which the key was last seen.
    version: Cell<u64>,
}

/// What becomes of a token.
#[derive(Clone, Debug)]
pub enum Judged {
    /// It is good.
    Good(Rc<Verified>),
    /// It is not.
    Refused(Fault),
    /// There is no usable set, or shared data failed.
    Unavailable,
    /// It waits.
    Wait(Awaited),
}

/// What a token waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Awaited {
    issuer: usize,
    /// The first set of that issuer, or, if there is a time, the answer to a call that is made then
    /// or later.
    asked: Option<u64>,
}

/// The time, as far as tokens ask for it.
#[derive(Clone, Copy, Debug)]
pub struct Time<F> {
    /// Unix seconds.
    pub unix: i64,
    /// The monotonic clock of a moment ago, in milliseconds.
    pub ms: u64,
    /// Reads the monotonic clock.
    pub ms_now: F,
}

/// The verifier of one configuration in one VM.
#[derive(Debug)]
pub struct Verifier {
    sets: Box<[Set]>,
    memory: Memory,
}

#[derive(Debug)]
enum Set {
    Inline(Rc<KeySet>),
    Fetched { view: View, max_staleness_seconds: u32 },
}

// === impl Verifier ===

impl Verifier {
    /// The verifier of a configuration.
    #[must_use]
    pub fn new(oauth: &Oauth) -> Self {
        Self::with_memory(oauth, memory::GENERATION)
    }

    pub(super) fn with_memory(oauth: &Oauth, generation: usize) -> Self {
        let set = |source: &KeySource| match source {
            KeySource::Inline(keys) => Set::Inline(Rc::new(keys.clone())),
            KeySource::Fetched(jwks) => Set::Fetched {
                view: View::new(held::namespace(jwks)),
                max_staleness_seconds: jwks.max_staleness_seconds,
            },
        };
        Self { sets: oauth.keys.iter().map(set).collect(), memory: Memory::new(generation) }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.memory.len()
    }

    /// Judges a token, which has to be for `resource`, if there is one, as well as for its issuer's
    /// audience.
    pub fn judge<S: Store, F: FnOnce() -> u64>(
        &mut self,
        oauth: &Oauth,
        store: &S,
        token: &[u8],
        resource: Option<&str>,
        time: Time<F>,
    ) -> Judged {
        if token.len() > MAX_TOKEN {
            return Judged::Refused(Fault::Invalid);
        }
        let digest = Sha256::digest(token).into();
        if let Some(verified) = self.memory.find(&digest) {
            if resource.is_some_and(|resource| !verified.claims.is_for(resource)) {
                return Judged::Refused(Fault::Invalid);
            }
            match self.judge_again(oauth, store, &verified, &time) {
                Some(judged) => return judged,
                None => self.memory.forget(&digest),
            }
        }
        let unverified = match Unverified::read(token, &oauth.issuers, time.unix) {
            Ok(unverified) if resource.is_none_or(|resource| unverified.is_for(resource)) => unverified,
            Ok(_) => return Judged::Refused(Fault::Invalid),
            Err(fault) => return Judged::Refused(fault),
        };
        let issuer = unverified.issuer;
        let Some(set) = self.sets.get_mut(issuer) else { return Judged::Unavailable };
        let (keys, version) = match set.keys(issuer, store, time.ms) {
            Ok(found) => found,
            Err(judged) => return judged,
        };
        if !unverified.kid_is_known(&keys) {
            return set.ask(issuer, store, (time.ms_now)());
        }
        match unverified.verify(&keys) {
            Some((claims, key)) => {
                let verified = Rc::new(Verified { issuer, claims, key, version: Cell::new(version) });
                self.memory.put(digest, Rc::clone(&verified));
                Judged::Good(verified)
            }
            None => Judged::Refused(Fault::Invalid),
        }
    }

    /// Judges a token that was good once; `None` if its key has left the set.
    fn judge_again<S: Store, F>(
        &mut self,
        oauth: &Oauth,
        store: &S,
        verified: &Rc<Verified>,
        time: &Time<F>,
    ) -> Option<Judged> {
        let skew = oauth.issuers.get(verified.issuer)?.clock_skew_seconds;
        if let Err(fault) = verified.claims.times.judge(time.unix, skew) {
            return Some(Judged::Refused(fault));
        }
        let (keys, version) = match self.sets.get_mut(verified.issuer)?.keys(verified.issuer, store, time.ms)
        {
            Ok(found) => found,
            Err(judged) => return Some(judged),
        };
        if verified.version.get() != version {
            if !keys.has(&verified.key) {
                return None;
            }
            verified.version.set(version);
        }
        Some(Judged::Good(Rc::clone(verified)))
    }

    /// Whether what a token waits for is there.
    pub fn has_come<S: Store>(&mut self, store: &S, awaited: Awaited) -> bool {
        let Some(Set::Fetched { view, max_staleness_seconds }) = self.sets.get_mut(awaited.issuer) else {
            return true;
        };
        // If shared data fails the token is judged, and refused for that.
        let failed = view.refresh(store).is_err();
        failed
            || match awaited.asked {
                None => view.state(*max_staleness_seconds, 0) != State::Awaited,
                Some(asked) => view.is_answered(asked),
            }
    }
}

impl Set {
    /// The keys as they are now and their version; or what becomes of a token without them.
    fn keys<S: Store>(&mut self, issuer: usize, store: &S, ms: u64) -> Result<(Rc<KeySet>, u64), Judged> {
        match self {
            Self::Inline(keys) => Ok((Rc::clone(keys), 0)),
            Self::Fetched { view, max_staleness_seconds } => {
                view.refresh(store).map_err(|_| Judged::Unavailable)?;
                match view.state(*max_staleness_seconds, ms) {
                    State::Usable => Ok((Rc::clone(view.keys()), view.version())),
                    State::Awaited => Err(Judged::Wait(Awaited { issuer, asked: None })),
                    State::TooOld => Err(Judged::Unavailable),
                }
            }
        }
    }

    /// What becomes of a token whose `kid` is not in the set.
    fn ask<S: Store>(&self, issuer: usize, store: &S, ms: u64) -> Judged {
        let Self::Fetched { view, .. } = self else { return Judged::Refused(Fault::Invalid) };
        match view.ask(store, ms) {
            Ok(Refetch::At(asked)) => Judged::Wait(Awaited { issuer, asked: Some(asked) }),
            Ok(Refetch::NotNow) | Err(_) => Judged::Refused(Fault::Invalid),
        }
    }
}

// === impl Awaited ===

impl Awaited {
    /// Whether a token that waited in vain is refused; else nothing can be decided about it.
    #[must_use]
    pub const fn is_for_a_kid(self) -> bool {
        self.asked.is_some()
    }
}

// === impl Verified ===

impl Verified {
    /// What it grants.
    pub fn grants(&self) -> impl Iterator<Item = &str> + Clone {
        self.claims.grants.iter().map(|grant| &**grant)
    }

    /// How many bytes this takes up in memory, about.
    pub(super) fn size(&self) -> usize {
        // The digest and the map's own share.
        self.claims.size() + size_of::<Self>() + 96
    }
}
