//! `jwks`: the keys of an issuer, in the configuration or at its server.

use super::super::authority::{cluster, host_of};
use super::{Jwks, KeySource};
use crate::config::field::{Object, list, text, whole};
use crate::config::json::Json;
use crate::config::report::At;
use crate::token::jwk::{self, Member};
use crate::token::keys::{Key, KeySet, MAX_KEYS};

const FETCHED: &[&str] =
    &["cluster", "host", "path", "refresh_seconds", "timeout_seconds", "max_staleness_seconds"];
const FIELDS: &[&str] =
    &["cluster", "host", "path", "refresh_seconds", "timeout_seconds", "max_staleness_seconds", "keys"];

/// The longest path.
const MAX_PATH: usize = 2_048;
/// A year.
const MAX_STALENESS: u32 = 31_536_000;

pub(super) fn read(json: &Json, at: &At<'_>) -> Option<KeySource> {
    let object = Object::open(json, at, FIELDS)?;
    if object.get("keys").is_none() {
        return fetched(&object, at).map(KeySource::Fetched);
    }
    if FETCHED.iter().any(|name| object.get(name).is_some()) {
        return at.refuse("must have either \"keys\" or a \"cluster\" to fetch them from");
    }
    object.read(at, "keys", inline).map(KeySource::Inline)
}

fn fetched(object: &Object<'_>, at: &At<'_>) -> Option<Jwks> {
    let cluster = object.require(at, "cluster", cluster);
    let host = host_of(object, at, cluster);
    let path = object.require(at, "path", path);
    let seconds =
        |name, default, most| object.read(at, name, |json, at| whole(json, at, 1..=most)).unwrap_or(default);
    let refresh_seconds = seconds("refresh_seconds", 300, 86_400);
    let timeout_seconds = seconds("timeout_seconds", 5, 60);
    let max_staleness_seconds = seconds("max_staleness_seconds", 86_400, MAX_STALENESS);
    if max_staleness_seconds <= refresh_seconds {
        at.field("max_staleness_seconds").refuse::<()>(
            "must exceed refresh_seconds: a set must not be too old before it is fetched again",
        );
    }
    let (cluster, host, path) = (cluster?.into(), host?.into(), path?);
    Some(Jwks { cluster, host, path, refresh_seconds, timeout_seconds, max_staleness_seconds })
}

fn path(json: &Json, at: &At<'_>) -> Option<Box<str>> {
    let path = text(json, at)?;
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if path.starts_with('/') && path.len() <= MAX_PATH && path.bytes().all(legal) {
        Some(path.into())
    } else {
        at.refuse("must be a path such as \"/oauth/jwks.json\": it begins with \"/\" and has at most 2048 visible ASCII characters, no \"#\"")
    }
}

fn inline(json: &Json, at: &At<'_>) -> Option<KeySet> {
    if !matches!(json, Json::List(items) if (1..=MAX_KEYS).contains(&items.len())) {
        return at.refuse("must be a list of 1 to 100 keys");
    }
    list(json, at, key).map(KeySet::new)
}

/// A key in the form of RFC 7517; its other members mean nothing.
fn key(json: &Json, at: &At<'_>) -> Option<Key> {
    let Json::Object(members) = json else { return at.refuse("must be an object") };
    let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
        return at.refuse("must have each of its members once");
    }
    let member = |name: &str| {
        let (_, json) = members.iter().find(|(member, _)| &**member == name)?;
        Some(match json {
            Json::Text(text) => Member::Text(text.to_string()),
            Json::List(items) => {
                let texts = items.iter().map(|item| match item {
                    Json::Text(text) => Some(text.to_string()),
                    _ => None,
                });
                texts.collect::<Option<_>>().map_or(Member::Other, Member::Texts)
            }
            _ => Member::Other,
        })
    };
    jwk::read(member).map_or_else(|rule| at.refuse(rule), Some)
}
