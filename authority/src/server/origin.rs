//! The origin of a request: the other end of the connection, or what a trusted proxy says of it.
//!
//! Anyone can send `X-Forwarded-For`. It counts only if the peer of the connection is a trusted
//! proxy, and only as far as trusted proxies have written it: it is read from the right, each
//! trusted address leads one further to the left, and the first that is not trusted is the
//! client's. Anything that is not an address ends the walk at the last good one. `Forwarded` (RFC
//! 7239) is not read: two headers that say the same thing can say different things.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{Extensions, HeaderMap};
use flint_contract::entry::Cidr;
use percent_encoding::percent_decode_str;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Where a request comes from. Every request has one of these among its extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    /// The client's address, never an IPv4 address written in IPv6.
    pub(crate) address: IpAddr,
    /// Whether the client came over TLS.
    pub(crate) over_tls: bool,
}

/// One trusted proxy, or a block of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proxy(Cidr);

/// Why a text names no proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be an address or a block without host bits, such as 10.0.0.0/8 or 2001:db8::7")]
pub struct NotAProxy;

impl Origin {
    /// Reads where a request comes from that a peer sent, itself over TLS or not.
    pub(super) fn of(peer: IpAddr, over_tls: bool, headers: &HeaderMap, proxies: &[Proxy]) -> Self {
        let peer = peer.to_canonical();
        if !is_trusted(peer, proxies) {
            return Self { address: peer, over_tls };
        }
        // The proxy that speaks to us has written the last one.
        let scheme = items(headers, FORWARDED_PROTO).next();
        let over_tls = scheme.map_or(over_tls, |scheme| scheme.eq_ignore_ascii_case("https"));
        Self { address: client_behind(peer, headers, proxies), over_tls }
    }
}

/// Whether a path says text: the database takes neither bytes that are none nor a NUL.
pub(crate) fn is_text(path: &str) -> bool {
    percent_decode_str(path).decode_utf8().is_ok_and(|text| !text.contains('\0'))
}

/// Where a request came from, as far as that is known.
pub(crate) fn address(extensions: &Extensions) -> Option<String> {
    extensions.get::<Origin>().map(|origin| origin.address.to_string())
}

/// Whether the client came over TLS: to us, or to a proxy that is trusted.
pub(crate) fn is_over_tls(extensions: &Extensions) -> bool {
    extensions.get::<Origin>().is_some_and(|origin| origin.over_tls)
}

fn client_behind(peer: IpAddr, headers: &HeaderMap, proxies: &[Proxy]) -> IpAddr {
    let mut client = peer;
    for item in items(headers, FORWARDED_FOR) {
        let Some(address) = parse(item) else { break };
        client = address;
        if !is_trusted(address, proxies) {
            break;
        }
    }
    client
}

pub(super) fn is_trusted(address: IpAddr, proxies: &[Proxy]) -> bool {
    proxies.iter().any(|proxy| proxy.0.contains(address))
}

/// What a list header says, all its lines as one, from the right. A line that is no text is an item
/// that means nothing.
fn items<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines
        .into_iter()
        .rev()
        .flat_map(|line| line.to_str().unwrap_or("?").rsplit(','))
        .map(|item| item.trim_matches([' ', '\t']))
}

/// An address as proxies write it: bare, with a port, in brackets, or in brackets with a port.
fn parse(item: &str) -> Option<IpAddr> {
    let bracketed = || item.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || item.parse::<SocketAddr>().ok().filter(|_| !item.contains('%')).map(|it| it.ip());
    item.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

impl FromStr for Proxy {
    type Err = NotAProxy;

    fn from_str(text: &str) -> Result<Self, NotAProxy> {
        Cidr::parse(text.trim()).map(Self).ok_or(NotAProxy)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.network(), self.0.prefix())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn proxies() -> Vec<Proxy> {
        ["10.0.0.0/8", "2001:db8:aa::/48", "::1"].map(|text| text.parse().unwrap()).to_vec()
    }

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| (name.parse().unwrap(), HeaderValue::from_bytes(line.as_bytes()).unwrap()))
            .collect()
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_not_trusted() {
        for (peer, lines, client) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"), // anyone may say so
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.66, 198.51.100.1"], "198.51.100.1"), // the left one is made up
            ("10.0.0.1", &["192.0.2.66, 198.51.100.1, 10.7.7.7"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.66", "198.51.100.1", "10.7.7.7,10.7.7.8"], "198.51.100.1"),
            ("10.0.0.1", &["10.2.2.2, 10.1.1.1"], "10.2.2.2"), // all are ours: the farthest
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["2001:db8::5"], "2001:db8::5"),
            ("10.0.0.1", &["[2001:db8::5]"], "2001:db8::5"),
            ("10.0.0.1", &["[2001:db8::5]:4711"], "2001:db8::5"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::1", &["198.51.100.1,[2001:db8:aa::1]:80"], "198.51.100.1"),
            ("::ffff:203.0.113.9", &[], "203.0.113.9"),
            // What is no address ends the walk.
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1, _secret, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["198.51.100.1,"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1", ""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1", "\u{fc}"], "10.0.0.1"),
            ("10.0.0.1", &["fe80::1%eth0"], "10.0.0.1"),
            ("10.0.0.1", &["[fe80::1%3]:80"], "10.0.0.1"),
            ("10.0.0.1", &["[198.51.100.1]"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:port"], "10.0.0.1"),
            ("10.0.0.1", &["\"198.51.100.1\""], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1/32"], "10.0.0.1"),
        ] {
            let origin = Origin::of(peer.parse().unwrap(), false, &headers(FORWARDED_FOR, lines), &proxies());
            assert_eq!(origin.address.to_string(), client, "{peer} {lines:?}");
        }
    }

    #[test]
    fn who_trusts_nobody_hears_nobody() {
        let told = headers(FORWARDED_FOR, &["198.51.100.1"]);
        let origin = Origin::of("10.0.0.1".parse().unwrap(), false, &told, &[]);
        assert_eq!(origin.address.to_string(), "10.0.0.1");
    }

    #[test]
    fn a_trusted_proxy_says_whether_the_client_came_over_tls() {
        for (peer, own, lines, over_tls) in [
            ("10.0.0.1", false, &[][..], false),
            ("10.0.0.1", true, &[], true),
            ("10.0.0.1", false, &["https"], true),
            ("10.0.0.1", false, &["HTTPS"], true),
            ("10.0.0.1", true, &["http"], false),
            ("10.0.0.1", false, &["https, http"], false),
            ("10.0.0.1", false, &["http", "https"], true),
            ("203.0.113.9", false, &["https"], false),
            ("203.0.113.9", true, &["http"], true),
        ] {
            let origin = Origin::of(peer.parse().unwrap(), own, &headers(FORWARDED_PROTO, lines), &proxies());
            assert_eq!(origin.over_tls, over_tls, "{peer} {own} {lines:?}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_or_a_block() {
        for (good, shown) in
            [("10.0.0.0/8", "10.0.0.0/8"), (" ::1 ", "::1/128"), ("192.0.2.1", "192.0.2.1/32")]
        {
            assert_eq!(good.parse::<Proxy>().unwrap().to_string(), shown);
        }
        for bad in ["", "10.0.0.1/8", "proxy.internal", "10.0.0.0/33", "10.0.0.1:80"] {
            assert_eq!(bad.parse::<Proxy>(), Err(NotAProxy), "{bad}");
        }
    }

    #[test]
    fn a_path_is_text_without_a_nul() {
        for (path, expected) in [
            ("/v1/keys/key_1", true),
            ("/%C3%BC", true),
            ("/%zz", true),
            ("/%FF", false),
            ("/%E2%28%A1", false),
            ("/%00", false),
            ("/a%00/b", false),
        ] {
            assert_eq!(is_text(path), expected, "{path}");
        }
    }
}
