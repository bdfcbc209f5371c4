//! The claims of a token (RFC 7519 §4.1, RFC 9068 §2.2). A claim that is there and of a wrong type
//! is a fault, `null` included.

use serde_json::value::RawValue;

use super::Fault;
use super::issuer::{Issuer, Profile};
use super::members::{Members, number, text, texts};
use flint_contract::key::Environment;

/// The longest `sub` and client id.
const MAX_NAME: usize = 255;
/// The longest `jti`.
const MAX_JTI: usize = 256;
/// How deep the scopes may lie; what the configuration allows is less.
const YEAR_10000: f64 = 253_402_300_800.0;

/// What a token says, as far as anybody here asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// Whom it was issued to or for.
    pub subject: Option<Box<str>>,
    /// The client that it was issued to.
    pub client_id: Option<Box<str>>,
    /// The token's own id.
    pub jti: Option<Box<str>>,
    /// Where it is good; the configured environment where it does not say.
    pub environment: Option<Environment>,
    /// What it grants.
    pub grants: Box<[Box<str>]>,
    /// Whom it is for.
    pub audiences: Box<[Box<str>]>,
    /// When it is good.
    pub times: Times,
}

/// The times of a token, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    expires: f64,
    not_before: Option<f64>,
    issued: Option<f64>,
}

impl Claims {
    /// Reads all claims but `iss`. The times are not judged yet.
    pub(super) fn read(payload: &Members<'_>, issuer: &Issuer, profile: Profile) -> Option<Self> {
        let audiences = payload.get("aud").and_then(text_or_texts)?;
        let is_ours = |audience: &String| issuer.audiences.iter().any(|ours| **ours == **audience);
        if !audiences.iter().any(is_ours) {
            return None;
        }
        let claims = Self {
            subject: optional(payload, "sub", |value| name(value, MAX_NAME))?,
            client_id: optional(payload, &issuer.client_id_claim, |value| name(value, MAX_NAME))?,
            jti: optional(payload, "jti", |value| name(value, MAX_JTI))?,
            environment: optional(payload, "environment", |value| Environment::parse(&text(value)?))?
                .or(issuer.environment),
            grants: grants(payload, issuer)?,
            audiences: audiences.into_iter().map(String::into_boxed_str).collect(),
            times: Times {
                expires: payload.get("exp").and_then(time)?,
                not_before: optional(payload, "nbf", time)?,
                issued: optional(payload, "iat", time)?,
            },
        };
        (profile == Profile::Other || claims.has_all_of_an_access_token()).then_some(claims)
    }

    const fn has_all_of_an_access_token(&self) -> bool {
        self.subject.is_some()
            && self.client_id.is_some()
            && self.jti.is_some()
            && self.times.issued.is_some()
    }

    /// Whether the token is for this resource.
    #[must_use]
    pub fn is_for(&self, resource: &str) -> bool {
        self.audiences.iter().any(|audience| **audience == *resource)
    }

    /// How many bytes this takes up, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let texts = [&self.subject, &self.client_id, &self.jti].into_iter().flatten();
        let lists = self.grants.iter().chain(&self.audiences);
        // A block of its own for each, with the allocator's header.
        let of = |text: &str| text.len() + size_of::<Box<str>>() + 16;
        size_of::<Self>() + texts.chain(lists).map(|text| of(text)).sum::<usize>()
    }
}

impl Times {
    /// Whether the token is good at `now`, give or take the skew.
    ///
    /// # Errors
    /// [`Fault::Expired`] where it was and is no longer.
    pub fn judge(&self, now: i64, skew: u32) -> Result<(), Fault> {
        #[expect(clippy::cast_precision_loss, reason = "exact for the next hundred million years")]
        let now = now as f64;
        let skew = f64::from(skew);
        let reached = |time: Option<f64>| time.is_none_or(|time| time <= now + skew);
        match (reached(self.not_before) && reached(self.issued), now < self.expires + skew) {
            (true, true) => Ok(()),
            (true, false) => Err(Fault::Expired),
            (false, _) => Err(Fault::Invalid),
        }
    }
}

/// Reads a claim that may be absent. The outer `None` is a fault.
#[expect(clippy::option_option, reason = "absent and at fault are two things")]
fn optional<T>(
    payload: &Members<'_>,
    claim: &str,
    read: impl FnOnce(&RawValue) -> Option<T>,
) -> Option<Option<T>> {
    match payload.get(claim) {
        Some(value) => read(value).map(Some),
        None => Some(None),
    }
}

/// 1 to `most` visible ASCII characters: they go into headers and logs.
fn name(value: &RawValue, most: usize) -> Option<Box<str>> {
    let name = text(value)?;
    let is_good = (1..=most).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    is_good.then(|| name.into())
}

fn time(value: &RawValue) -> Option<f64> {
    number(value).filter(|time| (0.0..YEAR_10000).contains(time))
}

fn text_or_texts(value: &RawValue) -> Option<Vec<String>> {
    if value.get().starts_with('"') { text(value).map(|text| vec![text]) } else { texts(value) }
}

/// What the scopes grant: a string with spaces between them, or a list of strings.
fn grants(payload: &Members<'_>, issuer: &Issuer) -> Option<Box<[Box<str>]>> {
    let Some(value) = scope(payload, &issuer.scope_claim)? else { return Some(Box::default()) };
    let scopes = if value.get().starts_with('"') {
        text(value)?.split(' ').map(str::to_owned).collect()
    } else {
        texts(value)?
    };
    let mut grants: Vec<Box<str>> = scopes.iter().flat_map(|scope| issuer.grants(scope)).collect();
    grants.sort_unstable();
    grants.dedup();
    Some(grants.into())
}

/// The claim that the names lead to. The outer `None` is a fault: something on the way that is not
/// an object.
#[expect(clippy::option_option, reason = "absent and at fault are two things")]
fn scope<'j>(payload: &Members<'j>, names: &[Box<str>]) -> Option<Option<&'j RawValue>> {
    let Some((first, rest)) = names.split_first() else { return Some(None) };
    let mut value = payload.get(first);
    for name in rest {
        let Some(outer) = value else { break };
        value = Members::of(outer.get())?.get(name);
    }
    Some(value)
}
