//! OAuth access tokens (contract §2.4 and §10): JWTs that are judged locally. Bytes, keys and time
//! in, a verdict out.
//!
//! 1. Form: up to 8,192 characters, three parts, none of them empty, in canonical base64url; header
//!    and claims are JSON objects in UTF-8 whose outermost names are all different ([`form`],
//!    [`members`]).
//! 2. Header: `alg` and `typ` are among the issuer's, there is no `crit`. No other member means
//!    anything: a key or the address of one that a token brings along is never used ([`read`]).
//! 3. Claims: of one issuer, for one of its audiences, at the right time; what is there has the
//!    right type ([`claims`]).
//! 4. Key and signature: a key of that issuer's set, with the token's `kid` if it has one, that
//!    fits `alg`. Of several, up to [`MOST_TRIED`] are tried ([`keys`], [`signature`]).
//!
//! A set of keys lies in shared data, once for the process ([`held`]); [`fetch`] keeps it fresh.
//! [`verifier`] puts all of it together, and remembers tokens that were good ([`memory`]).
//!
//! Until rule 4 holds, what is read is only claimed: [`Unverified`] gives out its claims in
//! exchange for a key whose signature is good, and in no other way.
//!
//! Standards: RFC 7515 (JWS), 7517 (JWK), 7518 (algorithms), 7519 (JWT), 8037 (EdDSA), 8725 (best
//! practice), 9068 (access tokens).

pub mod algorithm;
pub mod claims;
pub mod fetch;
mod form;
pub mod held;
pub mod issuer;
pub mod jwk;
pub mod keys;
mod members;
mod memory;
pub mod revoked;
mod signature;
pub mod verifier;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use algorithm::Algorithm;
pub use claims::Claims;
use form::Parts;
pub use issuer::Issuer;
pub use keys::{Key, KeySet};
use members::{Members, text};
pub use verifier::{Judged, Verified, Verifier};

/// The most characters of a token. Of a longer one nothing is read.
pub const MAX_TOKEN: usize = 8_192;
/// How many keys are tried where several have the `kid`, or where the token has none.
pub const MOST_TRIED: usize = 4;

/// Why a token is refused before any key is asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// Its form, header or claims are not as they have to be.
    Invalid,
    /// All that is asked of it is right, but its time has passed.
    Expired,
}

/// A token that would be good if its signature were. Nothing in it is proved.
pub struct Unverified<'t> {
    /// The place of its issuer among those that were asked about.
    pub issuer: usize,
    algorithm: Algorithm,
    kid: Option<String>,
    signed: &'t [u8],
    signature: Vec<u8>,
    claims: Claims,
}

impl<'t> Unverified<'t> {
    /// Reads a token by rules 1 to 3, at `now` in Unix seconds.
    ///
    /// # Errors
    /// [`Fault::Expired`] where nothing else is wrong with it.
    pub fn read(token: &'t [u8], issuers: &[Issuer], now: i64) -> Result<Self, Fault> {
        let (unverified, issuer) = Self::open(token, issuers).ok_or(Fault::Invalid)?;
        unverified.claims.times.judge(now, issuer.clock_skew_seconds)?;
        Ok(unverified)
    }

    /// All of rules 1 to 3 but for the times.
    fn open<'i>(token: &'t [u8], issuers: &'i [Issuer]) -> Option<(Self, &'i Issuer)> {
        let parts = Parts::split(token)?;
        let (header, payload) = (parts.header()?, parts.claims()?);
        let (header, payload) = (Members::parse(&header)?, Members::parse(&payload)?);
        let name = text(payload.get("iss")?)?;
        let place = issuers.iter().position(|issuer| *issuer.name == *name)?;
        let issuer = issuers.get(place)?;

        if header.get("crit").is_some() {
            return None;
        }
        let algorithm = Algorithm::parse(&text(header.get("alg")?)?)?;
        if !issuer.algorithms.contains(&algorithm) {
            return None;
        }
        let kid = header.get("kid").map(text);
        let media_type = header.get("typ").map(text);
        let profile = issuer.accepts_type(match &media_type {
            Some(None) => return None,
            Some(Some(text)) => Some(text),
            None => None,
        })?;
        let unverified = Self {
            issuer: place,
            algorithm,
            kid: match kid {
                Some(kid) => Some(kid?),
                None => None,
            },
            signed: parts.signed(),
            signature: parts.signature()?,
            claims: Claims::read(&payload, issuer, profile)?,
        };
        Some((unverified, issuer))
    }

    /// Whether it says that it is for this resource.
    #[must_use]
    pub fn is_for(&self, resource: &str) -> bool {
        self.claims.is_for(resource)
    }

    /// Whether the set has a key with the token's `kid`, whatever else that key is. A token without
    /// one asks for none.
    #[must_use]
    pub fn kid_is_known(&self, keys: &KeySet) -> bool {
        self.kid.as_deref().is_none_or(|kid| keys.iter().any(|key| key.has_id(kid)))
    }

    /// Checks the signature (rule 4). Returns the claims and the key that made them good.
    #[must_use]
    pub fn verify(self, keys: &KeySet) -> Option<(Claims, Arc<Key>)> {
        let named = |key: &&Arc<Key>| self.kid.as_deref().is_none_or(|kid| key.has_id(kid));
        let key = keys
            .iter()
            .filter(named)
            .filter(|key| key.fits(self.algorithm))
            .take(MOST_TRIED)
            .find(|key| signature::is_good(self.algorithm, key, self.signed, &self.signature))?;
        Some((self.claims, Arc::clone(key)))
    }
}

/// Never shows what a token says.
impl std::fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unverified").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
