//! `keys`: entries of the key table in the configuration itself, for gateways without an authority.
//!
//! The same entries as on the wire (contract §6), read more strictly: a mistake here is an
//! operator's, who can be told about it.

use std::collections::BTreeMap;

use flint_contract::entry::{Cidr, Entry, is_id, is_owner};
use flint_contract::key::{Digest, Environment};
use flint_contract::permission::is_grant;

use super::InlineKeys;
use super::field::{Object, choice, list, text};
use super::json::Json;
use super::report::At;

const FIELDS: &[&str] = &[
    "sha256",
    "id",
    "environment",
    "permissions",
    "owner",
    "not_before",
    "expires_at",
    "revoked_at",
    "allowed_cidrs",
];

/// The last second of the year 9999. Later times are milliseconds by mistake, and would make a key
/// outlive us all.
const MAX_TIME: i64 = 253_402_300_799;

pub(super) fn read(json: &Json, at: &At<'_>) -> Option<InlineKeys> {
    let Json::List(items) = json else { return at.refuse("must be a list") };
    let mut seen = BTreeMap::new();
    let mut entries = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        let Some(object) = Object::open(item, &at, FIELDS) else { continue };
        let digest = object.require(&at, "sha256", digest);
        if let Some(digest) = digest
            && let Some(first) = seen.insert(digest, index)
        {
            at.field("sha256")
                .refuse::<()>(format!("is the digest of $.keys[{first}] too: a key has one entry"));
        }
        entries.extend(entry(&object, &at, digest));
    }
    Some(InlineKeys::new(entries))
}

/// The rest of an entry. Every field is read, so that all mistakes are told, before the first bad
/// one counts.
fn entry(object: &Object<'_>, at: &At<'_>, digest: Option<Digest>) -> Option<Entry> {
    let words = [("live", Environment::Live), ("test", Environment::Test)];
    let id = object.require(at, "id", id);
    let environment = object.require(at, "environment", |json, at| choice(json, at, &words));
    let permissions = object.require(at, "permissions", |json, at| list(json, at, grant));
    Some(Entry {
        owner: optional(object, at, "owner", owner),
        not_before: optional(object, at, "not_before", time),
        expires_at: optional(object, at, "expires_at", time),
        revoked_at: optional(object, at, "revoked_at", time),
        allowed_cidrs: optional(object, at, "allowed_cidrs", |json, at| list(json, at, cidr)),
        digest: digest?,
        id: id?,
        environment: environment?,
        permissions: permissions?,
    })
}

/// Reads a field that may be absent; `null` is as absent (contract §6).
fn optional<'j, T>(
    object: &Object<'j>,
    at: &At<'_>,
    name: &str,
    read: impl FnOnce(&'j Json, &At<'_>) -> Option<T>,
) -> Option<T> {
    object.read(at, name, |json, at| if matches!(json, Json::Null) { None } else { read(json, at) })
}

fn digest(json: &Json, at: &At<'_>) -> Option<Digest> {
    Digest::parse_hex(text(json, at)?)
        .or_else(|| at.refuse("must be the SHA-256 of the whole key: 64 hexadecimal digits in lower case"))
}

fn id(json: &Json, at: &At<'_>) -> Option<Box<str>> {
    let id = text(json, at)?;
    if is_id(id) { Some(id.into()) } else { at.refuse("must be 1 to 64 of A-Z, a-z, 0-9, \"_\" and \"-\"") }
}

fn grant(json: &Json, at: &At<'_>) -> Option<Box<str>> {
    let grant = text(json, at)?;
    if is_grant(grant) {
        Some(grant.into())
    } else {
        at.refuse("must be a permission such as \"documents:read\", whole segments and \":*\", or \"*\"")
    }
}

fn owner(json: &Json, at: &At<'_>) -> Option<Box<str>> {
    let owner = text(json, at)?;
    if is_owner(owner) {
        Some(owner.into())
    } else {
        at.refuse("must be 1 to 128 printable ASCII characters without spaces")
    }
}

fn time(json: &Json, at: &At<'_>) -> Option<i64> {
    match json {
        Json::Number(Some(time)) if *time <= MAX_TIME => Some(*time),
        _ => at.refuse("must be a time in whole Unix seconds (not milliseconds), before the year 10000"),
    }
}

fn cidr(json: &Json, at: &At<'_>) -> Option<Cidr> {
    Cidr::parse(text(json, at)?).or_else(|| {
        at.refuse("must be an address or a block such as \"203.0.113.0/24\", with no host bits set")
    })
}
