//! The plugin's configuration (contract §5): from JSON to a [`Config`] that cannot be wrong.
//!
//! 1. Reading is a pure function of the bytes: if it failed on one worker after it succeeded
//!    elsewhere, Envoy would let everything through on that worker.
//! 2. Nothing is guessed: an unknown or repeated field, a wrong type and an impossible value are
//!    refused.
//! 3. All mistakes are reported at once, each with its JSON path and the rule that it breaks.
//! 4. No message contains a value, since it may be a secret in the wrong place.

mod authority;
mod field;
mod json;
mod keys;
pub mod oauth;
mod report;
mod routes;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::route::{Routes, Unmatched};

use field::{Object, choice, flag, list, text, whole};
use flint_contract::entry::Entry;
use flint_contract::key::{Digest, Environment};
use json::Json;
use report::{At, Report};

pub use oauth::{Oauth, Resources};
pub use report::{ConfigError, ConfigErrors};

/// The longest realm.
const MAX_REALM: usize = 256;
/// What `max_staleness_seconds` may be at most: a year.
const MAX_STALENESS: u32 = 31_536_000;

/// What the filter is told to do. One that exists is good.
#[derive(Debug)]
pub struct Config {
    /// The realm of challenges: 1 to 256 printable ASCII characters without `"` and `\`.
    pub realm: Box<str>,
    /// The environments whose keys are admitted; at least one.
    pub environments: Environments,
    /// Where the key table comes from.
    pub authority: Option<Authority>,
    /// What becomes of requests about which nothing can be decided.
    pub unavailable: Unavailable,
    /// The age, in seconds, at which a table is no longer usable; more than
    /// `authority.wait_seconds`.
    pub max_staleness_seconds: u32,
    /// What requests ask for.
    pub routes: Routes,
    /// What becomes of CORS preflights.
    pub cors_preflight: CorsPreflight,
    /// Whether an accepted credential continues to the upstream.
    pub forward_authorization: bool,
    /// The keys that stand in the configuration itself.
    pub keys: InlineKeys,
    /// The issuers whose access tokens are accepted.
    pub oauth: Oauth,
    /// What callers are told of the API behind this gateway.
    pub resources: Resources,
}

/// A set of environments, not empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Environments {
    live: bool,
    test: bool,
}

/// How the authority is called.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Envoy's name of the cluster.
    pub cluster: Box<str>,
    /// The `:authority` of calls.
    pub host: Box<str>,
    /// What calls are authenticated with.
    pub token: Token,
    /// How long the authority is asked to hold a call, in seconds, 1 to 300.
    pub wait_seconds: u32,
    /// How long after that a call is given up, in seconds, 1 to 300.
    pub timeout_seconds: u32,
}

/// Where the gateway's token is.
#[derive(Clone, Debug)]
pub enum Token {
    /// There is none: calls carry no credential.
    None,
    /// In the configuration.
    Literal(Secret),
    /// In this variable of the VM's environment.
    Env(Box<str>),
}

/// Text that nobody may see. `Debug` prints nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Box<str>);

/// What becomes of a request about which nothing can be decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unavailable {
    /// It is refused.
    Deny,
    /// It is forwarded without identity: fails open, where the operator says so.
    Allow,
}

/// What becomes of a CORS preflight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CorsPreflight {
    /// It is authenticated like any request.
    Authenticate,
    /// It is forwarded.
    Allow,
}

/// The keys of the configuration, by digest.
#[derive(Default)]
pub struct InlineKeys(Box<[Entry]>);

// === impl Config ===

const FIELDS: &[&str] = &[
    "realm",
    "environments",
    "authority",
    "unavailable",
    "max_staleness_seconds",
    "routes",
    "default",
    "cors_preflight",
    "forward_authorization",
    "keys",
    "oauth",
    "resource_metadata",
];

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    ///
    /// Every mistake in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigErrors> {
        let report = Report::default();
        let at = At::root(&report);
        let config = match json::parse(bytes) {
            Ok(json) => read(&json, &at),
            Err(rule) => at.refuse(rule),
        };
        match config {
            Some(config) if report.is_empty() => Ok(config),
            _ => Err(report.into_errors()),
        }
    }
}

/// `None` only where a mistake was reported. Mistakes may be reported of a configuration that is
/// answered, too.
fn read(json: &Json, at: &At<'_>) -> Option<Config> {
    let object = Object::open(json, at, FIELDS)?;
    if !["authority", "keys", "oauth"].iter().any(|source| object.get(source).is_some()) {
        at.refuse::<()>("must have a source of keys: \"authority\", \"keys\" or \"oauth\"");
    }
    let oauth = object.read(at, "oauth", oauth::read);
    let resources =
        object.read(at, "resource_metadata", |json, at| oauth::resources::read(json, at, oauth.as_ref()));
    if object.get("resource_metadata").is_some() && object.get("oauth").is_none() {
        at.field("resource_metadata").refuse::<()>("needs \"oauth\": it says whose tokens are accepted");
    }
    let authority = object.read(at, "authority", authority::read);
    let max_staleness_seconds = object
        .read(at, "max_staleness_seconds", |json, at| whole(json, at, 1..=MAX_STALENESS))
        .unwrap_or(3600);
    if let Some(authority) = &authority
        && max_staleness_seconds <= authority.wait_seconds
    {
        at.field("max_staleness_seconds").refuse::<()>(
            "must exceed authority.wait_seconds: a call that is being held must not age the table out",
        );
    }
    let unmatched = [("authenticated", Unmatched::Authenticated), ("deny", Unmatched::Deny)];
    let unmatched = object.read(at, "default", |json, at| choice(json, at, &unmatched));
    let unavailable = [("deny", Unavailable::Deny), ("allow", Unavailable::Allow)];
    let preflight = [("authenticate", CorsPreflight::Authenticate), ("allow", CorsPreflight::Allow)];
    let routes = routes::read(object.get("routes"), at, unmatched.unwrap_or(Unmatched::Authenticated));
    let config = Config {
        realm: object.read(at, "realm", realm).unwrap_or_else(|| "flint".into()),
        environments: object.read(at, "environments", environments).unwrap_or(Environments::LIVE),
        authority,
        unavailable: object
            .read(at, "unavailable", |json, at| choice(json, at, &unavailable))
            .unwrap_or(Unavailable::Deny),
        max_staleness_seconds,
        // If there are none a mistake was reported, and the configuration will not be used.
        routes: routes.unwrap_or_default(),
        cors_preflight: object
            .read(at, "cors_preflight", |json, at| choice(json, at, &preflight))
            .unwrap_or(CorsPreflight::Authenticate),
        forward_authorization: object.read(at, "forward_authorization", flag).unwrap_or(false),
        keys: object.read(at, "keys", keys::read).unwrap_or_default(),
        oauth: oauth.unwrap_or_default(),
        resources: resources.unwrap_or_default(),
    };
    Some(config)
}

fn realm(json: &Json, at: &At<'_>) -> Option<Box<str>> {
    let realm = text(json, at)?;
    // It stands between quotes in a header (RFC 9110 §5.6.4), where these two would need escapes.
    let legal = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if (1..=MAX_REALM).contains(&realm.len()) && realm.bytes().all(legal) {
        Some(realm.into())
    } else {
        at.refuse("must be 1 to 256 printable ASCII characters without \" and \\")
    }
}

fn environments(json: &Json, at: &At<'_>) -> Option<Environments> {
    let words = [("live", Environment::Live), ("test", Environment::Test)];
    let found = list(json, at, |json, at| choice(json, at, &words))?;
    let has = |wanted| found.iter().filter(|found| **found == wanted).count();
    let (live, test) = (has(Environment::Live), has(Environment::Test));
    if live > 1 || test > 1 {
        return at.refuse("must name each environment once");
    }
    if live + test == 0 {
        return at.refuse("must name \"live\", \"test\" or both");
    }
    Some(Environments { live: live > 0, test: test > 0 })
}

// === impl Environments ===

impl Environments {
    const LIVE: Self = Self { live: true, test: false };

    /// Whether keys of this environment are admitted.
    #[must_use]
    pub const fn admits(self, environment: Environment) -> bool {
        match environment {
            Environment::Live => self.live,
            Environment::Test => self.test,
        }
    }
}

// === impl Secret ===

impl Secret {
    /// The text itself, for the one header that carries it.
    #[must_use]
    pub const fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

// === impl InlineKeys ===

impl InlineKeys {
    /// Takes entries, no two of one digest.
    fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by_key(|entry| entry.digest);
        Self(entries.into())
    }

    /// The entry of a digest.
    #[must_use]
    pub fn get(&self, digest: &Digest) -> Option<&Entry> {
        let index = self.0.binary_search_by_key(digest, |entry| entry.digest).ok()?;
        self.0.get(index)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for InlineKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InlineKeys({})", self.len())
    }
}
