//! The authorization request: what is asked for, and where a fault is told (RFC 6749 §4.1.1 and
//! §4.1.2.1).
//!
//! Client and redirect URI are looked at first. As long as they are not known to be good nobody is
//! sent anywhere: the user sees a page. From then on every fault goes back to the client, the first
//! that is found.

use super::client::{Client, GrantType};
use super::fault::Fault;
use super::issuer::Resources;
use super::params::Params;
use super::{pkce, scope};

/// The most bytes of a state.
pub const MAX_STATE: usize = 4_096;

/// Everything that is asked for, each part of it allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorizationRequest {
    /// Where the answer goes.
    pub back: Back,
    /// What the client wants, none of it more than it may ask for.
    pub scope: Vec<String>,
    /// The challenge whose verifier only the client knows.
    pub challenge: String,
    /// What the token is for.
    pub resource: String,
}

/// Where an answer goes, and what the client wants to hear again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Back {
    /// The redirect URI, a registered one.
    pub redirect_uri: String,
    /// The client's state, byte for byte.
    pub state: Option<Vec<u8>>,
}

/// Why nobody is sent anywhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unsafe {
    /// There is no client of that id, or it is disabled.
    Client,
    /// The redirect URI is not one of the client's.
    RedirectUri,
}

/// Which client a request names, if it names one and only one that could be ours.
#[must_use]
pub fn client_id(params: &Params) -> Option<&str> {
    params.text("client_id").ok().flatten().filter(|id| is_client_id(id))
}

/// Whether this may be the id of a client: what is none is never looked up.
#[must_use]
pub fn is_client_id(id: &str) -> bool {
    let digits = id.strip_prefix("client_").unwrap_or_default();
    digits.len() == 26 && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Where the answers of a request go.
///
/// # Errors
/// If no redirect can be trusted.
pub fn way_back(params: &Params, client: Option<&Client>) -> Result<Back, Unsafe> {
    let client = client.filter(|client| client.disabled_at.is_none()).ok_or(Unsafe::Client)?;
    let asked = params.text("redirect_uri").map_err(|_| Unsafe::RedirectUri)?;
    let redirect_uri = client.redirect_uri(asked).ok_or(Unsafe::RedirectUri)?;
    let state = params.bytes("state").ok().flatten().filter(|state| state.len() <= MAX_STATE);
    Ok(Back { redirect_uri, state: state.map(<[u8]>::to_vec) })
}

/// Judges the rest of a request.
///
/// # Errors
/// The first fault, which goes to the client.
pub fn judge(
    params: &Params,
    back: Back,
    client: &Client,
    resources: &Resources,
) -> Result<AuthorizationRequest, Fault> {
    if params.repeats("resource") || params.bytes("state").is_ok_and(|state| state.is_some_and(is_too_long)) {
        return Err(Fault::invalid_request("A parameter was given more than once, or is too long"));
    }
    if params.has("request") {
        return Err(Fault::request_not_supported());
    }
    if params.has("request_uri") {
        return Err(Fault::request_uri_not_supported());
    }
    match params.text("response_type") {
        Ok(Some("code")) => {}
        Ok(None) => return Err(Fault::invalid_request("The response type is missing")),
        _ => return Err(Fault::unsupported_response_type()),
    }
    if !matches!(params.text("response_mode"), Ok(None | Some("query"))) {
        return Err(Fault::invalid_request("The response mode must be query"));
    }
    if !client.may_use(GrantType::AuthorizationCode) {
        return Err(Fault::unauthorized_client());
    }
    let challenge = challenge(params)?;
    let scope = scope_of(params, &client.registration.permissions)?;
    let resource = resource_of(params, resources)?;
    Ok(AuthorizationRequest { back, scope, challenge, resource })
}

fn is_too_long(state: &[u8]) -> bool {
    state.len() > MAX_STATE
}

/// The challenge, which every request has (RFC 9700 §2.1.1).
fn challenge(params: &Params) -> Result<String, Fault> {
    // Left out, the method would be `plain` (RFC 7636 §4.3).
    if params.text("code_challenge_method") != Ok(Some("S256")) {
        return Err(Fault::invalid_request("The code challenge method must be S256"));
    }
    match params.text("code_challenge") {
        Ok(Some(text)) if pkce::is_challenge(text) => Ok(text.into()),
        _ => Err(Fault::invalid_request("The code challenge must be 43 characters of base64url")),
    }
}

/// What is asked for: all that may be, if nothing is said.
///
/// # Errors
/// If it is malformed, or more than may be asked for.
pub fn scope_of(params: &Params, most: &[String]) -> Result<Vec<String>, Fault> {
    let asked = match params.text("scope").map_err(|_| Fault::invalid_scope())? {
        Some(text) => scope::parse(text).map_err(|_| Fault::invalid_scope())?,
        None => most.to_vec(),
    };
    let is_good = scope::covers_all(most, &asked) && scope::is_short(&asked);
    if is_good { Ok(asked) } else { Err(Fault::invalid_scope()) }
}

/// What the token is for: the default, if nothing is said (RFC 8707 §2).
///
/// # Errors
/// If it is more than one, or not served.
pub fn resource_of(params: &Params, resources: &Resources) -> Result<String, Fault> {
    match params.text("resource").map_err(|_| Fault::invalid_target())? {
        None => Ok(resources.default_one().into()),
        Some(asked) if resources.has(asked) => Ok(asked.into()),
        Some(_) => Err(Fault::invalid_target()),
    }
}

#[cfg(test)]
mod tests;
