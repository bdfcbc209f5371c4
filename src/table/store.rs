//! What the table needs of shared data: values by address, and compare-and-swap.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The version of the table's form, of [`Meta`](super::Meta) and of the shards. It is part of every
/// [`Namespace`]: modules of different versions in one process keep a table each, and neither waits
/// for the other's.
pub(super) const VERSION: u8 = 4;

/// A map that all VMs of the process see.
pub trait Store {
    /// The value at an address and its compare-and-swap number.
    ///
    /// # Errors
    /// [`Fault::Refused`] where the host would not answer.
    fn get(&self, address: &Address) -> Result<Option<(Vec<u8>, u32)>, Fault>;

    /// Sets a value, on a condition.
    ///
    /// # Errors
    /// [`Fault::Lost`] where the condition does not hold, [`Fault::Refused`] where the host would
    /// not do it.
    fn set(&self, address: &Address, value: &[u8], condition: Condition) -> Result<(), Fault>;
}

/// When a value is set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Condition {
    /// If there is none.
    Absent,
    /// If there is one with this number, which is neither 0 nor `u32::MAX`.
    Is(u32),
    /// In any case.
    Always,
}

/// Why shared data could not be read or written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// What is there cannot be read.
    Corrupt,
    /// A shard has far more keys than chance puts there.
    Skewed,
    /// Somebody else has written: this VM is not the writer any more.
    Lost,
    /// The host refused.
    Refused,
}

/// Whose keys these are: 12 characters that stand for one authority as seen with one token.
///
/// Two configurations with the same authority and token share everything, and with different ones
/// nothing (contract §6).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Namespace([u8; 12]);

/// What a namespace keeps exactly one of. Each discriminant is the letter that ends the address, so
/// that two slots of the same address do not compile.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Slot {
    /// The [`Meta`](super::Meta) of the table that serves.
    Serving = b'm',
    /// The [`Meta`](super::Meta) of an unfinished table, which one holder of the lease leaves to
    /// the next.
    Handover = b'h',
    /// Who polls the authority, and until when.
    Lease = b'l',
    /// The latest sign of a VM that serves no requests.
    IdleVm = b'i',
    /// The id of this Envoy process, as the authority knows it.
    ProcessId = b'g',
    /// The head of an issuer's set of keys.
    KeySetHead = b'j',
    /// An issuer's set of keys.
    KeySet = b'k',
    /// When a fetch of an issuer's set was last asked for.
    KeySetRequest = b'r',
}

/// A place in shared data. At most 22 bytes, which Envoy's C++ library stores without an
/// allocation.
#[derive(Clone, Copy)]
pub struct Address {
    bytes: [u8; 22],
    length: usize,
}

// === impl Condition ===

impl Condition {
    /// If there is still what [`Store::get`] found.
    #[must_use]
    pub const fn still(found: Option<u32>) -> Self {
        match found {
            Some(cas) => Self::Is(cas),
            None => Self::Absent,
        }
    }
}

// === impl Namespace ===

impl Namespace {
    /// The namespace of an authority and the token that it is called with, in this version of the
    /// table's form. 72 bits of SHA-256; the parts are told apart by their lengths.
    #[must_use]
    pub fn of(cluster: &str, host: &str, token: &str) -> Self {
        Self::of_version(VERSION, cluster, host, token)
    }

    pub(super) fn of_version(version: u8, cluster: &str, host: &str, token: &str) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut hash = Sha256::new_with_prefix([version]);
        for part in [cluster, host, token] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let mut name = [b'A'; 12];
        for (letter, byte) in name.iter_mut().zip(hash.finalize()) {
            *letter = ALPHABET.get(usize::from(byte % 64)).copied().unwrap_or(b'A');
        }
        Self(name)
    }

    /// A namespace by its name.
    #[must_use]
    pub const fn from_bytes(name: [u8; 12]) -> Self {
        Self(name)
    }

    /// Its name.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }

    /// The address of one of the namespace's slots.
    #[must_use]
    pub fn slot(self, slot: Slot) -> Address {
        Address::new(self.0.iter().copied().chain([b'.', slot as u8]))
    }

    /// The address of a shard.
    #[must_use]
    pub fn shard(self, index: u32) -> Address {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |place: u32| DIGITS.get((index >> (4 * place)) as usize % 16).copied().unwrap_or(b'0');
        let places = (u32::BITS - index.leading_zeros()).div_ceil(4);
        Address::new(self.0.iter().copied().chain([b's']).chain((0..places).rev().map(digit)))
    }
}

// === impl Address ===

impl Address {
    /// An address of these bytes; those past the 22nd are cut.
    pub fn new(text: impl IntoIterator<Item = u8>) -> Self {
        let mut address = Self { bytes: [0; 22], length: 0 };
        for (place, byte) in address.bytes.iter_mut().zip(text) {
            *place = byte;
            address.length += 1;
        }
        address
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}
