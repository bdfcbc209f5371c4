//! `oauth`: the issuers whose access tokens are accepted, and where their keys are.

mod jwks;
pub(super) mod resources;

use std::collections::{BTreeMap, BTreeSet};

use super::authority::is_authority;
use super::field::{Object, choice, list, text, whole};
use super::json::Json;
use super::report::At;
use crate::token::Issuer;
use crate::token::algorithm::Algorithm;
use crate::token::issuer::ScopeMap;
use crate::token::keys::KeySet;
use flint_contract::key::Environment;
use flint_contract::permission::is_grant;

pub use resources::{Resource, Resources};

const FIELDS: &[&str] = &[
    "issuer",
    "audience",
    "jwks",
    "algorithms",
    "clock_skew_seconds",
    "token_types",
    "scope_claim",
    "scope_map",
    "client_id_claim",
    "environment",
];

/// The most issuers.
const MAX_ISSUERS: usize = 8;
/// The most audiences, types of tokens, and names on the way to the scopes.
const MAX_ITEMS: usize = 8;
/// The longest issuer, audience, and name of a claim or scope.
const MAX_LENGTH: usize = 1_024;

/// The issuers whose access tokens are accepted; none where `oauth` is not configured.
#[derive(Debug, Default)]
pub struct Oauth {
    /// What is asked of their tokens.
    pub issuers: Box<[Issuer]>,
    /// Where their keys are, in the same order.
    pub keys: Box<[KeySource]>,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In the configuration.
    Inline(KeySet),
    /// At the issuer.
    Fetched(Jwks),
}

/// How a set of keys is fetched.
#[derive(Clone, Debug)]
pub struct Jwks {
    /// Envoy's name of the cluster.
    pub cluster: Box<str>,
    /// The `:authority` of calls.
    pub host: Box<str>,
    /// The path of calls, with its query.
    pub path: Box<str>,
    /// After how many seconds the set is fetched again.
    pub refresh_seconds: u32,
    /// After how many seconds a call is given up.
    pub timeout_seconds: u32,
    /// The age, in seconds, at which a set is no longer usable; more than `refresh_seconds`.
    pub max_staleness_seconds: u32,
}

impl Oauth {
    /// Whether access tokens are accepted.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        !self.issuers.is_empty()
    }
}

pub(super) fn read(json: &Json, at: &At<'_>) -> Option<Oauth> {
    let read: Vec<(usize, (Issuer, KeySource))> = match json {
        Json::List(items) if !(1..=MAX_ISSUERS).contains(&items.len()) => {
            return at.refuse("must have 1 to 8 issuers");
        }
        Json::List(items) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((index, issuer(item, &at.index(index))?)))
            .collect(),
        _ => issuer(json, at).map(|issuer| (0, issuer)).into_iter().collect(),
    };
    let mut seen = BTreeSet::new();
    for (index, (issuer, _)) in &read {
        if !seen.insert(&*issuer.name) {
            at.index(*index).field("issuer").refuse::<()>("is there already: an issuer has one entry");
        }
    }
    let (issuers, keys): (Vec<_>, Vec<_>) = read.into_iter().map(|(_, read)| read).unzip();
    Some(Oauth { issuers: issuers.into(), keys: keys.into() })
}

/// One issuer. Every field is read, so that all mistakes are told, before the first bad one counts.
fn issuer(json: &Json, at: &At<'_>) -> Option<(Issuer, KeySource)> {
    let object = Object::open(json, at, FIELDS)?;
    let name = object.require(at, "issuer", issuer_name);
    let audiences = object.require(at, "audience", |json, at| one_or_more(json, at, named));
    let keys = object.require(at, "jwks", jwks::read);
    let algorithms = object.read(at, "algorithms", algorithms);
    let token_types = object.read(at, "token_types", token_types);
    let scope_claim = object.read(at, "scope_claim", |json, at| one_or_more(json, at, named));
    let environments = [("live", Environment::Live), ("test", Environment::Test)];
    let issuer = Issuer {
        clock_skew_seconds: object
            .read(at, "clock_skew_seconds", |json, at| whole(json, at, 0..=300))
            .unwrap_or(30),
        algorithms: algorithms.unwrap_or_else(|| vec![Algorithm::Es256]).into(),
        token_types: token_types.unwrap_or_else(|| vec!["at+jwt".into()]).into(),
        scope_claim: scope_claim.unwrap_or_else(|| vec!["scope".into()]).into(),
        scope_map: object.read(at, "scope_map", scope_map),
        client_id_claim: object.read(at, "client_id_claim", named).unwrap_or_else(|| "client_id".into()),
        environment: object.read(at, "environment", |json, at| choice(json, at, &environments)),
        name: name?,
        audiences: audiences?.into(),
    };
    Some((issuer, keys?))
}

fn issuer_name(json: &Json, at: &At<'_>) -> Option<Box<str>> {
    let name = text(json, at)?;
    if name.len() <= MAX_LENGTH && is_url(name) && !name.contains(['?', '#']) {
        Some(name.into())
    } else {
        at.refuse("must be an https or http URL without query or fragment, of at most 1024 characters")
    }
}

/// Whether `text` is an `https` or `http` URL of visible ASCII characters that can stand between
/// quotes in a header.
pub(super) fn is_url(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>');
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && is_authority(host)
        && text.bytes().all(legal)
}

/// A name, of a claim or an audience: any text that is not empty.
fn named(json: &Json, at: &At<'_>) -> Option<Box<str>> {
    let name = text(json, at)?;
    if (1..=MAX_LENGTH).contains(&name.len()) {
        Some(name.into())
    } else {
        at.refuse("must be 1 to 1024 bytes long")
    }
}

/// A string, or a list of 1 to 8.
fn one_or_more<T>(json: &Json, at: &At<'_>, read: impl Fn(&Json, &At<'_>) -> Option<T>) -> Option<Vec<T>> {
    match json {
        Json::Text(_) => Some(vec![read(json, at)?]),
        Json::List(items) if (1..=MAX_ITEMS).contains(&items.len()) => list(json, at, read),
        _ => at.refuse("must be a string or a list of 1 to 8"),
    }
}

fn algorithms(json: &Json, at: &At<'_>) -> Option<Vec<Algorithm>> {
    let algorithms = list(json, at, |json, at| choice(json, at, &Algorithm::ALL))?;
    if matches!(json, Json::List(items) if items.is_empty()) {
        return at.refuse("must name an algorithm at least");
    }
    let is_repeated = |(place, algorithm)| algorithms.iter().take(place).any(|before| before == algorithm);
    if algorithms.iter().enumerate().any(is_repeated) {
        return at.refuse("must name each algorithm once");
    }
    Some(algorithms)
}

fn token_types(json: &Json, at: &At<'_>) -> Option<Vec<Box<str>>> {
    if !matches!(json, Json::List(items) if (1..=MAX_ITEMS).contains(&items.len())) {
        return at.refuse("must be a list of 1 to 8 types; \"\" stands for a token without one");
    }
    list(json, at, |json, at| {
        let name = text(json, at)?.to_ascii_lowercase();
        if name.len() <= MAX_LENGTH
            && !name.starts_with("application/")
            && name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            Some(name.into_boxed_str())
        } else {
            at.refuse("must be a type such as \"at+jwt\": visible ASCII characters, without \"application/\"")
        }
    })
}

fn scope_map(json: &Json, at: &At<'_>) -> Option<ScopeMap> {
    let Json::Object(members) = json else {
        return at.refuse("must be an object: from each scope to the list of permissions that it grants");
    };
    let mut map = BTreeMap::new();
    for (index, (scope, granted)) in members.iter().enumerate() {
        let at = at.member(scope, index);
        if !(1..=MAX_LENGTH).contains(&scope.len()) {
            at.refuse::<()>("must have the name of a scope, 1 to 1024 bytes long");
        }
        let granted = list(granted, &at, |json, at| {
            let grant = text(json, at)?;
            if is_grant(grant) {
                Some(Box::from(grant))
            } else {
                at.refuse(
                    "must be a permission such as \"documents:read\", whole segments and \":*\", or \"*\"",
                )
            }
        });
        if map.insert(scope.clone(), granted.unwrap_or_default().into()).is_some() {
            at.refuse::<()>("is there already: a scope has one entry");
        }
    }
    Some(map)
}
