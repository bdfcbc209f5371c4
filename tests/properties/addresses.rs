//! Blocks of addresses against a reading bit by bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use flint_contract::entry::Cidr;
use proptest::prelude::*;

/// The address's bits, first one first.
fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| octet & (1 << bit) != 0)).collect()
}

/// Addresses with few bits set, so that blocks and addresses meet.
fn address() -> impl Strategy<Value = IpAddr> {
    let sparse = prop::collection::vec(0..128_u32, 0..4)
        .prop_map(|set| set.iter().fold(0_u128, |all, bit| all | 1 << bit));
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        sparse.clone().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits((bits >> 96) as u32))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        sparse.prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
        any::<u32>().prop_map(|bits| IpAddr::V6(Ipv4Addr::from_bits(bits).to_ipv6_mapped())),
    ]
}

proptest! {
    #[test]
    fn a_block_is_good_where_no_host_bit_is_set(network in address(), prefix in 0..140_u8) {
        let all = bits(network);
        let good = usize::from(prefix) <= all.len() && !all.iter().skip(prefix.into()).any(|bit| *bit);
        prop_assert_eq!(Cidr::new(network, prefix).is_some(), good);
        prop_assert_eq!(Cidr::parse(&format!("{network}/{prefix}")), Cidr::new(network, prefix));
    }

    #[test]
    fn a_block_has_the_addresses_that_begin_with_it(network in address(), other in address(), prefix in 0..129_u8) {
        let width = bits(network).len();
        let prefix = usize::from(prefix).min(width);
        // The network's own block, with the host bits cleared by hand.
        let kept = bits(network).iter().take(prefix).fold(0_u128, |all, bit| all << 1 | u128::from(*bit));
        let cleared = kept.checked_shl((width - prefix) as u32).unwrap_or(0);
        let start = match network {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(cleared as u32)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(cleared)),
        };
        let block = Cidr::new(start, prefix as u8).unwrap();
        // An IPv4 address written in IPv6 is the IPv4 address.
        for address in [network, other] {
            let address_bits = bits(address.to_canonical());
            let expected = address_bits.len() == width
                && address_bits.iter().zip(bits(start)).take(prefix).all(|(a, b)| *a == b);
            prop_assert_eq!(block.contains(address), expected, "{} in {:?}", address, block);
        }
    }

    #[test]
    fn any_text_is_a_block_or_is_not(text in "\\PC*", near in "[0-9a-f:./%]{0,24}") {
        for text in [text, near] {
            if let Some(block) = Cidr::parse(&text) {
                prop_assert!(block.contains(block.network()) || block.network().to_canonical() != block.network());
            }
        }
    }
}
