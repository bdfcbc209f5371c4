//! What is known about the table as a whole: one small value, of which every reader keeps a copy.

use super::place::Seed;
use super::store::{Address, Condition, Fault, Namespace, Slot, Store, VERSION};
use crate::bytes::Reader;

/// What a stored [`Meta`] describes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// The table that serves.
    Serving,
    /// A table in the making, as far as it has come: what one holder of the lease leaves to the
    /// next.
    Handover,
}

/// The table that serves. As long as no first run has ended it is absent, or says who is at work on
/// one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Meta {
    /// The number of the run: random, and different for every whole table. 0: there is no table
    /// yet.
    pub run: u64,
    /// What places its keys.
    pub seed: Seed,
    /// The number of a run in the making. 0: there is none.
    pub making: u64,
    /// Shards may have parts of runs other than these two.
    pub littered: bool,
    /// How far the shards have been split.
    pub extent: Extent,
    /// How many entries the table has: keys and revoked tokens.
    pub keys: u64,
    /// How many of these are revoked tokens.
    pub tokens: u64,
    /// How many pages have changed the table.
    pub version: u64,
    /// When the authority last gave a good answer, in milliseconds of the monotonic clock.
    pub fresh_at: u64,
    /// The lease under which this was written.
    pub fence: u32,
    /// A page is being written: if its writer ended there, [`Meta::keys`] and [`Meta::tokens`] are
    /// not to be trusted.
    pub writing: bool,
    /// What the authority wants to hear next.
    pub cursor: String,
}

/// The state of linear hashing: shards `0..2^depth + split`, of which those below `split` and their
/// other halves have been split once more than the rest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extent {
    /// The bits of the digest that every shard tells apart.
    pub depth: u8,
    /// The next shard to split; less than `2^depth`.
    pub split: u32,
}

// === impl Meta ===

impl Meta {
    /// What is in the store, with its compare-and-swap number.
    ///
    /// # Errors
    /// Those of the store. A value of another version is not an error and reads as none.
    pub fn load<S: Store>(store: &S, namespace: Namespace) -> Result<(Option<Self>, Option<u32>), Fault> {
        Self::load_as(store, namespace, Role::Serving)
    }

    /// As [`Meta::load`], for either role.
    ///
    /// # Errors
    /// Those of the store.
    pub fn load_as<S: Store>(
        store: &S,
        namespace: Namespace,
        role: Role,
    ) -> Result<(Option<Self>, Option<u32>), Fault> {
        Ok(match store.get(&role.address(namespace))? {
            Some((bytes, cas)) => (Self::read(&bytes), Some(cas)),
            None => (None, None),
        })
    }

    /// Writes it, unless somebody else has since `cas`.
    ///
    /// # Errors
    /// Those of the store.
    pub fn save<S: Store>(
        &self,
        store: &S,
        namespace: Namespace,
        role: Role,
        cas: Option<u32>,
    ) -> Result<(), Fault> {
        store.set(&role.address(namespace), &self.write(), Condition::still(cas))
    }

    /// Whether there is a table.
    #[must_use]
    pub const fn serves(&self) -> bool {
        self.run != 0
    }

    /// A run is about to be made, under a number near this random one. What an earlier attempt has
    /// left, nobody will finish.
    pub fn begin(&mut self, random: u64) {
        let taken = [0, self.run, self.making];
        let free = (0..).map(|next| random.wrapping_add(next)).find(|run| !taken.contains(run));
        self.littered |= self.making != 0;
        self.making = free.unwrap_or_default();
    }

    /// The run in the making serves from now on, and what served until now is litter.
    pub const fn replace(&mut self, run: u64) {
        self.littered |= self.serves() || (self.making != 0 && self.making != run);
        (self.run, self.making) = (run, 0);
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(self.littered), u8::from(self.writing), self.extent.depth];
        out.extend(self.extent.split.to_le_bytes());
        out.extend(self.fence.to_le_bytes());
        for number in [self.run, self.making, self.keys, self.tokens, self.version, self.fresh_at] {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.seed.to_bytes());
        out.extend(self.cursor.as_bytes());
        out
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return None;
        }
        let (littered, writing) = (reader.u8()? != 0, reader.u8()? != 0);
        let extent = Extent { depth: reader.u8()?, split: reader.u32()? };
        let fence = reader.u32()?;
        let (run, making) = (reader.u64()?, reader.u64()?);
        let [keys, tokens] = [reader.u64()?, reader.u64()?];
        let [version, fresh_at] = [reader.u64()?, reader.u64()?];
        let seed = Seed::read(&mut reader)?;
        let cursor = std::str::from_utf8(reader.rest()).ok()?.to_owned();
        Some(Self {
            run,
            seed,
            making,
            littered,
            extent,
            keys,
            tokens,
            version,
            fresh_at,
            fence,
            writing,
            cursor,
        })
    }
}

// === impl Role ===

impl Role {
    fn address(self, namespace: Namespace) -> Address {
        namespace.slot(match self {
            Self::Serving => Slot::Serving,
            Self::Handover => Slot::Handover,
        })
    }
}

// === impl Extent ===

impl Extent {
    /// How many shards there are.
    #[must_use]
    pub fn shards(self) -> u32 {
        (1_u32 << self.depth.min(31)).saturating_add(self.split)
    }

    /// The shard of a key whose digest is placed by this number ([`Seed::place`]).
    #[must_use]
    pub const fn index(self, place: u32) -> u32 {
        let index = low_bits(place, self.depth);
        if index < self.split { low_bits(place, self.depth + 1) } else { index }
    }

    /// One shard more: the shard to split, the one that gets its other half, and the extent after
    /// that.
    #[must_use]
    pub fn grown(self) -> (u32, u32, Self) {
        let full = 1_u32 << self.depth.min(31);
        let (from, to) = (self.split, full.saturating_add(self.split));
        let next = if self.split + 1 == full {
            Self { depth: self.depth + 1, split: 0 }
        } else {
            Self { depth: self.depth, split: self.split + 1 }
        };
        (from, to, next)
    }
}

/// The lowest `depth` bits of `place`.
#[must_use]
pub const fn low_bits(place: u32, depth: u8) -> u32 {
    if depth >= 32 { place } else { place & ((1 << depth) - 1) }
}
