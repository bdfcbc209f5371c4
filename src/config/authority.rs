//! `authority`: where the key table comes from.

use std::net::Ipv6Addr;

use super::field::{Object, text, whole};
use super::json::Json;
use super::report::At;
use super::{Authority, Secret, Token};

const FIELDS: &[&str] = &["cluster", "host", "token", "token_env", "wait_seconds", "timeout_seconds"];

/// The longest names and tokens.
const MAX_LENGTH: usize = 4096;

pub(super) fn read(json: &Json, at: &At<'_>) -> Option<Authority> {
    let object = Object::open(json, at, FIELDS)?;
    let cluster = object.require(at, "cluster", cluster);
    let host = host_of(&object, at, cluster);
    let seconds =
        |name, default| object.read(at, name, |json, at| whole(json, at, 1..=300)).unwrap_or(default);
    let (wait_seconds, timeout_seconds) = (seconds("wait_seconds", 25), seconds("timeout_seconds", 5));
    let token = token(&object, at);
    Some(Authority { cluster: cluster?.into(), host: host?.into(), token, wait_seconds, timeout_seconds })
}

/// The token; `Token::None` also after a mistake was reported.
fn token(object: &Object<'_>, at: &At<'_>) -> Token {
    let literal = object.read(at, "token", |json, at| {
        let token = text(json, at)?;
        if (1..=MAX_LENGTH).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some(Token::Literal(Secret(token.into())))
        } else {
            at.refuse("must be 1 to 4096 printable ASCII characters without spaces")
        }
    });
    let variable = object.read(at, "token_env", |json, at| {
        let name = text(json, at)?;
        if name.len() <= MAX_LENGTH && is_variable(name) {
            Some(Token::Env(name.into()))
        } else {
            at.refuse(
                "must be the name of an environment variable: letters, digits and \"_\", no digit first",
            )
        }
    });
    if object.get("token").is_some() && object.get("token_env").is_some() {
        at.refuse::<()>("must not have both \"token\" and \"token_env\"");
    }
    literal.or(variable).unwrap_or(Token::None)
}

/// The host that calls go to: the one that is named, else the cluster's name.
pub(super) fn host_of<'j>(object: &Object<'j>, at: &At<'_>, cluster: Option<&'j str>) -> Option<&'j str> {
    match object.get("host") {
        Some(json) => host(json, &at.field("host")),
        None => cluster.filter(|cluster| is_authority(cluster)).or_else(|| {
            // Names such as Istio's `outbound|443||host` can stand in no request.
            cluster.and_then(|_| {
                at.field("host").refuse("is required, since the cluster's name is not a legal host")
            })
        }),
    }
}

pub(super) fn cluster<'j>(json: &'j Json, at: &At<'_>) -> Option<&'j str> {
    let cluster = text(json, at)?;
    if (1..=MAX_LENGTH).contains(&cluster.len()) && !cluster.contains(char::is_control) {
        Some(cluster)
    } else {
        at.refuse("must be the name of a cluster: 1 to 4096 bytes without control characters")
    }
}

fn host<'j>(json: &'j Json, at: &At<'_>) -> Option<&'j str> {
    let host = text(json, at)?;
    if is_authority(host) {
        Some(host)
    } else {
        at.refuse("must be a host or host:port: letters, digits, \"-\", \".\", \"_\" and \"~\", or an IPv6 address in []")
    }
}

/// Whether `text` can be the `:authority` of a request (RFC 3986 §3.2, without user information,
/// escapes and the delimiters that no real host has).
pub(super) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let good_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            (1..=255).contains(&host.len())
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
        }
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    good_host && port.is_none_or(is_port)
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}
