//! Tokens, their issuer, and the keys that sign them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};

use crate::token::algorithm::Algorithm;
use crate::token::{Claims, Fault, Issuer, KeySet, Unverified};

/// When the tests take place.
pub(crate) const NOW: i64 = 1_790_000_000;

/// A key that signs ES256, by a number.
pub(crate) fn signing_key(number: u8) -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap()
}

/// The public half of [`signing_key`], with the `kid` `k<number>`.
pub(crate) fn jwk(number: u8) -> Value {
    let point = signing_key(number).verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    json!({"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "kid": format!("k{number}"),
        "use": "sig", "alg": "ES256"})
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A set as an issuer's server answers it.
pub(crate) fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap().0
}

/// An issuer with the defaults of the configuration.
pub(crate) fn issuer() -> Issuer {
    Issuer {
        name: "https://auth.example.com".into(),
        audiences: ["https://api.example.com".into()].into(),
        algorithms: [Algorithm::Es256].into(),
        clock_skew_seconds: 30,
        token_types: ["at+jwt".into()].into(),
        scope_claim: ["scope".into()].into(),
        scope_map: None,
        client_id_claim: "client_id".into(),
        environment: None,
    }
}

pub(crate) fn header() -> Value {
    json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"})
}

pub(crate) fn claims() -> Value {
    json!({"iss": "https://auth.example.com", "sub": "user_1", "aud": "https://api.example.com",
        "client_id": "client_1", "iat": NOW, "exp": NOW + 600, "jti": "j1", "scope": "documents:read",
        "environment": "live"})
}

/// Signs any two texts with [`signing_key`].
pub(crate) fn sign_texts(header: &str, claims: &str, number: u8) -> String {
    let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
    let signature: p256::ecdsa::Signature = signing_key(number).sign(signed.as_bytes());
    format!("{signed}.{}", encode(&signature.to_bytes()))
}

pub(crate) fn sign(header: &Value, claims: &Value) -> String {
    sign_texts(&header.to_string(), &claims.to_string(), 1)
}

/// A good token.
pub(crate) fn token() -> String {
    sign(&header(), &claims())
}

/// The whole judgement on a token, with the keys 1 and 2.
pub(crate) fn judge_by(token: &str, issuer: Issuer) -> Result<Claims, Fault> {
    judge_with(token, issuer, &set(&[jwk(1), jwk(2)]))
}

pub(crate) fn judge_with(token: &str, issuer: Issuer, keys: &KeySet) -> Result<Claims, Fault> {
    let unverified = Unverified::read(token.as_bytes(), &[issuer], NOW)?;
    unverified.verify(keys).map(|(claims, _)| claims).ok_or(Fault::Invalid)
}

pub(crate) fn judge(token: &str) -> Result<Claims, Fault> {
    judge_by(token, issuer())
}

/// A value with one member set, or taken out where it is given as `None`.
pub(crate) fn with(mut object: Value, member: &str, value: Option<Value>) -> Value {
    match value {
        Some(value) => object[member] = value,
        None => drop(object.as_object_mut().unwrap().remove(member)),
    }
    object
}
