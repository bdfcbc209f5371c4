//! A client's signed assertion (RFC 7523 §3), judged by the keys that it was registered with.
//! Nothing is fetched.

use super::authentication::Once;
use super::client::Client;
use super::issuer::Issuer;
use super::jwk::{ALGORITHMS, PublicKey};
use super::jws::Jws;
use super::metadata::TOKEN_PATH;

/// How far ahead an assertion's end may be, in seconds.
pub const MAX_AHEAD: i64 = 300;
/// How far clocks may differ for `nbf` and `iat`, in seconds.
const SKEW: i64 = 30;
/// The most characters of an assertion's id.
const MAX_JTI: usize = 256;

/// Whether a client made this assertion for this server, now; what it must never show again if it
/// did.
#[must_use]
pub fn judge(text: &str, client: &Client, issuer: &Issuer, now: i64) -> Option<Once> {
    let jws = Jws::parse(text)?;
    let own = Some(client.id.as_str());
    if jws.claim("iss") != own || jws.claim("sub") != own || !is_for(&jws, issuer) {
        return None;
    }
    let expires_at = jws.time("exp")??;
    let has_begun = |name| jws.time(name).is_some_and(|time| time.is_none_or(|time| time <= now + SKEW));
    if expires_at <= now || expires_at > now + MAX_AHEAD || !has_begun("nbf") || !has_begun("iat") {
        return None;
    }
    let jti = jws.claim("jti").filter(|jti| (1..=MAX_JTI).contains(&jti.len()))?.to_owned();
    is_signed(&jws, client).then_some(Once { jti, expires_at })
}

/// Whether it is for this server and for nobody besides: one value, the issuer or the token
/// endpoint.
fn is_for(jws: &Jws<'_>, issuer: &Issuer) -> bool {
    let audience = match jws.claims.get("aud") {
        Some(serde_json::Value::Array(list)) if list.len() == 1 => list.first().and_then(|one| one.as_str()),
        Some(value) => value.as_str(),
        None => None,
    };
    audience.is_some_and(|audience| audience == issuer.as_str() || audience == issuer.url(TOKEN_PATH))
}

fn is_signed(jws: &Jws<'_>, client: &Client) -> bool {
    let Some(alg) = jws.header("alg").filter(|alg| ALGORITHMS.contains(alg)) else {
        return false;
    };
    let keys = client.registration.jwks.as_ref().and_then(|jwks| jwks.get("keys")?.as_array());
    keys.into_iter()
        .flatten()
        .filter_map(PublicKey::parse)
        .filter(|key| key.is_meant(jws.header("kid"), alg))
        .any(|key| key.verifies(alg, jws.signed.as_bytes(), &jws.signature))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::oauth::client::{Amendment, NewClient};
    use crate::oauth::key_life::Algorithm;
    use crate::oauth::keyring::PrivateKey;
    use crate::oauth::{jws, token};

    const NOW: i64 = 1_790_000_000;
    const ID: &str = "client_01JF8Z00000000000000000000";

    fn client(key: &PrivateKey) -> Client {
        let rest = Amendment {
            redirect_uris: Some(vec!["https://app.example/cb".into()]),
            auth_method: Some("private_key_jwt".into()),
            jwks: Some(Some(json!({ "keys": [key.jwk("1")] }))),
            ..Amendment::default()
        };
        let new = NewClient { name: "App".into(), kind: None, environment: "live".into(), rest };
        Client {
            id: ID.into(),
            registration: new.check().unwrap(),
            created_at: 0,
            created_by: String::new(),
            disabled_at: None,
            last_used_at: None,
        }
    }

    /// A good assertion's claims, with some in place of what they have; `null` takes one away.
    fn claims(change: Value) -> Value {
        let mut claims =
            json!({"iss": ID, "sub": ID, "aud": "https://auth.example", "exp": NOW + 60, "jti": "a"});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    #[test]
    fn rfc7523_3_an_assertion_is_the_clients_for_this_server_and_for_now() {
        let key = PrivateKey::generate(Algorithm::Es256).unwrap();
        let (client, issuer) = (client(&key), "https://auth.example".parse().unwrap());
        let judged = |header: Value, claims: &Value| {
            let text = token::write(&header, claims, &key).unwrap();
            judge(&text, &client, &issuer, NOW).is_some()
        };
        let header = json!({"alg": "ES256", "kid": "1"});
        for (change, good) in [
            (json!({}), true),
            (json!({"aud": "https://auth.example/oauth/token"}), true),
            (json!({"aud": ["https://auth.example"]}), true),
            (json!({"aud": ["https://auth.example", "https://other.example"]}), false),
            (json!({"aud": "https://auth.example/"}), false),
            (json!({"aud": null}), false),
            (json!({"iss": "client_2"}), false),
            (json!({"sub": "client_2"}), false),
            (json!({"exp": NOW}), false),
            (json!({"exp": NOW + MAX_AHEAD}), true),
            (json!({"exp": NOW + MAX_AHEAD + 1}), false),
            (json!({"exp": null}), false),
            (json!({"exp": "1790000060"}), false),
            (json!({"nbf": NOW + SKEW}), true),
            (json!({"nbf": NOW + SKEW + 1}), false),
            (json!({"iat": NOW + SKEW + 1}), false),
            (json!({"jti": null}), false),
            (json!({"jti": ""}), false),
            (json!({"jti": "j".repeat(257)}), false),
        ] {
            assert_eq!(judged(header.clone(), &claims(change.clone())), good, "{change}");
        }
        // RFC 8725 §3.1: the key decides which algorithms there are.
        assert!(judged(json!({"alg": "ES256"}), &claims(json!({}))));
        for header in
            [json!({}), json!({"alg": "none"}), json!({"alg": "HS256"}), json!({"alg": "ES256", "kid": "2"})]
        {
            assert!(!judged(header.clone(), &claims(json!({}))), "{header}");
        }
    }

    #[test]
    fn rfc7523_3_another_key_or_a_changed_claim_is_refused() {
        let (own, other) = (
            PrivateKey::generate(Algorithm::EdDsa).unwrap(),
            PrivateKey::generate(Algorithm::EdDsa).unwrap(),
        );
        let (client, issuer) = (client(&own), "https://auth.example".parse().unwrap());
        let header = json!({"alg": "EdDSA"});
        let good = token::write(&header, &claims(json!({})), &own).unwrap();
        let once = Once { jti: "a".into(), expires_at: NOW + 60 };
        assert_eq!(judge(&good, &client, &issuer, NOW), Some(once));
        let forged = token::write(&header, &claims(json!({})), &other).unwrap();
        assert_eq!(judge(&forged, &client, &issuer, NOW), None);
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let head = signed.split('.').next().unwrap();
        let changed = jws::part(&claims(json!({"jti": "b"}))).unwrap();
        assert_eq!(judge(&format!("{head}.{changed}.{signature}"), &client, &issuer, NOW), None);
        assert_eq!(judge(&format!("{signed}."), &client, &issuer, NOW), None);
    }
}
