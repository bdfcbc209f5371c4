//! The table as the one writer sees it: pages in, shards out.

use super::meta::{Extent, Meta};
use super::record;
use super::shard::{Draft, Shard, hash};
use super::store::{Fault, If, Key, Namespace, Slot, Store};
use crate::entry::Entry;
use crate::key::Digest;

/// How many keys a shard has on average. More make a longer copy on each request. Fewer make more values, and Envoy
/// keeps all values in one hash map behind one lock: each time that grows, every worker that asks waits, for a tenth of
/// a millisecond per thousand values.
const KEYS_PER_SHARD: u64 = 24;

/// A change to one key: its new entry, or none.
pub type Change = (Digest, Option<Entry>);

/// Writes one run.
#[derive(Debug)]
pub struct Writer {
    namespace: Namespace,
    run: u64,
    slot: Slot,
    extent: Extent,
    keys: u64,
    fence: u32,
}

/// Empties the shards of a slot whose run has been replaced.
#[derive(Debug)]
pub struct Sweep {
    namespace: Namespace,
    slot: Slot,
    fence: u32,
    next: u32,
}

/// A change with its record written and its shard known.
struct Placed {
    shard: u32,
    digest: Digest,
    record: Option<std::ops::Range<usize>>,
}

/// A shard that is about to be written.
struct Claim {
    key: Key,
    value: Option<Vec<u8>>,
    cas: If,
}

// === impl Writer ===

impl Writer {
    /// Begins a whole new table in a slot that no reader looks into.
    ///
    /// # Errors
    /// Those of the store.
    pub fn begin<S: Store>(
        store: &S,
        namespace: Namespace,
        slot: Slot,
        run: u64,
        fence: u32,
    ) -> Result<Self, Fault> {
        let writer = Self { namespace, run, slot, extent: Extent::default(), keys: 0, fence };
        let claim = writer.claim(store, 0)?;
        store.set(&claim.key, &Draft::default().write(0, fence, run), claim.cas)?;
        Ok(writer)
    }

    /// Goes on with the table that serves, after another writer perhaps, who may have ended in the middle of a page.
    ///
    /// # Errors
    /// Those of the store.
    pub fn resume<S: Store>(store: &S, namespace: Namespace, meta: &Meta, fence: u32) -> Result<Self, Fault> {
        let Meta { run, slot, extent, keys, .. } = *meta;
        let mut writer = Self { namespace, run, slot, extent, keys, fence };
        if writer.find_extent(store)? || meta.writing {
            writer.count(store)?;
        }
        Ok(writer)
    }

    /// What to write into [`Meta`] for this run.
    pub fn describe(&self, meta: &mut Meta) {
        (meta.run, meta.slot, meta.extent) = (self.run, self.slot, self.extent);
        (meta.keys, meta.fence) = (self.keys, self.fence);
    }

    /// Where the run's shards are.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// Writes the changes of a page, each digest at most once.
    ///
    /// # Errors
    /// Those of the store, and [`Fault::Lost`] where a later writer has been here.
    pub fn apply<S: Store>(&mut self, store: &S, changes: &[Change]) -> Result<(), Fault> {
        let mut records = Vec::new();
        let mut placed: Vec<Placed> = changes.iter().map(|change| self.place(change, &mut records)).collect();
        placed.sort_unstable_by_key(|change| change.shard);
        for group in placed.chunk_by(|a, b| a.shard == b.shard) {
            let difference = self.edit(store, group, &records)?;
            self.keys = self.keys.saturating_add_signed(difference);
        }
        while self.keys > u64::from(self.extent.shards()) * KEYS_PER_SHARD {
            self.split(store)?;
        }
        Ok(())
    }

    fn place(&self, (digest, entry): &Change, records: &mut Vec<u8>) -> Placed {
        let record = entry.as_ref().map(|entry| {
            let start = records.len();
            record::put(records, entry);
            start..records.len()
        });
        Placed { shard: self.extent.index(hash(digest)), digest: *digest, record }
    }

    /// How many bits the keys of a shard share.
    const fn depth_of(&self, index: u32) -> u8 {
        let full = 1_u32 << self.extent.depth;
        let was_split = index < self.extent.split || index >= full;
        if was_split { self.extent.depth + 1 } else { self.extent.depth }
    }

    /// Reads a shard in order to write it. What another run left there is no value.
    fn claim<S: Store>(&self, store: &S, index: u32) -> Result<Claim, Fault> {
        let key = self.namespace.shard(self.slot, index);
        let Some((value, cas)) = store.get(&key)? else {
            return Ok(Claim { key, value: None, cas: If::Absent });
        };
        let (fence, run) = Shard::read(&value).map_or((0, 0), |shard| (shard.fence, shard.run));
        if fence > self.fence {
            return Err(Fault::Lost);
        }
        Ok(Claim { key, value: (run == self.run).then_some(value), cas: If::Is(cas) })
    }

    /// Changes one shard. Answers by how much the number of keys has changed.
    fn edit<S: Store>(&self, store: &S, group: &[Placed], records: &[u8]) -> Result<i64, Fault> {
        let Some(index) = group.first().map(|change| change.shard) else { return Ok(0) };
        let claim = self.claim(store, index)?;
        let mut draft = claim.shard().as_ref().map(Draft::of).unwrap_or_default();
        let mut difference = 0;
        for change in group {
            let record = change.record.clone().and_then(|range| records.get(range));
            difference += draft.set(change.digest, record);
        }
        let value = draft.write(self.depth_of(index), self.fence, self.run);
        store.set(&claim.key, &value, claim.cas)?;
        Ok(difference)
    }

    /// Splits the next shard: first the new half is written, then the old one loses it, so that no reader ever
    /// misses a key.
    fn split<S: Store>(&mut self, store: &S) -> Result<(), Fault> {
        let (from, to, grown) = self.extent.grown();
        let depth = self.extent.depth + 1;
        let (from, to) = (self.claim(store, from)?, self.claim(store, to)?);
        let mut kept = Draft::of(&from.shard().ok_or(Fault::Corrupt)?);
        let moved = kept.split(self.extent.depth);
        store.set(&to.key, &moved.write(depth, self.fence, self.run), to.cas)?;
        store.set(&from.key, &kept.write(depth, self.fence, self.run), from.cas)?;
        self.extent = grown;
        Ok(())
    }

    /// Catches up with splits that [`Meta`] does not know of. Answers whether there were any.
    fn find_extent<S: Store>(&mut self, store: &S) -> Result<bool, Fault> {
        let before = self.extent;
        loop {
            let (from, _, grown) = self.extent.grown();
            let held = store.get(&self.namespace.shard(self.slot, from))?;
            let shard = held.as_ref().and_then(|(value, _)| Shard::read(value)).ok_or(Fault::Corrupt)?;
            if shard.run != self.run || shard.depth <= self.extent.depth {
                return Ok(self.extent != before);
            }
            self.extent = grown;
        }
    }

    /// Counts the keys anew.
    fn count<S: Store>(&mut self, store: &S) -> Result<(), Fault> {
        self.keys = 0;
        for index in 0..self.extent.shards() {
            let held = store.get(&self.namespace.shard(self.slot, index))?;
            let shard = held.as_ref().and_then(|(value, _)| Shard::read(value)).ok_or(Fault::Corrupt)?;
            self.keys += shard.keys() as u64;
        }
        Ok(())
    }
}

// === impl Claim ===

impl Claim {
    fn shard(&self) -> Option<Shard<'_>> {
        self.value.as_deref().and_then(Shard::read)
    }
}

// === impl Sweep ===

impl Sweep {
    /// Begins with the slot's first shard.
    #[must_use]
    pub const fn new(namespace: Namespace, slot: Slot, fence: u32) -> Self {
        Self { namespace, slot, fence, next: 0 }
    }

    /// Empties up to `count` shards. Answers whether there are none left.
    ///
    /// # Errors
    /// Those of the store, and [`Fault::Lost`] where a later writer has been here.
    pub fn step<S: Store>(&mut self, store: &S, count: u32) -> Result<bool, Fault> {
        for _ in 0..count {
            let key = self.namespace.shard(self.slot, self.next);
            let Some((value, cas)) = store.get(&key)? else { return Ok(true) };
            let shard = Shard::read(&value);
            if shard.is_some_and(|shard| shard.fence > self.fence) {
                return Err(Fault::Lost);
            }
            if shard.is_none_or(|shard| shard.run != 0) {
                store.set(&key, &Draft::default().write(0, self.fence, 0), If::Is(cas))?;
            }
            self.next += 1;
        }
        Ok(false)
    }
}
