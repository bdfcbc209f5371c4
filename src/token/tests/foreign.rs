//! The blocks of docs/access-tokens.md for foreign issuers, with tokens as those products issue
//! them by default.

use serde_json::{Value, json};

use super::support::{NOW, jwk, with};
use crate::config::Config;
use crate::config::oauth::KeySource;
use crate::token::algorithm::Algorithm;
use crate::token::{Claims, Issuer, Unverified};

const PAGE: &str = include_str!("../../../docs/access-tokens.md");

/// The blocks in the order of the page.
fn blocks() -> Vec<Value> {
    let blocks = PAGE.split("## Foreign issuers").nth(1).unwrap().split("```json\n").skip(1);
    blocks.map(|block| serde_json::from_str(block.split("```").next().unwrap()).unwrap()).collect()
}

/// The block of an issuer, whose tokens are then signed with ES256, as tests can.
fn issuer(name: &str) -> Issuer {
    let block = blocks().into_iter().find(|block| block["issuer"].as_str().unwrap().contains(name)).unwrap();
    let config = Config::parse(json!({"oauth": block}).to_string().as_bytes()).unwrap();
    let [KeySource::Fetched(jwks)] = &*config.oauth.keys else { panic!("{name} has a server") };
    assert!(jwks.path.starts_with('/') && block["issuer"].as_str().unwrap().contains(&*jwks.host));
    let issuer = config.oauth.issuers[0].clone();
    assert_eq!(*issuer.algorithms, [Algorithm::Rs256], "what {name} signs with by default");
    Issuer { algorithms: [Algorithm::Es256].into(), ..issuer }
}

/// What a token says with the signature aside.
fn read(issuer: Issuer, header: &Value, claims: &Value) -> Option<Claims> {
    let keys = super::support::set(&[jwk(1)]);
    let token = super::support::sign(&with(header.clone(), "alg", Some(json!("ES256"))), claims);
    Unverified::read(token.as_bytes(), &[issuer], NOW).ok()?.verify(&keys).map(|(claims, _)| claims)
}

/// Asserts that an access token passes with these grants and client, and that an ID token for the
/// client does not.
fn passes(name: &str, header: &Value, claims: &Value, grants: &[&str]) {
    let found = read(issuer(name), header, claims).unwrap_or_else(|| panic!("{name}: {claims}"));
    assert_eq!(found.grants.iter().map(|grant| &**grant).collect::<Vec<_>>(), grants, "{name}");
    assert_eq!(found.client_id.as_deref(), Some("client"), "{name}");
    let id_token = with(claims.clone(), "aud", Some(json!("client")));
    assert!(read(issuer(name), header, &id_token).is_none(), "{name}: an ID token is for the client");
}

fn times() -> Value {
    json!({"iat": NOW, "nbf": NOW, "exp": NOW + 300})
}

fn claims(more: Value) -> Value {
    let mut claims = times();
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

#[test]
fn there_are_four_and_each_is_a_whole_entry() {
    assert_eq!(blocks().len(), 4);
    for block in blocks() {
        Config::parse(json!({"oauth": block}).to_string().as_bytes()).unwrap();
    }
    let all = Config::parse(json!({"oauth": blocks()}).to_string().as_bytes()).unwrap();
    assert_eq!(all.oauth.issuers.len(), 4, "all of them together");
}

#[test]
fn keycloak() {
    let token = claims(json!({
        "jti": "onrtac:0c6a4c8f-5b7b-4a5f-8a3e-1d5bd0c5b3a1", "iss": "https://keycloak.example.com/realms/main",
        "aud": ["documents-api", "account"], "sub": "f2a4e7d0-1111-4222-8333-944444444444", "typ": "Bearer", "azp": "client",
        "sid": "c5c8a1b6", "acr": "1", "allowed-origins": ["https://app.example.com"],
        "realm_access": {"roles": ["default-roles-main", "offline_access", "documents:read"]},
        "resource_access": {"account": {"roles": ["view-profile"]}}, "scope": "openid profile email",
    }));
    passes("keycloak", &json!({"typ": "JWT", "kid": "k1"}), &token, &["documents:read"]);
}

#[test]
fn auth0() {
    let token = claims(json!({
        "iss": "https://tenant.eu.auth0.com/", "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "aud": ["https://api.example.com", "https://tenant.eu.auth0.com/userinfo"], "azp": "client",
        "scope": "openid profile", "permissions": ["documents:read", "documents:write"],
    }));
    passes("auth0", &json!({"typ": "JWT", "kid": "k1"}), &token, &["documents:read", "documents:write"]);
}

#[test]
fn entra_id() {
    let token = claims(json!({
        "aud": "66666666-7777-8888-9999-000000000000",
        "iss": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0", "aio": "AXQAi/8", "azp": "client",
        "azpacr": "1", "oid": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "rh": "0.AX", "scp": "Documents.Read User.Read",
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "tid": "11111111-2222-3333-4444-555555555555", "uti": "u", "ver": "2.0",
    }));
    passes("microsoftonline", &json!({"typ": "JWT", "kid": "k1"}), &token, &["documents:read"]);
}

#[test]
fn okta() {
    let token = claims(json!({
        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "iss": "https://example.okta.com/oauth2/default",
        "aud": "api://default", "cid": "client", "uid": "00uid4BxXw6I6TV4m0g3", "scp": ["openid", "documents:read"],
        "sub": "user@example.com", "auth_time": NOW,
    }));
    passes("okta", &json!({"kid": "k1"}), &token, &["documents:read"]);
}
