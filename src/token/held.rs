//! An issuer's keys in shared data, once for the whole process: the holder of the set's lease
//! writes them, and every VM sees each change with its next token.
//!
//! There are three values: the [`Head`], which is read for every token; the keys, which a VM reads
//! when the head says that they changed; and the time when a token with an unknown `kid` last asked
//! for the set to be fetched.
//!
//! Times are milliseconds of the monotonic clock, which all VMs of a process share.

use std::rc::Rc;

use super::keys::KeySet;
use crate::bytes::Reader;
use crate::config::oauth::Jwks;
use crate::table::store::{Address, Condition, Fault, Namespace, Slot, Store};

/// The version of these forms. A value of another version is as none.
const VERSION: u8 = 1;
/// How often tokens with an unknown `kid` may have the set fetched.
pub const ASK_EVERY: u64 = 5_000;

/// What is known of a set as a whole.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Head {
    /// Counts the changes of the keys. 0: there has never been a good answer.
    pub version: u64,
    /// When the call was made that last had a good answer.
    pub fresh_at: u64,
    /// When the call was made that was last answered, well or not.
    pub answered: u64,
    /// The lease under which this was written.
    pub fence: u32,
}

/// A VM's view of a set.
#[derive(Debug)]
pub struct View {
    namespace: Namespace,
    head: Option<Head>,
    version: u64,
    keys: Rc<KeySet>,
}

/// Whether a set can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It can.
    Usable,
    /// There has never been one; the first may be on its way.
    Awaited,
    /// There was one, and it is too old.
    TooOld,
}

/// What becomes of asking for a set to be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refetch {
    /// It is going to be; the call is not made before this time.
    At(u64),
    /// It was, and brought nothing, less than [`ASK_EVERY`] ago.
    NotNow,
}

/// Where a set's values lie. Whatever has the same address is the same set.
#[must_use]
pub fn namespace(jwks: &Jwks) -> Namespace {
    // No gateway's token has a zero byte.
    Namespace::of(&jwks.cluster, &jwks.host, &format!("\0jwks{}", jwks.path))
}

fn head_address(namespace: Namespace) -> Address {
    namespace.slot(Slot::KeySetHead)
}

fn keys_address(namespace: Namespace) -> Address {
    namespace.slot(Slot::KeySet)
}

fn request_address(namespace: Namespace) -> Address {
    namespace.slot(Slot::KeySetRequest)
}

// === impl Head ===

impl Head {
    pub(super) fn load<S: Store>(
        store: &S,
        namespace: Namespace,
    ) -> Result<(Option<Self>, Condition), Fault> {
        let found = store.get(&head_address(namespace))?;
        let condition = Condition::still(found.as_ref().map(|(_, cas)| *cas));
        Ok((found.and_then(|(value, _)| Self::read(&value)), condition))
    }

    pub(super) fn save<S: Store>(
        &self,
        store: &S,
        namespace: Namespace,
        condition: Condition,
    ) -> Result<(), Fault> {
        store.set(&head_address(namespace), &self.write(), condition)
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.version, self.fresh_at, self.answered] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.fence.to_le_bytes());
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let [version, fresh_at, answered] = [reader.u64()?, reader.u64()?, reader.u64()?];
        Some(Self { version, fresh_at, answered, fence: reader.u32()? })
    }
}

/// The keys that lie in shared data, and their version.
pub(super) fn load_keys<S: Store>(
    store: &S,
    namespace: Namespace,
) -> Result<(Option<(u64, KeySet)>, Condition), Fault> {
    let found = store.get(&keys_address(namespace))?;
    let condition = Condition::still(found.as_ref().map(|(_, cas)| *cas));
    let read = |value: Vec<u8>| {
        let mut reader = Reader::new(&value);
        if reader.u8()? != VERSION {
            return None;
        }
        Some((reader.u64()?, KeySet::read(reader.rest())?))
    };
    Ok((found.and_then(|(value, _)| read(value)), condition))
}

pub(super) fn save_keys<S: Store>(
    store: &S,
    namespace: Namespace,
    version: u64,
    keys: &KeySet,
    condition: Condition,
) -> Result<(), Fault> {
    let mut value = vec![VERSION];
    value.extend(version.to_le_bytes());
    keys.write(&mut value);
    store.set(&keys_address(namespace), &value, condition)
}

/// When somebody last asked for the set to be fetched.
pub(super) fn asked_at<S: Store>(store: &S, namespace: Namespace) -> Result<(Option<u64>, Condition), Fault> {
    let found = store.get(&request_address(namespace))?;
    let condition = Condition::still(found.as_ref().map(|(_, cas)| *cas));
    Ok((found.and_then(|(value, _)| Reader::new(&value).u64()), condition))
}

/// Empties what lies in this namespace, if it is a set's.
///
/// # Errors
/// Those of the store.
pub fn clear<S: Store>(store: &S, namespace: Namespace) -> Result<(), Fault> {
    for address in [head_address(namespace), keys_address(namespace), request_address(namespace)] {
        if store.get(&address)?.is_some_and(|(value, _)| !value.is_empty()) {
            store.set(&address, &[], Condition::Always)?;
        }
    }
    Ok(())
}

// === impl View ===

impl View {
    /// A view that has not looked yet.
    #[must_use]
    pub fn new(namespace: Namespace) -> Self {
        Self { namespace, head: None, version: 0, keys: Rc::default() }
    }

    /// Looks at the head and, if it says that there are other keys, at those.
    ///
    /// # Errors
    /// Those of the store; the view stays as it was.
    pub fn refresh<S: Store>(&mut self, store: &S) -> Result<(), Fault> {
        let head = Head::load(store, self.namespace)?.0.filter(|head| head.version > 0);
        let Some(found) = head else {
            (self.head, self.version, self.keys) = (None, 0, Rc::default());
            return Ok(());
        };
        if found.version != self.version {
            let (version, keys) = load_keys(store, self.namespace)?.0.ok_or(Fault::Corrupt)?;
            // Keys are written before the head: they may be newer, and are in force then.
            (self.version, self.keys) = (version, Rc::new(keys));
        }
        self.head = head;
        Ok(())
    }

    /// Whether the set can be used at `now`.
    #[must_use]
    pub fn state(&self, max_staleness_seconds: u32, now: u64) -> State {
        match self.head {
            None => State::Awaited,
            Some(head) if now.saturating_sub(head.fresh_at) < 1_000 * u64::from(max_staleness_seconds) => {
                State::Usable
            }
            Some(_) => State::TooOld,
        }
    }

    /// The keys as of the last look.
    #[must_use]
    pub const fn keys(&self) -> &Rc<KeySet> {
        &self.keys
    }

    /// Counts the changes of the keys.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Asks for the set to be fetched, because it lacks the `kid` of a token. `now` is read afresh:
    /// a call that was made before is no answer.
    ///
    /// # Errors
    /// Those of the store.
    pub fn ask<S: Store>(&self, store: &S, now: u64) -> Result<Refetch, Fault> {
        let answered = self.head.map_or(0, |head| head.answered);
        let (asked, condition) = asked_at(store, self.namespace)?;
        match asked.filter(|asked| *asked <= now && now < asked + ASK_EVERY) {
            Some(asked) if answered < asked => return Ok(Refetch::At(asked)),
            Some(_) => return Ok(Refetch::NotNow),
            None => {}
        }
        match store.set(&request_address(self.namespace), &now.to_le_bytes(), condition) {
            Ok(()) => Ok(Refetch::At(now)),
            // Another VM was quicker: its question is ours.
            Err(Fault::Lost) => Ok(Refetch::At(asked_at(store, self.namespace)?.0.unwrap_or(now))),
            Err(fault) => Err(fault),
        }
    }

    /// Whether a call that was made at this time or later has been answered.
    #[must_use]
    pub fn is_answered(&self, asked: u64) -> bool {
        self.head.is_some_and(|head| head.answered >= asked)
    }
}
