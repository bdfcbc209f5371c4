//! What a client is told: from an outcome to status, headers and body (contract §3). This is the
//! only file with text that clients read.
//!
//! 1. A malformed key and an unknown key get the same bytes, so that the answer reveals nothing
//!    about which keys exist.
//! 2. A client that sends a revoked, expired or not yet valid key has proved possession, and is
//!    told which of the three applies.
//! 3. If a permission is missing, the answer names what the route requires, and never what the key
//!    holds.
//! 4. A request without a credential gets a challenge without an error (RFC 6750 §3.1).
//! 5. For a refused access token, the answer says at most that it has expired or was revoked.
//! 6. If the resource has metadata, every challenge ends with its address (RFC 9728 §5.1); the
//!    challenge to a request without a credential then also says what the route requires.
//! 7. `unavailable` is not the caller's fault: there is no challenge, and `retry-after` says when
//!    to try again.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use flint_contract::outcome::Outcome;
use flint_contract::permission::Requirement;

/// An answer in place of the upstream's. Envoy leaves the body out where the request is HEAD, and
/// maps the status for gRPC callers (401, 403, 503 to 16, 7, 14).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// 401, 403 or 503.
    pub status: u16,
    /// `content-type`, `cache-control`, then `www-authenticate` or `retry-after`. Names are in
    /// lower case.
    pub headers: [(&'static str, Cow<'static, str>); 3],
    /// A JSON document.
    pub body: &'static [u8],
    /// The response code details: `flint_` and the outcome's word.
    pub details: &'static str,
}

/// One row of the contract's table.
struct Row {
    status: u16,
    details: &'static str,
    body: &'static [u8],
    /// What follows the realm in the challenge.
    challenge: Challenge,
}

/// What a challenge is made of, besides the outcome.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The realm, as a `Config` has it: it needs no escapes.
    pub realm: &'a str,
    /// What the route asks for, where anybody could hold it.
    pub scope: Option<&'a Requirement>,
    /// What is said of an access token.
    pub fault: Option<TokenFault>,
    /// Where the resource's metadata is, as a `Config` has it.
    pub metadata_url: Option<&'a str>,
}

/// What is said of an access token that is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenFault {
    /// Nothing is wrong with it but that its time has passed.
    Expired,
    /// It was revoked.
    Revoked,
}

enum Challenge {
    /// None: the client can do nothing but come again.
    RetryAfter,
    /// The realm, and this.
    Realm(&'static str),
    /// The realm, this, and what the route asks for.
    Scope(&'static str),
}

/// The headers of a resource's metadata, which anybody may read.
pub const METADATA_HEADERS: [(&str, &str); 2] =
    [("content-type", "application/json"), ("access-control-allow-origin", "*")];
/// The response code details of a resource's metadata.
pub const METADATA_DETAILS: &str = "flint_resource_metadata";

const INVALID_API_KEY: &[u8] =
    br#"{"error":{"code":"INVALID_API_KEY","message":"The provided API key is invalid or has been revoked"}}"#;
const INSUFFICIENT_PERMISSIONS: &[u8] = br#"{"error":{"code":"INSUFFICIENT_PERMISSIONS","message":"This API key doesn't have permission to access this resource"}}"#;
const INVALID_ACCESS_TOKEN: &[u8] = br#"{"error":{"code":"INVALID_ACCESS_TOKEN","message":"The provided access token is invalid, has expired or has been revoked"}}"#;
const AUTH_UNAVAILABLE: &[u8] =
    br#"{"error":{"code":"AUTH_UNAVAILABLE","message":"Authentication is temporarily unavailable"}}"#;

const INSUFFICIENT_SCOPE: &str = r#", error="insufficient_scope""#;

/// The answer to a request that is not forwarded.
///
/// `allowed` and `public` have no answer: who asks for one gets that of `unavailable`, so that a
/// mistake here cannot let a request through.
#[must_use]
pub fn reply(outcome: Outcome, context: &Context<'_>) -> Reply {
    let Row { status, details, body, challenge } = row(outcome);
    let last = match challenge {
        Challenge::RetryAfter => ("retry-after", Cow::Borrowed("1")),
        Challenge::Realm(error) => ("www-authenticate", bearer(outcome, error, None, context).into()),
        Challenge::Scope(error) => {
            ("www-authenticate", bearer(outcome, error, context.scope, context).into())
        }
    };
    let headers = [
        ("content-type", Cow::Borrowed("application/json")),
        ("cache-control", Cow::Borrowed("no-store")),
        last,
    ];
    Reply { status, headers, body, details }
}

fn bearer(outcome: Outcome, error: &str, scope: Option<&Requirement>, context: &Context<'_>) -> String {
    let mut challenge = format!(r#"Bearer realm="{}"{error}"#, context.realm);
    let mut add = |text: &str| challenge.push_str(text);
    match context.fault.filter(|_| outcome == Outcome::InvalidAccessToken) {
        Some(TokenFault::Expired) => add(r#", error_description="The access token has expired""#),
        Some(TokenFault::Revoked) => add(r#", error_description="The access token has been revoked""#),
        None => {}
    }
    let asks = outcome == Outcome::NoCredential && context.metadata_url.is_some();
    if let Some(scope) = scope.or(context.scope.filter(|_| asks)) {
        add(&format!(r#", scope="{scope}""#));
    }
    if let Some(url) = context.metadata_url {
        add(&format!(r#", resource_metadata="{url}""#));
    }
    challenge
}

const fn row(outcome: Outcome) -> Row {
    match outcome {
        Outcome::NoCredential => key_refused("flint_no_credential", ""),
        Outcome::Malformed => key_refused("flint_malformed", invalid_token::KEY),
        Outcome::UnknownKey => key_refused("flint_unknown_key", invalid_token::KEY),
        Outcome::Revoked => key_refused("flint_revoked", invalid_token::REVOKED),
        Outcome::Expired => key_refused("flint_expired", invalid_token::EXPIRED),
        Outcome::NotYetValid => key_refused("flint_not_yet_valid", invalid_token::NOT_YET_VALID),
        Outcome::WrongEnvironment => {
            forbidden("flint_wrong_environment", Challenge::Realm(INSUFFICIENT_SCOPE))
        }
        Outcome::AddressNotAllowed => {
            forbidden("flint_address_not_allowed", Challenge::Realm(INSUFFICIENT_SCOPE))
        }
        Outcome::MissingPermission => {
            forbidden("flint_missing_permission", Challenge::Scope(INSUFFICIENT_SCOPE))
        }
        Outcome::InvalidAccessToken => Row {
            status: 401,
            details: "flint_invalid_access_token",
            body: INVALID_ACCESS_TOKEN,
            challenge: Challenge::Realm(invalid_token::ACCESS_TOKEN),
        },
        Outcome::Unavailable | Outcome::Allowed | Outcome::Public => Row {
            status: 503,
            details: "flint_unavailable",
            body: AUTH_UNAVAILABLE,
            challenge: Challenge::RetryAfter,
        },
    }
}

const fn key_refused(details: &'static str, error: &'static str) -> Row {
    Row { status: 401, details, body: INVALID_API_KEY, challenge: Challenge::Realm(error) }
}

const fn forbidden(details: &'static str, challenge: Challenge) -> Row {
    Row { status: 403, details, body: INSUFFICIENT_PERMISSIONS, challenge }
}

/// What follows the realm where the token is at fault (RFC 6750 §3.1). Descriptions have no `"` and
/// no `\`.
mod invalid_token {
    pub(super) const ACCESS_TOKEN: &str = r#", error="invalid_token""#;
    pub(super) const KEY: &str =
        r#", error="invalid_token", error_description="The API key is invalid or has been revoked""#;
    pub(super) const REVOKED: &str =
        r#", error="invalid_token", error_description="The API key has been revoked""#;
    pub(super) const EXPIRED: &str =
        r#", error="invalid_token", error_description="The API key has expired""#;
    pub(super) const NOT_YET_VALID: &str =
        r#", error="invalid_token", error_description="The API key is not yet valid""#;
}
