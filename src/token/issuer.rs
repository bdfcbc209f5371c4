//! What one issuer's tokens must satisfy.

use std::collections::BTreeMap;

use super::algorithm::Algorithm;
use flint_contract::key::Environment;

/// What each scope of an issuer grants.
pub type ScopeMap = BTreeMap<Box<str>, Box<[Box<str>]>>;

/// One issuer as the configuration has it.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// What `iss` has to be, byte for byte.
    pub name: Box<str>,
    /// What `aud` has to have one of, byte for byte.
    pub audiences: Box<[Box<str>]>,
    /// The algorithms that are accepted.
    pub algorithms: Box<[Algorithm]>,
    /// How far its clock may be from ours.
    pub clock_skew_seconds: u32,
    /// The values of `typ` that are accepted, in lower case and without `application/`; an empty
    /// one stands for none.
    pub token_types: Box<[Box<str>]>,
    /// The names that lead to the scopes.
    pub scope_claim: Box<[Box<str>]>,
    /// What the issuer's scopes grant here; `None` where they are permissions themselves.
    pub scope_map: Option<ScopeMap>,
    /// The claim that names the client.
    pub client_id_claim: Box<str>,
    /// The environment of a token that does not say one.
    pub environment: Option<Environment>,
}

/// Which claims a token must have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// Those of RFC 9068 §2.2.
    AccessToken,
    /// The least that tokens of other types have.
    Other,
}

impl Issuer {
    /// Whether a `typ` is accepted, and what it asks of the claims. Letter case and a leading
    /// `application/` do not matter (RFC 7515 §4.1.9, RFC 9068 §4).
    #[must_use]
    pub fn accepts_type(&self, media_type: Option<&str>) -> Option<Profile> {
        let lower = media_type.map(str::to_ascii_lowercase);
        let name = match &lower {
            None => "",
            Some(lower) => {
                let name = lower.strip_prefix("application/").unwrap_or(lower);
                // An empty one stands for none in the configuration, and for nothing in a token.
                Some(name).filter(|name| !name.is_empty())?
            }
        };
        let is_accepted = self.token_types.iter().any(|accepted| **accepted == *name);
        is_accepted.then_some(if name == "at+jwt" { Profile::AccessToken } else { Profile::Other })
    }

    /// What a scope of this issuer grants; nothing where it is no grant.
    pub(super) fn grants(&self, scope: &str) -> Vec<Box<str>> {
        match &self.scope_map {
            Some(map) => map.get(scope).map(|grants| grants.to_vec()).unwrap_or_default(),
            None if flint_contract::permission::is_grant(scope) => vec![scope.into()],
            None => Vec::new(),
        }
    }
}
