//! The table as the one writer sees it: pages in, shards out.

use std::cmp::Ordering;

use flint_contract::entry::Entry;
use flint_contract::key::Digest;

use super::meta::{Extent, Meta};
use super::place::Seed;
use super::record;
use super::shard::{self, Draft, Part, Shard};
use super::store::{Address, Condition, Fault, Namespace, Store};
use crate::token::revoked::HELD_AFTER;

/// How many keys a shard has on average. More make a longer copy on each request. Fewer make more
/// values, and Envoy keeps all values in one hash map behind one lock: each time that grows, every
/// worker that asks waits, for a tenth of a millisecond per thousand values.
const KEYS_PER_SHARD: u64 = 24;
/// How many keys a shard may have before a page. By chance a shard of a big table has a hundred;
/// more than this means that somebody knows the seed, and a table with another one is due.
pub(super) const MOST_KEYS: usize = 512;

/// A change to one key: its new entry, or none.
pub type Change = (Digest, Option<Entry>);

/// Writes one run.
#[derive(Debug)]
pub struct Writer {
    namespace: Namespace,
    run: u64,
    seed: Seed,
    /// The run that serves meanwhile, if it is another one: its parts stay. 0: there is none.
    beside: u64,
    extent: Extent,
    keys: u64,
    tokens: u64,
    fence: u32,
}

/// Takes out of all shards what is not of one run.
#[derive(Debug)]
pub struct Sweep {
    namespace: Namespace,
    keep: u64,
    fence: u32,
    next: u32,
}

/// A change with its record written and its shard's number known.
struct Placed {
    index: u32,
    digest: Digest,
    record: Option<std::ops::Range<usize>>,
}

/// A shard that is about to be written.
struct Claim {
    address: Address,
    /// What it holds; nothing if there is none yet.
    value: Vec<u8>,
    cas: Condition,
}

// === impl Writer ===

impl Writer {
    /// Begins a whole new table `beside` the one that serves.
    ///
    /// # Errors
    /// Those of the store.
    pub fn begin<S: Store>(
        store: &S,
        namespace: Namespace,
        run: u64,
        seed: Seed,
        beside: u64,
        fence: u32,
    ) -> Result<Self, Fault> {
        let writer =
            Self { namespace, run, seed, beside, extent: Extent::default(), keys: 0, tokens: 0, fence };
        writer.put(store, &writer.claim(store, 0)?, &Draft::default(), 0)?;
        Ok(writer)
    }

    /// Goes on with the table that serves or, `beside` that one, with one in the making, after
    /// another writer perhaps, who may have ended in the middle of a page.
    ///
    /// # Errors
    /// Those of the store, and [`Fault::Corrupt`] where what is there makes no sense.
    pub fn resume<S: Store>(
        store: &S,
        namespace: Namespace,
        meta: &Meta,
        beside: u64,
        fence: u32,
    ) -> Result<Self, Fault> {
        let Meta { run, seed, extent, keys, tokens, .. } = *meta;
        let mut writer = Self { namespace, run, seed, beside, extent, keys, tokens, fence };
        if writer.find_extent(store)? || meta.writing {
            writer.count(store)?;
        }
        Ok(writer)
    }

    /// What to write into [`Meta`] for this run.
    pub fn describe(&self, meta: &mut Meta) {
        (meta.run, meta.seed, meta.extent) = (self.run, self.seed, self.extent);
        (meta.keys, meta.tokens, meta.fence) = (self.keys, self.tokens, self.fence);
    }

    /// How many of the entries are revoked tokens.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The run that it writes.
    #[must_use]
    pub const fn run(&self) -> u64 {
        self.run
    }

    /// Writes the changes of a page, each digest at most once.
    ///
    /// # Errors
    /// Those of the store, [`Fault::Lost`] if another writer has been here, [`Fault::Corrupt`] if
    /// what is there makes no sense, and [`Fault::Skewed`].
    pub fn apply<S: Store>(&mut self, store: &S, changes: &[Change]) -> Result<(), Fault> {
        let mut records = Vec::new();
        let mut placed: Vec<Placed> = changes.iter().map(|change| self.place(change, &mut records)).collect();
        placed.sort_unstable_by_key(|change| change.index);
        for group in placed.chunk_by(|a, b| a.index == b.index) {
            let (keys, tokens) = self.edit(store, group, &records)?;
            self.keys = self.keys.saturating_add_signed(keys);
            self.tokens = self.tokens.saturating_add_signed(tokens);
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
        Placed { index: self.extent.index(self.seed.place(digest)), digest: *digest, record }
    }

    /// How many bits the keys of a shard share.
    const fn depth_of(&self, index: u32) -> u8 {
        let full = 1_u32 << self.extent.depth;
        let was_split = index < self.extent.split || index >= full;
        if was_split { self.extent.depth + 1 } else { self.extent.depth }
    }

    fn claim<S: Store>(&self, store: &S, index: u32) -> Result<Claim, Fault> {
        Claim::take(store, self.namespace.shard(index), self.fence)
    }

    /// Writes a shard: this run's part, and that of the run that serves next to it. What any other
    /// run has left there is gone with that.
    fn put<S: Store>(&self, store: &S, claim: &Claim, draft: &Draft<'_>, depth: u8) -> Result<(), Fault> {
        // First what requests ask for.
        let mut value = shard::begin(self.fence, claim.part(self.beside));
        draft.write(depth, self.run, &mut value);
        store.set(&claim.address, &value, claim.cas)
    }

    /// This run's part of a shard that this writer is about to change. If it was split further than
    /// this writer knows, another one, that was overtaken and did not notice, has been here since.
    fn part<'c>(&self, claim: &'c Claim, index: u32) -> Result<Part<'c>, Fault> {
        let part = claim.part(self.run).ok_or(Fault::Corrupt)?;
        match part.depth.cmp(&self.depth_of(index)) {
            Ordering::Equal => Ok(part),
            Ordering::Greater => Err(Fault::Lost),
            Ordering::Less => Err(Fault::Corrupt),
        }
    }

    /// The first shards, from one on, that have revoked tokens whose time was over at `unix`. Looks
    /// at up to `count`; returns the next one to look at, if there is one, too.
    ///
    /// # Errors
    /// Those of the store, and as [`Writer::apply`].
    pub fn find_expired<S: Store>(
        &self,
        store: &S,
        unix: i64,
        from: u32,
        count: u32,
    ) -> Result<(Vec<u32>, Option<u32>), Fault> {
        let shards = self.extent.shards();
        let end = from.saturating_add(count).min(shards);
        let mut found = Vec::new();
        for index in from..end {
            let claim = self.claim(store, index)?;
            if self.part(&claim, index)?.iter().any(|(_, record)| is_expired_token(record, unix)) {
                found.push(index);
            }
        }
        Ok((found, (end < shards).then_some(end)))
    }

    /// Takes the revoked tokens whose time was over at `unix` out of a shard.
    ///
    /// # Errors
    /// As [`Writer::apply`].
    pub fn take_expired<S: Store>(&mut self, store: &S, unix: i64, index: u32) -> Result<(), Fault> {
        let claim = self.claim(store, index)?;
        let part = self.part(&claim, index)?;
        let mut draft = Draft::default();
        for (digest, record) in part.iter().filter(|(_, record)| !is_expired_token(record, unix)) {
            draft.add(digest, record);
        }
        self.put(store, &claim, &draft, part.depth)?;
        let gone = (part.keys() - draft.keys()) as u64;
        (self.keys, self.tokens) = (self.keys.saturating_sub(gone), self.tokens.saturating_sub(gone));
        Ok(())
    }

    /// Changes one shard. Returns by how much the numbers of entries and of tokens among them have
    /// changed.
    fn edit<S: Store>(&self, store: &S, group: &[Placed], records: &[u8]) -> Result<(i64, i64), Fault> {
        let Some(index) = group.first().map(|change| change.index) else { return Ok((0, 0)) };
        let claim = self.claim(store, index)?;
        let part = self.part(&claim, index)?;
        if part.keys() > MOST_KEYS {
            return Err(Fault::Skewed);
        }
        let record = |change: &Placed| change.record.clone().and_then(|range| records.get(range));
        let held = |digest: &Digest| part.find(digest).and_then(|range| claim.value.get(range));
        // Anyone who imports keys may choose the digest that stands for a revoked token: that takes
        // nothing of it away.
        let is_forged = |change: &&Placed| {
            held(&change.digest).is_some_and(record::is_token)
                && !record(change).is_some_and(record::is_token)
        };
        let group: Vec<&Placed> = group.iter().filter(|change| !is_forged(change)).collect();
        // Each digest is in a page once, so what is added need only be looked for among what was
        // there.
        let mut draft = Draft::without(&part, |held| group.iter().any(|change| change.digest == *held));
        for change in group {
            if let Some(record) = record(change) {
                draft.add(change.digest, record);
            }
        }
        self.put(store, &claim, &draft, part.depth)?;
        let tokens = draft.tokens() as i64 - Draft::of(&part).tokens() as i64;
        Ok((draft.keys() as i64 - part.keys() as i64, tokens))
    }

    /// Splits the next shard: first the new half is written, then the old one loses it, so that no
    /// reader ever misses a key.
    fn split<S: Store>(&mut self, store: &S) -> Result<(), Fault> {
        let (index, to, grown) = self.extent.grown();
        let depth = self.extent.depth + 1;
        let (from, to) = (self.claim(store, index)?, self.claim(store, to)?);
        let mut kept = Draft::of(&self.part(&from, index)?);
        let moved = kept.split(self.extent.depth, self.seed);
        self.put(store, &to, &moved, depth)?;
        self.put(store, &from, &kept, depth)?;
        self.extent = grown;
        Ok(())
    }

    /// Catches up with splits that [`Meta`] does not know of. Returns whether there were any.
    fn find_extent<S: Store>(&mut self, store: &S) -> Result<bool, Fault> {
        let before = self.extent;
        loop {
            let (from, _, grown) = self.extent.grown();
            let claim = self.claim(store, from)?;
            if claim.part(self.run).ok_or(Fault::Corrupt)?.depth <= self.extent.depth {
                return Ok(self.extent != before);
            }
            self.extent = grown;
        }
    }

    /// Counts the keys again.
    fn count<S: Store>(&mut self, store: &S) -> Result<(), Fault> {
        (self.keys, self.tokens) = (0, 0);
        for index in 0..self.extent.shards() {
            let claim = self.claim(store, index)?;
            let part = claim.part(self.run).ok_or(Fault::Corrupt)?;
            self.keys += part.keys() as u64;
            self.tokens += Draft::of(&part).tokens() as u64;
        }
        Ok(())
    }
}

/// Whether a record is that of a revoked token that no gateway needs to know any longer.
fn is_expired_token(record: &[u8], unix: i64) -> bool {
    let over = |expires_at: i64| expires_at.saturating_add(HELD_AFTER) < unix;
    record::is_token(record)
        && record::Record::read(record).and_then(|record| record.expires_at).is_none_or(over)
}

// === impl Claim ===

impl Claim {
    /// Reads a shard in order to write it under this fence.
    fn take<S: Store>(store: &S, address: Address, fence: u32) -> Result<Self, Fault> {
        let Some((value, cas)) = store.get(&address)? else {
            return Ok(Self { address, value: Vec::new(), cas: Condition::Absent });
        };
        let claim = Self { address, value, cas: Condition::Is(cas) };
        if claim.shard().is_some_and(|shard| shard.fence > fence) { Err(Fault::Lost) } else { Ok(claim) }
    }

    fn shard(&self) -> Option<Shard<'_>> {
        Shard::read(&self.value)
    }

    fn part(&self, run: u64) -> Option<Part<'_>> {
        self.shard()?.part(run)
    }
}

// === impl Sweep ===

impl Sweep {
    /// Begins with the first shard. `keep` is the run that serves; 0: there is none.
    #[must_use]
    pub const fn new(namespace: Namespace, keep: u64, fence: u32) -> Self {
        Self { namespace, keep, fence, next: 0 }
    }

    /// Goes through up to `count` shards. Returns whether there are none left.
    ///
    /// # Errors
    /// Those of the store, and [`Fault::Lost`] where a later writer has been here.
    pub fn step<S: Store>(&mut self, store: &S, count: u32) -> Result<bool, Fault> {
        for _ in 0..count {
            let claim = Claim::take(store, self.namespace.shard(self.next), self.fence)?;
            if claim.cas == Condition::Absent {
                return Ok(true);
            }
            if claim.shard().is_none_or(|shard| shard.holds_more_than(self.keep)) {
                store.set(&claim.address, &shard::begin(self.fence, claim.part(self.keep)), claim.cas)?;
            }
            self.next += 1;
        }
        Ok(false)
    }
}
