//! Signed objects in their compact form (RFC 7515 §7.1): taken apart, not judged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// The most characters that are looked at.
pub const MAX_LENGTH: usize = 8_192;

/// Three parts of a signed object.
#[derive(Clone, Debug)]
pub struct Jws<'a> {
    /// What its header says.
    pub header: Map<String, Value>,
    /// What it says.
    pub claims: Map<String, Value>,
    /// What was signed.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes one apart. `None`: it is none. A header with `crit` is one that is not understood (RFC
    /// 7515 §4.1.11).
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.').filter(|_| text.len() <= MAX_LENGTH)?;
        let (header, claims) = signed.split_once('.')?;
        let header = object(header).filter(|header| !header.contains_key("crit"))?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header, claims: object(claims)?, signed, signature })
    }

    /// A text of the header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name).and_then(Value::as_str)
    }

    /// A text of what it says.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// A time of what it says, in whole seconds; a fraction is dropped.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Option<i64>> {
        match self.claims.get(name) {
            None => Some(None),
            Some(value) => {
                let time = value.as_f64().filter(|time| (0.0..1e15).contains(time))?;
                Some(Some(time as i64))
            }
        }
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// The part of a compact form that says this.
///
/// # Errors
/// If it cannot be written as JSON.
pub fn part(value: &impl serde::Serialize) -> serde_json::Result<String> {
    Ok(encode(&serde_json::to_vec(value)?))
}

/// Bytes as a part of a compact form.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7515_7_1_only_three_parts_of_json_and_base64url_are_taken() {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let whole = |header: &str, claims: &str| format!("{}.{}.AAAA", part(header), part(claims));
        let good = whole(r#"{"alg":"ES256"}"#, r#"{"sub":"x","exp":1.5}"#);
        let jws = Jws::parse(&good).unwrap();
        assert_eq!(
            (jws.header("alg"), jws.claim("sub"), jws.time("exp")),
            (Some("ES256"), Some("x"), Some(Some(1)))
        );
        assert_eq!((jws.time("nbf"), jws.signature.len()), (Some(None), 3));
        for bad in [
            String::new(),
            "a.b".into(),
            good.replace('.', ""),
            format!("{good}.AAAA"),
            format!("{good}="),
            whole("[]", "{}"),
            whole("{}", "7"),
            whole(r#"{"crit":["x"]}"#, "{}"),
            whole("{}", &format!("{{\"a\":\"{}\"}}", "a".repeat(MAX_LENGTH))),
        ] {
            assert!(Jws::parse(&bad).is_none(), "{bad}");
        }
        assert_eq!(Jws::parse(&whole("{}", r#"{"exp":"1"}"#)).unwrap().time("exp"), None);
    }
}
