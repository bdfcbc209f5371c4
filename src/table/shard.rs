//! A shard: the records of the keys that are placed together, of one run or of two.
//!
//! Layout: fence (4 bytes), then a *part* for each run: its length from here (4), run (8), depth
//! (1), number of keys (4), their digests (32 each), the ends of their records (4 each, counted
//! from the first record), the records. Digests are next to each other, so that searching for one
//! touches few cache lines.

use std::ops::Range;

use flint_contract::key::Digest;

use super::meta::low_bits;
use super::place::Seed;
use super::record;
use crate::bytes::Reader;

/// A shard as it lies in shared data.
#[derive(Clone, Copy, Debug)]
pub struct Shard<'a> {
    /// The lease under which it was written.
    pub fence: u32,
    value: &'a [u8],
}

/// What a shard has of one run.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// The run.
    pub run: u64,
    /// How many bits its keys share.
    pub depth: u8,
    bytes: &'a [u8],
    digests: &'a [[u8; 32]],
    ends: &'a [[u8; 4]],
    records: &'a [u8],
    /// Where the records begin in the value.
    start: usize,
}

/// A part in the making: keys and their records.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    keys: Vec<(Digest, &'a [u8])>,
}

/// Where the first part begins.
const PARTS: usize = 4;
/// Where in a part its digests begin.
const HEADER: usize = LENGTH + 8 + 1 + 4;
const LENGTH: usize = 4;

// === impl Shard ===

impl<'a> Shard<'a> {
    /// Reads a shard; `None` for what is no shard.
    #[must_use]
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let mut parts = Reader::new(value);
        let fence = parts.u32()?;
        while !parts.rest().is_empty() {
            let length = parts.u32()? as usize;
            parts.bytes(length.checked_sub(LENGTH)?)?;
        }
        Some(Self { fence, value })
    }

    /// What it has of a run; a run is in it once at most.
    #[must_use]
    pub fn part(&self, run: u64) -> Option<Part<'a>> {
        self.parts().find(|part| part.run == run)
    }

    /// All that it has, up to what makes no sense.
    pub fn parts(&self) -> impl Iterator<Item = Part<'a>> {
        let mut at = PARTS;
        std::iter::from_fn(move || {
            let part = Part::read(self.value, at)?;
            at += part.bytes.len();
            Some(part)
        })
    }

    /// Whether there is more in it than this run.
    #[must_use]
    pub fn holds_more_than(&self, run: u64) -> bool {
        let part = self.part(run).map_or(0, |part| part.bytes.len());
        self.value.len() > PARTS + part
    }
}

/// The value of a shard that holds what is kept of another value, if anything; more parts may be
/// added to it.
#[must_use]
pub fn begin(fence: u32, kept: Option<Part<'_>>) -> Vec<u8> {
    let mut value = fence.to_le_bytes().to_vec();
    value.extend(kept.map(|part| part.bytes).unwrap_or_default());
    value
}

// === impl Part ===

impl<'a> Part<'a> {
    fn read(value: &'a [u8], at: usize) -> Option<Self> {
        let bytes = value.get(at..)?;
        let length = Reader::new(bytes).u32()? as usize;
        let bytes = bytes.get(..length)?;
        let mut reader = Reader::new(bytes.get(LENGTH..)?);
        let (run, depth) = (reader.u64()?, reader.u8()?);
        let count = reader.u32()? as usize;
        let digests = reader.bytes(count.checked_mul(32)?)?.as_chunks().0;
        let ends = reader.bytes(count.checked_mul(4)?)?.as_chunks().0;
        let start = at + HEADER + count * 36;
        Some(Self { run, depth, bytes, digests, ends, records: reader.rest(), start })
    }

    /// Where in the value the record of a key is.
    #[must_use]
    pub fn find(&self, digest: &Digest) -> Option<Range<usize>> {
        let place = self.digests.iter().position(|held| held == digest.as_bytes())?;
        let Range { start, end } = self.range(place)?;
        Some(self.start + start..self.start + end)
    }

    /// All keys with their records.
    pub fn iter(&self) -> impl Iterator<Item = (Digest, &'a [u8])> {
        self.digests.iter().enumerate().filter_map(|(place, digest)| {
            Some((Digest::from_bytes(*digest), self.records.get(self.range(place)?)?))
        })
    }

    /// How many keys it has.
    #[must_use]
    pub const fn keys(&self) -> usize {
        self.digests.len()
    }

    fn range(&self, place: usize) -> Option<Range<usize>> {
        let end = |place: usize| self.ends.get(place).map(|end| u32::from_le_bytes(*end) as usize);
        let start = if place == 0 { 0 } else { end(place - 1)? };
        let end = end(place)?;
        (start <= end && end <= self.records.len()).then_some(start..end)
    }
}

// === impl Draft ===

impl<'a> Draft<'a> {
    /// The keys of a part.
    #[must_use]
    pub fn of(part: &Part<'a>) -> Self {
        Self { keys: part.iter().collect() }
    }

    /// The keys of a part but for those of which this is true.
    #[must_use]
    pub fn without(part: &Part<'a>, goes: impl Fn(&Digest) -> bool) -> Self {
        Self { keys: part.iter().filter(|(digest, _)| !goes(digest)).collect() }
    }

    /// Adds a key that it does not have.
    pub fn add(&mut self, digest: Digest, record: &'a [u8]) {
        self.keys.push((digest, record));
    }

    /// How many keys it has.
    #[must_use]
    pub const fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many of them are revoked tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.keys.iter().filter(|(_, record)| record::is_token(record)).count()
    }

    /// Takes out the keys whose bit number `depth` is set: the other half of a split.
    #[must_use]
    pub fn split(&mut self, depth: u8, seed: Seed) -> Self {
        let other = |digest: &Digest| {
            let place = seed.place(digest);
            low_bits(place, depth + 1) != low_bits(place, depth)
        };
        let (moved, kept) = self.keys.iter().copied().partition(|(digest, _)| other(digest));
        self.keys = kept;
        Self { keys: moved }
    }

    /// Adds the part to a value.
    pub fn write(&self, depth: u8, run: u64, out: &mut Vec<u8>) {
        let records: usize = self.keys.iter().map(|(_, record)| record.len()).sum();
        let length = HEADER + self.keys.len() * 36 + records;
        out.reserve_exact(length);
        out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(run.to_le_bytes());
        out.push(depth);
        out.extend(u32::try_from(self.keys.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (digest, _) in &self.keys {
            out.extend(digest.as_bytes());
        }
        let mut end = 0_u32;
        for (_, record) in &self.keys {
            end = end.saturating_add(u32::try_from(record.len()).unwrap_or(u32::MAX));
            out.extend(end.to_le_bytes());
        }
        for (_, record) in &self.keys {
            out.extend(*record);
        }
    }
}
