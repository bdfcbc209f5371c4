//! One entry of the key table: everything that a gateway knows about a key, and the rules that an
//! entry must meet.
//!
//! Contract §6. An entry is never half-used: it is good, or it is bad in a named field.

use std::net::IpAddr;

use crate::key::{Digest, Environment};

/// The most characters of a key's id.
pub const MAX_ID: usize = 64;
/// The most characters of an owner.
pub const MAX_OWNER: usize = 128;

/// A good entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Whose entry this is.
    pub digest: Digest,
    /// The key's public name, 1 to 64 of `[A-Za-z0-9_-]`.
    pub id: Box<str>,
    /// Where the key is good.
    pub environment: Environment,
    /// Grants, each good by [`is_grant`](crate::permission::is_grant).
    pub permissions: Vec<Box<str>>,
    /// Who the key belongs to: 1 to 128 printable ASCII characters without spaces.
    pub owner: Option<Box<str>>,
    /// The first second, in Unix time, in which the key passes.
    pub not_before: Option<i64>,
    /// The first second, in Unix time, in which the key no longer passes.
    pub expires_at: Option<i64>,
    /// The first second, in Unix time, in which the key is refused as revoked.
    pub revoked_at: Option<i64>,
    /// Where the key may be used from; `None` is everywhere, an empty list nowhere.
    pub allowed_cidrs: Option<Vec<Cidr>>,
}

/// A block of addresses, such as `203.0.113.0/24`; a bare address is one host.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// Whether `text` may be a key's id.
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Whether `text` may name an owner.
#[must_use]
pub fn is_owner(text: &str) -> bool {
    (1..=MAX_OWNER).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

// === impl Cidr ===

impl Cidr {
    /// Reads `address` or `address/prefix`. Host bits that are set, a prefix with a sign or a
    /// leading zero, and a zone are refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().ok()?;
        let width = width(network);
        let prefix = match prefix {
            None => width,
            Some(digits) => {
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit())
                    && (digits == "0" || !digits.starts_with('0'));
                if !plain {
                    return None;
                }
                digits.parse().ok()?
            }
        };
        Self::new(network, prefix)
    }

    /// A block from its parts; `None` where the prefix is too long for the family or host bits are
    /// set.
    #[must_use]
    pub fn new(network: IpAddr, prefix: u8) -> Option<Self> {
        let good = prefix <= width(network) && masked(network, prefix) == bits(network);
        good.then_some(Self { network, prefix })
    }

    /// The first address of the block.
    #[must_use]
    pub const fn network(&self) -> IpAddr {
        self.network
    }

    /// How many leading bits are fixed.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether the block has this address. An IPv4 address written in IPv6 (`::ffff:192.0.2.1`, RFC
    /// 4291 §2.5.5.2) is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && masked(address, self.prefix) == bits(self.network)
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address as a number whose leading bit is the address's leading bit, whatever the family.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn masked(address: IpAddr, prefix: u8) -> u128 {
    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
    bits(address) & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_written_without_host_bits() {
        for good in
            ["203.0.113.0/24", "203.0.113.7", "0.0.0.0/0", "2001:db8::/32", "::1", "::/0", "10.0.0.1/32"]
        {
            assert!(Cidr::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "203.0.113.1/24",
            "203.0.113.0/33",
            "2001:db8::1/32",
            "::/129",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0/8",
            "fe80::1%eth0",
            " 10.0.0.0/8",
            "10.0.0.0/8/8",
        ] {
            assert!(Cidr::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_block_holds_its_addresses_and_no_other_family() {
        for (block, address, expected) in [
            ("203.0.113.0/24", "203.0.113.255", true),
            ("203.0.113.0/24", "203.0.114.0", false),
            ("203.0.113.0/24", "::ffff:203.0.113.9", true),
            ("203.0.113.7", "203.0.113.7", true),
            ("203.0.113.7", "203.0.113.8", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:ffff::", true),
            ("2001:db8::/32", "2001:db9::", false),
        ] {
            let block = Cidr::parse(block).unwrap();
            assert_eq!(block.contains(address.parse().unwrap()), expected, "{block:?} {address}");
        }
    }

    #[test]
    fn ids_and_owners_are_short_and_plain() {
        assert!(is_id("key_01-A") && is_id(&"a".repeat(64)));
        assert!(!is_id("") && !is_id(&"a".repeat(65)) && !is_id("a.b") && !is_id("é"));
        assert!(is_owner("org_7") && is_owner("a@b.c/~\"") && is_owner(&"a".repeat(128)));
        assert!(
            !is_owner("")
                && !is_owner("a b")
                && !is_owner("a\n")
                && !is_owner(&"a".repeat(129))
                && !is_owner("é")
        );
    }
}
