//! Access tokens (RFC 9068): what they say, and how they are written.

use serde::Serialize;

use super::client::MAX_ACCESS_SECONDS;
use super::jws;
use super::keyring::{KeyError, PrivateKey};

/// What a token's header says that it is (RFC 9068 §2.1).
pub const TYPE: &str = "at+jwt";
/// How far a gateway's clock may be behind ours, in seconds: for so long a token that has expired
/// may still pass there.
pub const MAX_SKEW: i64 = 300;

/// What a token says. There is no personal data in it but an id.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// The user's or the client's id.
    pub sub: String,
    /// What it is for.
    pub aud: String,
    /// The client's id.
    pub client_id: String,
    /// When it was issued.
    pub iat: i64,
    /// The first second in which it is no longer good.
    pub exp: i64,
    /// Its id, never used again.
    pub jti: String,
    /// Permissions, one space between.
    pub scope: String,
    /// `live` or `test`.
    pub environment: &'static str,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

impl Claims {
    /// For how many seconds it is good.
    #[must_use]
    pub fn lifetime(&self) -> i64 {
        (self.exp - self.iat).clamp(0, MAX_ACCESS_SECONDS)
    }

    /// Writes the token.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn sign(&self, kid: &str, key: &PrivateKey) -> Result<String, KeyError> {
        write(&Header { alg: key.algorithm().as_str(), typ: TYPE, kid }, self, key)
    }
}

/// Writes any signed object.
///
/// # Errors
/// If the key cannot sign.
pub fn write(header: &impl Serialize, claims: &impl Serialize, key: &PrivateKey) -> Result<String, KeyError> {
    let part = |value: serde_json::Result<String>| value.map_err(|_| KeyError::Unusable);
    let signed = format!("{}.{}", part(jws::part(header))?, part(jws::part(claims))?);
    let signature = key.sign(signed.as_bytes())?;
    Ok(format!("{signed}.{}", jws::encode(&signature)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::jwk::PublicKey;
    use crate::oauth::jws::Jws;
    use crate::oauth::key_life::Algorithm;

    #[test]
    fn rfc9068_2_2_a_token_has_these_claims_and_no_others() {
        let claims = Claims {
            iss: "https://auth.example".into(),
            sub: "user_1".into(),
            aud: "https://api.example".into(),
            client_id: "client_1".into(),
            iat: 1_790_000_000,
            exp: 1_790_000_600,
            jti: "j".into(),
            scope: "documents:read".into(),
            environment: "live",
        };
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let key = PrivateKey::generate(algorithm).unwrap();
            let text = claims.sign("kid-1", &key).unwrap();
            let jws = Jws::parse(&text).unwrap();
            let names = ["aud", "client_id", "environment", "exp", "iat", "iss", "jti", "scope", "sub"];
            let mut said: Vec<_> = jws.claims.keys().map(String::as_str).collect();
            said.sort_unstable();
            assert_eq!(said, names);
            assert_eq!((jws.header("typ"), jws.header("kid")), (Some("at+jwt"), Some("kid-1")));
            assert_eq!((jws.header("alg"), jws.header.len()), (Some(algorithm.as_str()), 3));
            let public = PublicKey::parse(&key.jwk("kid-1")).unwrap();
            assert!(public.verifies(algorithm.as_str(), jws.signed.as_bytes(), &jws.signature));
        }
    }
}
