//! Access tokens for tests, and the keys that sign them.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::harness::now;

/// What tokens are issued by and for.
pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";
/// The path of the issuer's keys.
pub(crate) const JWKS: &str = "/oauth/jwks.json";

/// A token in the making.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) header: Value,
    pub(crate) claims: Value,
    signer: u8,
}

/// A key that signs ES256, by a number; its `kid` is `k<number>`.
fn signing_key(number: u8) -> SigningKey {
    SigningKey::from_slice(&[number; 32]).expect("a key")
}

/// The public half of it.
pub(crate) fn jwk(number: u8) -> Value {
    let point = signing_key(number).verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "kid": format!("k{number}"),
        "use": "sig", "alg": "ES256"})
}

/// A set of keys, as an issuer's server answers it.
pub(crate) fn set(numbers: &[u8]) -> Value {
    json!({"keys": numbers.iter().map(|number| jwk(*number)).collect::<Vec<_>>()})
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// `oauth` for tokens of [`ISSUER`], whose keys are fetched from this cluster, with these fields on
/// top.
pub(crate) fn oauth(cluster: &str, fields: Value) -> Value {
    let mut all = json!({"issuer": ISSUER, "audience": AUDIENCE,
        "jwks": {"cluster": cluster, "host": "auth.example.com", "path": JWKS}});
    for (name, value) in fields.as_object().expect("fields") {
        all[name] = value.clone();
    }
    all
}

// === impl Token ===

impl Token {
    /// A good token that grants this, signed with key 1.
    pub(crate) fn granting(scope: &str) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        Self {
            header: json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}),
            claims: json!({"iss": ISSUER, "sub": "user_7", "aud": AUDIENCE, "client_id": "client_9", "iat": now(),
                "exp": now() + 600, "jti": format!("jti-{number}-zQ8w"), "scope": scope, "environment": "live"}),
            signer: 1,
        }
    }

    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims[name] = value;
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().expect("an object").remove(name);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        self.header[name] = value;
        self
    }

    /// Signed with this key, under its `kid`.
    pub(crate) fn signed_by(mut self, number: u8) -> Self {
        self.signer = number;
        self.header("kid", json!(format!("k{number}")))
    }

    pub(crate) fn jti(&self) -> &str {
        self.claims["jti"].as_str().expect("a token has one")
    }

    /// The token as it is sent.
    pub(crate) fn text(&self) -> String {
        sign(&self.header.to_string(), &self.claims.to_string(), self.signer)
    }
}

/// Signs any two texts.
pub(crate) fn sign(header: &str, claims: &str, number: u8) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature: Signature = signing_key(number).sign(signed.as_bytes());
    format!("{signed}.{}", encode(&signature.to_bytes()))
}
