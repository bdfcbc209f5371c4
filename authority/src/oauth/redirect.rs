//! Redirect URIs: which may be registered, which one of a request is, and how an answer is added to
//! one.
//!
//! What is registered is made of the characters of a URI and nothing else (RFC 3986 §2), so that no
//! browser reads it otherwise than this does. A request's is compared byte for byte (RFC 9700
//! §2.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::client::Kind;

/// The most characters of a redirect URI.
pub const MAX_LENGTH: usize = 2_048;
/// The rule, for anyone who registers one.
pub const RULE: &str = "must be an absolute URI without fragment, user, * or spaces, at most 2048 characters: https, http \
                        on localhost, 127.0.0.1 or [::1], or for public clients a scheme with a dot in it";

/// The hosts that are this machine (RFC 8252 §7.3).
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What stays as it is in a value that is added to a redirect URI.
const IN_A_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What `http://host:port/rest` or `https://…` is made of.
struct Web<'a> {
    host: &'a str,
    /// Path and query.
    rest: &'a str,
}

/// Whether a client of this kind may register this.
#[must_use]
pub fn may_be_registered(uri: &str, kind: Kind) -> bool {
    if uri.len() > MAX_LENGTH || !is_of_uri_characters(uri) {
        return false;
    }
    match uri.split_once(':') {
        Some(("https", _)) => Web::parse(uri).is_some(),
        Some(("http", _)) => Web::parse(uri).is_some_and(|web| LOOPBACK.contains(&web.host)),
        Some((scheme, rest)) => kind == Kind::Public && is_private_scheme(scheme) && !rest.is_empty(),
        None => false,
    }
}

/// Whether a request's redirect URI is this registered one (RFC 9700 §2.1, RFC 8252 §7.3).
#[must_use]
pub fn is_registered(asked: &str, registered: &str, kind: Kind) -> bool {
    asked == registered || (kind == Kind::Public && differ_in_port_only(asked, registered))
}

fn differ_in_port_only(asked: &str, registered: &str) -> bool {
    let loopback = |uri| Web::parse(uri).filter(|web| LOOPBACK.contains(&web.host));
    // Both, for what begins like one another may be read otherwise behind it.
    if !asked.starts_with("http://") || !registered.starts_with("http://") {
        return false;
    }
    let (Some(asked), Some(registered)) = (loopback(asked), loopback(registered)) else {
        return false;
    };
    asked.host == registered.host && asked.rest == registered.rest
}

/// The origin's host of a redirect URI, or its scheme if it has none: what a user is shown of it.
#[must_use]
pub fn shown_host(uri: &str) -> &str {
    Web::parse(uri).map_or_else(|| uri.split(':').next().unwrap_or_default(), |web| web.host)
}

/// A redirect URI with an answer in its query, beside what it had (RFC 6749 §4.1.2).
#[must_use]
pub fn with_answer(uri: &str, answer: &[(&str, &[u8])]) -> String {
    let mut text = uri.to_owned();
    for (name, value) in answer {
        let separator = match (text.contains('?'), text.ends_with(['?', '&'])) {
            (false, _) => "?",
            (true, true) => "",
            (true, false) => "&",
        };
        text.push_str(separator);
        text.push_str(name);
        text.push('=');
        text.extend(percent_encode(value, IN_A_VALUE));
    }
    text
}

/// A scheme of the application (RFC 8252 §7.1). Capitals are allowed in it and in a host: what is
/// registered is compared byte for byte, and the ids of many applications have some.
fn is_private_scheme(scheme: &str) -> bool {
    let is_of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    scheme.contains('.')
        && scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_of)
}

/// The characters of RFC 3986 without `#` and `*`, and `%` with two hexadecimal digits behind it.
fn is_of_uri_characters(uri: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()+,;=%".contains(&byte);
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = uri.as_bytes();
    bytes.iter().all(|byte| is_plain(*byte))
        && bytes
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'%')
            .all(|(place, _)| is_hex(bytes.get(place + 1)) && is_hex(bytes.get(place + 2)))
}

impl<'a> Web<'a> {
    fn parse(uri: &'a str) -> Option<Self> {
        let behind = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"))?;
        let (authority, rest) = behind.split_at(behind.find(['/', '?']).unwrap_or(behind.len()));
        let host_end = if authority.starts_with('[') {
            authority.find(']')? + 1
        } else {
            authority.find(':').unwrap_or(authority.len())
        };
        let (host, port) = authority.split_at(host_end);
        let is_good_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        (is_host(host) && is_good_port).then_some(Self { host, rest })
    }
}

fn is_host(host: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    }
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests;
