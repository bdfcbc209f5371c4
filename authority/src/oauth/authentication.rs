//! How a client shows what it is (RFC 6749 §2.3, RFC 7521 §4.2, RFC 7523 §2.2).
//!
//! 1. In one way at a time. Two, or an id next to the header that is another's, is a bad request.
//! 2. In the way that it was registered with: a secret in header or body, a signed assertion, or
//!    the id alone.
//! 3. A public client has no secret; what it adds as one is refused.
//! 4. The halves of the header are form-decoded before they mean anything (§2.3.1).
//! 5. Unknown, disabled, wrong: one answer for all of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flint_contract::key::Digest;

use super::client::{AuthMethod, Client};
use super::fault::Fault;
use super::issuer::Issuer;
use super::params::{self, Params};
use super::{assertion, jws::Jws};

/// The one type of assertion that is taken.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client has shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Shown {
    /// Who it says that it is.
    pub client_id: String,
    proof: Proof,
}

#[derive(Clone, Eq, PartialEq)]
enum Proof {
    None,
    Secret(Digest),
    Assertion(String),
}

/// A client as it is kept, and its secrets.
#[derive(Clone, Debug)]
pub struct Known {
    /// The client.
    pub client: Client,
    /// Digests of its secrets, and the ends of those that have one.
    pub secrets: Vec<(Digest, Option<i64>)>,
}

/// An assertion that must not be taken twice.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Once {
    /// Its id.
    pub jti: String,
    /// When it ends by itself.
    pub expires_at: i64,
}

/// Reads what a request shows. `header`: the lines of `Authorization`.
///
/// # Errors
/// If it shows nothing, or too much.
pub fn read(header: &[&[u8]], params: &Params) -> Result<Shown, Fault> {
    let text = |name| params.text(name).map_err(|_| Fault::repeated());
    let (id, secret) = (text("client_id")?, text("client_secret")?);
    let (assertion, kind) = (text("client_assertion")?, text("client_assertion_type")?);
    let has_assertion = assertion.is_some() || kind.is_some();
    if usize::from(secret.is_some()) + usize::from(has_assertion) + header.len() > 1 {
        return Err(Fault::invalid_request("The client must authenticate in one way only"));
    }
    if let Some(line) = header.first() {
        let (client_id, secret) = basic(line).ok_or_else(Fault::invalid_client)?;
        if id.is_some_and(|id| id != client_id) {
            return Err(Fault::invalid_request("The client_id is not the one that authenticates"));
        }
        return Ok(Shown { client_id, proof: Proof::Secret(Digest::of(secret.as_bytes())) });
    }
    if has_assertion {
        return read_assertion(assertion, kind, id);
    }
    let client_id = id.ok_or_else(Fault::invalid_client)?.to_owned();
    let proof = secret.map_or(Proof::None, |secret| Proof::Secret(Digest::of(secret.as_bytes())));
    Ok(Shown { client_id, proof })
}

/// An assertion names its client itself; an id next to it must be the same (RFC 7521 §4.2).
fn read_assertion(assertion: Option<&str>, kind: Option<&str>, id: Option<&str>) -> Result<Shown, Fault> {
    let (Some(assertion), Some(kind)) = (assertion, kind) else {
        return Err(Fault::invalid_request(
            "An assertion needs both client_assertion and client_assertion_type",
        ));
    };
    let client_id = Jws::parse(assertion).and_then(|jws| jws.claim("sub").map(str::to_owned));
    let client_id = client_id
        .filter(|client_id| kind == ASSERTION_TYPE && id.is_none_or(|id| id == client_id))
        .ok_or_else(Fault::invalid_client)?;
    Ok(Shown { client_id, proof: Proof::Assertion(assertion.into()) })
}

/// Name and password of a header `Basic …`, form-decoded.
fn basic(line: &[u8]) -> Option<(String, String)> {
    let (scheme, token) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(token.trim_matches(' ')).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let half = |bytes: &[u8]| String::from_utf8(params::decode(bytes)).ok();
    Some((half(&pair[..colon])?, half(&pair[colon + 1..])?))
}

/// Whether the client is what it says, and what it must never show again.
///
/// # Errors
/// If it is not: one fault for every reason.
pub fn judge(shown: &Shown, known: Option<&Known>, issuer: &Issuer, now: i64) -> Result<Option<Once>, Fault> {
    let known = known.filter(|known| known.client.disabled_at.is_none()).ok_or_else(Fault::invalid_client)?;
    match (&shown.proof, known.client.registration.auth_method) {
        (Proof::None, AuthMethod::None) => Ok(None),
        (Proof::Secret(digest), method) if method.has_secret() && known.has_secret(digest, now) => Ok(None),
        (Proof::Assertion(text), AuthMethod::PrivateKeyJwt) => {
            assertion::judge(text, &known.client, issuer, now).map(Some).ok_or_else(Fault::invalid_client)
        }
        _ => Err(Fault::invalid_client()),
    }
}

impl Known {
    fn has_secret(&self, shown: &Digest, now: i64) -> bool {
        self.secrets.iter().any(|(digest, end)| digest == shown && end.is_none_or(|end| now < end))
    }
}

#[cfg(test)]
mod tests;
