//! Judging an access token against a route (docs/contract.md, "Access tokens"): what
//! [`crate::token`] says of it, then whether it was revoked, then environment and permission as for
//! keys. The first that fails answers.

use std::rc::Rc;

use flint_contract::outcome::Outcome;

use crate::config::Config;
use crate::decide::decision::{Refusal, World};
use crate::decide::lookup::Readiness;
use crate::decide::reply::TokenFault;
use crate::decide::request::Request;
use crate::route::Access;
use crate::token::verifier::Awaited;
use crate::token::{Fault, Judged, Verified, revoked};

/// What becomes of a token.
#[derive(Debug)]
pub(super) enum Verdict<'c> {
    Accepted(Rc<Verified>),
    Refused(Refusal<'c>),
    /// It waits for keys, or for the table.
    Wait(Option<Awaited>),
    Undecided,
}

pub(super) fn judge<'c>(
    config: &'c Config,
    request: &Request<'_>,
    access: Access<'c>,
    token: &[u8],
    world: &mut impl World,
) -> Verdict<'c> {
    let resource = config.resources.asked_for(request.path).map(|resource| &*resource.name);
    let verified = match world.access_token(token, resource) {
        Judged::Good(verified) => verified,
        Judged::Refused(Fault::Invalid) => return refuse(None, None),
        Judged::Refused(Fault::Expired) => return refuse(Some(TokenFault::Expired), None),
        Judged::Unavailable => return Verdict::Undecided,
        Judged::Wait(awaited) => return Verdict::Wait(Some(awaited)),
    };
    match world.readiness() {
        Readiness::Usable => {}
        Readiness::Awaited => return Verdict::Wait(None),
        Readiness::TooOld => return Verdict::Undecided,
    }
    match is_revoked(config, &verified, world) {
        Some(false) => {}
        Some(true) => return refuse(Some(TokenFault::Revoked), Some(verified)),
        None => return Verdict::Undecided,
    }
    let (outcome, scope) = match verified.claims.environment {
        Some(environment) if config.environments.admits(environment) => {
            let ambiguous = config.resources.is_ambiguous(request.path);
            match if ambiguous { Access::Nobody } else { access } {
                Access::Public | Access::Authenticated => return Verdict::Accepted(verified),
                Access::Requires(requirement) if requirement.is_met_by(verified.grants()) => {
                    return Verdict::Accepted(verified);
                }
                Access::Requires(requirement) => (Outcome::MissingPermission, Some(requirement)),
                Access::Nobody => (Outcome::MissingPermission, None),
            }
        }
        // One that is of no environment is of none that is admitted.
        Some(_) | None => (Outcome::WrongEnvironment, None),
    };
    Verdict::Refused(Refusal { scope, token: Some(verified), ..Refusal::of(outcome) })
}

/// A token that waited for a key that did not come.
pub(super) fn without_key<'c>() -> Refusal<'c> {
    Refusal::of(Outcome::InvalidAccessToken)
}

fn refuse<'c>(fault: Option<TokenFault>, token: Option<Rc<Verified>>) -> Verdict<'c> {
    Verdict::Refused(Refusal { fault, token, ..Refusal::of(Outcome::InvalidAccessToken) })
}

/// Whether the authority has revoked it: until the entry's `expires_at`, and the skew longer.
/// `None` if that cannot be told.
fn is_revoked(config: &Config, verified: &Verified, world: &mut impl World) -> Option<bool> {
    let Some(jti) = verified.claims.jti.as_deref().filter(|_| config.authority.is_some()) else {
        return Some(false);
    };
    let Some(found) = world.find(&revoked::digest(jti)).ok()? else { return Some(false) };
    let expires_at = found.record()?.expires_at?;
    let skew = config.oauth.issuers.get(verified.issuer)?.clock_skew_seconds;
    Some(world.now()? < expires_at.saturating_add(i64::from(skew)))
}
