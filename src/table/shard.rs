//! A shard: the records of the keys whose digests share their low bits.
//!
//! Form: depth (1 byte), fence (4), run (8), number of keys (4), their digests (32 each), the ends of their records
//! (4 each, counted from the first record), the records. Digests stand together so that the search for one runs
//! over few cache lines.

use std::ops::Range;

use super::meta::low_bits;
use crate::bytes::Reader;
use crate::key::Digest;

/// A shard as it lies in shared data.
#[derive(Clone, Copy, Debug)]
pub struct Shard<'a> {
    /// How many bits its keys share.
    pub depth: u8,
    /// The lease under which it was written.
    pub fence: u32,
    /// The run that it is of.
    pub run: u64,
    digests: &'a [[u8; 32]],
    ends: &'a [[u8; 4]],
    records: &'a [u8],
    /// Where the records begin in the value.
    start: usize,
}

/// A shard in the making: keys and their records.
#[derive(Clone, Debug, Default)]
pub struct Draft<'a> {
    keys: Vec<(Digest, &'a [u8])>,
}

const HEADER: usize = 1 + 4 + 8 + 4;

/// Which bits of a digest place it: the last four bytes, so that the shard number tells nothing of the first.
#[must_use]
pub fn hash(digest: &Digest) -> u32 {
    let mut tail = [0; 4];
    for (place, byte) in tail.iter_mut().zip(digest.as_bytes().iter().skip(28)) {
        *place = *byte;
    }
    u32::from_le_bytes(tail)
}

// === impl Shard ===

impl<'a> Shard<'a> {
    /// Reads a shard; `None` for an emptied one and for what is no shard.
    #[must_use]
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let (depth, fence, run) = (reader.u8()?, reader.u32()?, reader.u64()?);
        let count = reader.u32()? as usize;
        let digests = reader.bytes(count.checked_mul(32)?)?.as_chunks().0;
        let ends = reader.bytes(count.checked_mul(4)?)?.as_chunks().0;
        let start = HEADER + count * 36;
        Some(Self { depth, fence, run, digests, ends, records: reader.rest(), start })
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
    /// Begins with the keys of a shard.
    #[must_use]
    pub fn of(shard: &Shard<'a>) -> Self {
        Self { keys: shard.iter().collect() }
    }

    /// Puts a record in or, with `None`, takes it out. Answers by how much the number of keys has changed.
    pub fn set(&mut self, digest: Digest, record: Option<&'a [u8]>) -> i64 {
        let held = self.keys.iter().position(|(held, _)| *held == digest);
        if let Some(place) = held {
            self.keys.swap_remove(place);
        }
        self.keys.extend(record.map(|record| (digest, record)));
        i64::from(record.is_some()) - i64::from(held.is_some())
    }

    /// Takes out the keys whose bit number `depth` is set: the other half of a split.
    #[must_use]
    pub fn split(&mut self, depth: u8) -> Self {
        let other = |digest: &Digest| low_bits(hash(digest), depth + 1) != low_bits(hash(digest), depth);
        let (moved, kept) = self.keys.iter().copied().partition(|(digest, _)| other(digest));
        self.keys = kept;
        Self { keys: moved }
    }

    /// The shard's value.
    #[must_use]
    pub fn write(&self, depth: u8, fence: u32, run: u64) -> Vec<u8> {
        let records: usize = self.keys.iter().map(|(_, record)| record.len()).sum();
        let mut out = Vec::with_capacity(HEADER + self.keys.len() * 36 + records);
        out.push(depth);
        out.extend(fence.to_le_bytes());
        out.extend(run.to_le_bytes());
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
        out
    }
}
