//! A key's record in a shard. It is read in place, so that a request copies nothing.

use std::net::IpAddr;

use flint_contract::entry::{Cidr, Entry};
use flint_contract::key::Environment;

use crate::bytes::{Reader, put_short_text};

const TEST: u8 = 1;
const OWNER: u8 = 1 << 1;
const NOT_BEFORE: u8 = 1 << 2;
const EXPIRES_AT: u8 = 1 << 3;
const REVOKED_AT: u8 = 1 << 4;
const CIDRS: u8 = 1 << 5;

/// What is known of a key, but for its digest. The fields mean what those of [`Entry`] mean.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The key's public name.
    pub id: &'a str,
    /// Where the key is good.
    pub environment: Environment,
    /// Who the key belongs to.
    pub owner: Option<&'a str>,
    /// The first second in which the key passes.
    pub not_before: Option<i64>,
    /// The first second in which the key no longer passes.
    pub expires_at: Option<i64>,
    /// The first second in which the key is refused as revoked.
    pub revoked_at: Option<i64>,
    cidrs: Option<&'a [u8]>,
    grants: &'a [u8],
}

/// The grants of a record.
#[derive(Clone, Debug)]
pub struct Grants<'a>(Reader<'a>);

/// Whether a record is that of a revoked token: such a one has no id.
#[must_use]
pub fn is_token(record: &[u8]) -> bool {
    matches!(record, [_, 0, ..])
}

/// Writes the record of an entry.
pub fn put(out: &mut Vec<u8>, entry: &Entry) {
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    out.push(
        flag(entry.environment == Environment::Test, TEST)
            | flag(entry.owner.is_some(), OWNER)
            | flag(entry.not_before.is_some(), NOT_BEFORE)
            | flag(entry.expires_at.is_some(), EXPIRES_AT)
            | flag(entry.revoked_at.is_some(), REVOKED_AT)
            | flag(entry.allowed_cidrs.is_some(), CIDRS),
    );
    put_short_text(out, &entry.id);
    if let Some(owner) = &entry.owner {
        put_short_text(out, owner);
    }
    for time in [entry.not_before, entry.expires_at, entry.revoked_at].into_iter().flatten() {
        out.extend(time.to_le_bytes());
    }
    if let Some(cidrs) = &entry.allowed_cidrs {
        put_cidrs(out, cidrs);
    }
    for grant in &entry.permissions {
        put_short_text(out, grant);
    }
}

fn put_cidrs(out: &mut Vec<u8>, cidrs: &[Cidr]) {
    let start = out.len();
    out.extend([0; 4]);
    for cidr in cidrs {
        out.push(cidr.prefix());
        match cidr.network() {
            IpAddr::V4(v4) => {
                out.push(4);
                out.extend(v4.octets());
            }
            IpAddr::V6(v6) => {
                out.push(6);
                out.extend(v6.octets());
            }
        }
    }
    let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
    for (place, byte) in out.iter_mut().skip(start).zip(length.to_le_bytes()) {
        *place = byte;
    }
}

fn cidr(reader: &mut Reader<'_>) -> Option<Cidr> {
    let prefix = reader.u8()?;
    let network = match reader.u8()? {
        4 => IpAddr::from(reader.array::<4>()?),
        6 => IpAddr::from(reader.array::<16>()?),
        _ => return None,
    };
    Cidr::new(network, prefix)
}

// === impl Record ===

impl<'a> Record<'a> {
    /// Reads what [`put`] wrote.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let flags = reader.u8()?;
        let id = reader.short_text()?;
        let owner = if flags & OWNER != 0 { Some(reader.short_text()?) } else { None };
        let mut time = |bit| if flags & bit != 0 { reader.i64().map(Some) } else { Some(None) };
        let (not_before, expires_at, revoked_at) = (time(NOT_BEFORE)?, time(EXPIRES_AT)?, time(REVOKED_AT)?);
        let cidrs = if flags & CIDRS != 0 {
            let length = reader.u32()?;
            Some(reader.bytes(length as usize)?)
        } else {
            None
        };
        let environment = if flags & TEST != 0 { Environment::Test } else { Environment::Live };
        let grants = reader.rest();
        Some(Self { id, environment, owner, not_before, expires_at, revoked_at, cidrs, grants })
    }

    /// Whether the key may be used from this address; from an unknown one only if it may from
    /// everywhere.
    #[must_use]
    pub fn admits_address(&self, address: impl FnOnce() -> Option<IpAddr>) -> bool {
        let Some(cidrs) = self.cidrs else { return true };
        let Some(address) = address() else { return false };
        let mut reader = Reader::new(cidrs);
        while let Some(cidr) = cidr(&mut reader) {
            if cidr.contains(address) {
                return true;
            }
        }
        false
    }

    /// Whether any answer about the key depends on the time.
    #[must_use]
    pub const fn is_timed(&self) -> bool {
        self.not_before.is_some() || self.expires_at.is_some() || self.revoked_at.is_some()
    }

    /// What the key grants.
    #[must_use]
    pub const fn grants(&self) -> Grants<'a> {
        Grants(Reader::new(self.grants))
    }
}

// === impl Grants ===

impl<'a> Iterator for Grants<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.short_text()
    }
}
