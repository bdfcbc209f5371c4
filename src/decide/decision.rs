//! Decides what happens to a request, in the order of contract §3. The first step that fails
//! determines the answer.
//!
//! 1. The route's requirement: a public route forwards the request without reading the credential.
//! 2. The credential: missing and malformed ones are refused. Neither needs a table.
//! 3. The table is usable; the key is known.
//! 4. The key is not revoked, not expired, already valid.
//! 5. Its environment is admitted, the client's address is allowed, the permission is held.
//!
//! If `oauth` is configured, a token that is not a key is judged by [`super::access_token`] from
//! step 2 on. Requests for the metadata of a resource are answered before any of this.
//!
//! A request is forwarded only by a [`Permit`], and only this module makes one: from a record that
//! passed every step, from a public rule, or because the configuration lets requests pass when no
//! decision can be made.

use std::net::IpAddr;
use std::rc::Rc;

use flint_contract::key::Digest;
use flint_contract::outcome::Outcome;
use flint_contract::permission::Requirement;

use crate::config::{Config, CorsPreflight, Unavailable};
use crate::decide::access_token::{self, Verdict as TokenVerdict};
use crate::decide::credential::Credential;
use crate::decide::lookup::Readiness;
use crate::decide::reply::TokenFault;
use crate::decide::request::Request;
use crate::route::Access;
use crate::table::{Fault, Found, Record};
use crate::token::verifier::Awaited;
use crate::token::{Judged, Verified};

/// What a decision asks about the world. Each is asked at most once, and only if the answer
/// matters: most cost a call to the host.
pub trait World {
    /// Whether there is a table to ask.
    fn readiness(&mut self) -> Readiness;
    /// The record of a key.
    ///
    /// # Errors
    /// If the table cannot be read; no decision can be made then.
    fn find(&mut self, digest: &Digest) -> Result<Option<Found>, Fault>;
    /// What an access token is worth, which has to be for `resource` if there is one.
    fn access_token(&mut self, token: &[u8], resource: Option<&str>) -> Judged;
    /// The wall clock, in Unix seconds; `None` if it cannot be read.
    fn now(&mut self) -> Option<i64>;
    /// Where the client is, as Envoy knows it; never what the client says of itself.
    fn client_address(&mut self) -> Option<IpAddr>;
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision<'c> {
    /// It is forwarded.
    Forward(Permit),
    /// It is refused.
    Refuse(Refusal<'c>),
    /// Something that it needs is awaited: ask again when that is there, or take [`waited_in_vain`]
    /// for an answer.
    Wait(Wait<'c>),
    /// It is answered with this document, the metadata of a resource.
    Serve(&'c [u8]),
}

/// What a request waits for.
#[derive(Clone, Copy, Debug)]
pub struct Wait<'c> {
    access: Access<'c>,
    /// Keys of an issuer; `None`: the first table.
    pub awaited: Option<Awaited>,
}

/// The right to be forwarded.
#[derive(Debug)]
pub struct Permit(Reason);

#[derive(Debug)]
enum Reason {
    Accepted(Found),
    Token(Rc<Verified>),
    Public,
    Undecided,
}

/// Why a request is refused.
#[derive(Debug)]
pub struct Refusal<'c> {
    /// The outcome; never one that forwards.
    pub outcome: Outcome,
    /// What the route asks for, where anybody could have it.
    pub scope: Option<&'c Requirement>,
    /// The key, where it is known.
    pub key: Option<Found>,
    /// The access token, if its signature is good.
    pub token: Option<Rc<Verified>>,
    /// What is said of an access token that is refused.
    pub fault: Option<TokenFault>,
}

/// Decides a request.
pub fn decide<'c>(config: &'c Config, request: &Request<'_>, world: &mut impl World) -> Decision<'c> {
    if let Some(document) = config.resources.document(request.method, request.path) {
        return Decision::Serve(document);
    }
    let access = config.routes.find(request.method, request.path);
    if access == Access::Public || passes_as_preflight(config, request) {
        return Decision::Forward(Permit(Reason::Public));
    }
    let credential = Credential::read(request.authorization);
    let digest = match credential {
        Credential::Absent => {
            let scope = if let Access::Requires(requirement) = access { Some(requirement) } else { None };
            return Decision::Refuse(Refusal { scope, ..Refusal::of(Outcome::NoCredential) });
        }
        Credential::Malformed => return refuse(Outcome::Malformed),
        Credential::ApiKey(key, _) => Some(Digest::of(key)),
        Credential::Token(token) if config.oauth.is_configured() => {
            return match access_token::judge(config, request, access, token, world) {
                TokenVerdict::Accepted(verified) => Decision::Forward(Permit(Reason::Token(verified))),
                TokenVerdict::Refused(refusal) => Decision::Refuse(refusal),
                TokenVerdict::Wait(awaited) => Decision::Wait(Wait { access, awaited }),
                TokenVerdict::Undecided => undecided(config, access),
            };
        }
        Credential::Token(_) => None,
    };
    match world.readiness() {
        Readiness::Usable => {}
        Readiness::Awaited => return Decision::Wait(Wait { access, awaited: None }),
        Readiness::TooOld => return undecided(config, access),
    }
    let found = match digest.map(|digest| world.find(&digest)) {
        Some(Ok(Some(found))) => found,
        Some(Ok(None)) | None => return refuse(Outcome::UnknownKey),
        Some(Err(_)) => return undecided(config, access),
    };
    let Some(record) = found.record() else { return undecided(config, access) };
    let Some(verdict) = judge(config, access, &record, world) else { return undecided(config, access) };
    match verdict {
        Ok(()) => Decision::Forward(Permit(Reason::Accepted(found))),
        Err((outcome, scope)) => {
            Decision::Refuse(Refusal { scope, key: Some(found), ..Refusal::of(outcome) })
        }
    }
}

/// The decision where what was awaited did not come.
#[must_use]
pub fn waited_in_vain<'c>(config: &Config, wait: Wait<'_>) -> Decision<'c> {
    match wait.awaited {
        Some(awaited) if awaited.is_for_a_kid() => Decision::Refuse(access_token::without_key()),
        Some(_) | None => undecided(config, wait.access),
    }
}

/// The decision where none can be made: a table that was awaited did not come, or something cannot
/// be read.
///
/// Fails open where the configuration says so; but not where any key would be refused, since that
/// is decided.
fn undecided<'c>(config: &Config, access: Access<'_>) -> Decision<'c> {
    match config.unavailable {
        Unavailable::Allow if access != Access::Nobody => Decision::Forward(Permit(Reason::Undecided)),
        Unavailable::Allow | Unavailable::Deny => refuse(Outcome::Unavailable),
    }
}

fn refuse<'c>(outcome: Outcome) -> Decision<'c> {
    Decision::Refuse(Refusal::of(outcome))
}

/// A CORS preflight (Fetch §4.8) carries no credential; whether it may pass without is the
/// configuration's. An ambiguous path is never public.
fn passes_as_preflight(config: &Config, request: &Request<'_>) -> bool {
    config.cors_preflight == CorsPreflight::Allow
        && request.method == b"OPTIONS"
        && request.asks_cors
        && !config.routes.is_ambiguous(request.path)
}

type Verdict<'c> = Result<(), (Outcome, Option<&'c Requirement>)>;

/// Steps 4 and 5; `None` where the time cannot be told and matters.
fn judge<'c>(
    config: &Config,
    access: Access<'c>,
    record: &Record<'_>,
    world: &mut impl World,
) -> Option<Verdict<'c>> {
    if record.is_timed() {
        let now = world.now()?;
        let reached = |time: Option<i64>| time.is_some_and(|time| time <= now);
        if reached(record.revoked_at) {
            return Some(Err((Outcome::Revoked, None)));
        }
        if reached(record.expires_at) {
            return Some(Err((Outcome::Expired, None)));
        }
        if record.not_before.is_some_and(|time| time > now) {
            return Some(Err((Outcome::NotYetValid, None)));
        }
    }
    if !config.environments.admits(record.environment) {
        return Some(Err((Outcome::WrongEnvironment, None)));
    }
    if !record.admits_address(|| world.client_address()) {
        return Some(Err((Outcome::AddressNotAllowed, None)));
    }
    Some(match access {
        Access::Public | Access::Authenticated => Ok(()),
        Access::Requires(requirement) if requirement.is_met_by(record.grants()) => Ok(()),
        Access::Requires(requirement) => Err((Outcome::MissingPermission, Some(requirement))),
        Access::Nobody => Err((Outcome::MissingPermission, None)),
    })
}

// === impl Refusal ===

impl Refusal<'_> {
    /// A refusal of which nothing but the outcome is known.
    #[must_use]
    pub const fn of(outcome: Outcome) -> Self {
        Self { outcome, scope: None, key: None, token: None, fault: None }
    }
}

// === impl Permit ===

impl Permit {
    /// The outcome.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self.0 {
            Reason::Accepted(_) | Reason::Token(_) => Outcome::Allowed,
            Reason::Public => Outcome::Public,
            Reason::Undecided => Outcome::Unavailable,
        }
    }

    /// The key that was accepted, for the upstream to be told of.
    #[must_use]
    pub const fn key(&self) -> Option<&Found> {
        match &self.0 {
            Reason::Accepted(found) => Some(found),
            Reason::Token(_) | Reason::Public | Reason::Undecided => None,
        }
    }

    /// The access token that was accepted.
    #[must_use]
    pub fn token(&self) -> Option<&Verified> {
        match &self.0 {
            Reason::Token(verified) => Some(verified),
            Reason::Accepted(_) | Reason::Public | Reason::Undecided => None,
        }
    }
}
