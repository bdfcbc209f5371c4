//! The table as a reader sees it: finding a key usually takes one read of shared data.

use std::ops::Range;

use flint_contract::key::Digest;

use super::meta::{Meta, low_bits};
use super::record::Record;
use super::shard::Shard;
use super::store::{Fault, Namespace, Store};

/// How often a reader goes back to [`Meta`] before it gives up: a table is replaced once in a long
/// while.
const MOST_MOVES: usize = 4;

/// A reader with its copy of [`Meta`].
#[derive(Clone, Debug)]
pub struct View {
    namespace: Namespace,
    meta: Option<Meta>,
}

/// A key that was found: the shard's value, and where in it the record is.
#[derive(Clone, Debug)]
pub struct Found {
    value: Vec<u8>,
    record: Range<usize>,
}

enum Visit {
    Found(Found),
    Missing,
    /// There is another run by now.
    Moved,
}

// === impl View ===

impl View {
    /// A reader that has not looked yet.
    #[must_use]
    pub const fn new(namespace: Namespace) -> Self {
        Self { namespace, meta: None }
    }

    /// What was known of the table at the last look; `None` where there has never been one.
    #[must_use]
    pub const fn meta(&self) -> Option<&Meta> {
        self.meta.as_ref()
    }

    /// Looks at [`Meta`] again.
    ///
    /// # Errors
    /// Those of the store.
    #[cold]
    pub fn refresh<S: Store>(&mut self, store: &S) -> Result<(), Fault> {
        self.meta = Meta::load(store, self.namespace)?.0.filter(Meta::serves);
        Ok(())
    }

    /// Finds a key.
    ///
    /// # Errors
    /// Those of the store, and [`Fault::Corrupt`] where there is no table or what is there makes no
    /// sense.
    pub fn lookup<S: Store>(&mut self, store: &S, digest: &Digest) -> Result<Option<Found>, Fault> {
        for _ in 0..MOST_MOVES {
            let meta = self.meta.as_ref().ok_or(Fault::Corrupt)?;
            match walk(store, self.namespace, meta, digest)? {
                Visit::Found(found) => return Ok(Some(found)),
                Visit::Missing => return Ok(None),
                Visit::Moved => self.refresh(store)?,
            }
        }
        Err(Fault::Corrupt)
    }
}

/// Goes from the shard that [`Meta`] knows to the one that has the key: they differ if it was split
/// since.
fn walk<S: Store>(store: &S, namespace: Namespace, meta: &Meta, digest: &Digest) -> Result<Visit, Fault> {
    let place = meta.seed.place(digest);
    let mut index = meta.extent.index(place);
    loop {
        let Some((value, _)) = store.get(&namespace.shard(index))? else { return Ok(Visit::Moved) };
        let Some(part) = Shard::read(&value).and_then(|shard| shard.part(meta.run)) else {
            return Ok(Visit::Moved);
        };
        let next = (0..=part.depth).map(|depth| low_bits(place, depth)).find(|&other| other > index);
        match next {
            // Indices only grow on the way, so this ends.
            Some(other) => index = other,
            None => {
                return Ok(match part.find(digest) {
                    Some(record) => Visit::Found(Found { record, value }),
                    None => Visit::Missing,
                });
            }
        }
    }
}

// === impl Found ===

impl Found {
    /// A record that is not from the table, in the same clothes.
    #[must_use]
    pub const fn from_bytes(value: Vec<u8>) -> Self {
        let record = 0..value.len();
        Self { value, record }
    }

    /// The record; `None` where it makes no sense.
    #[must_use]
    pub fn record(&self) -> Option<Record<'_>> {
        Record::read(self.value.get(self.record.clone())?)
    }
}
