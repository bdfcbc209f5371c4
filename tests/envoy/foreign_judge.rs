//! Envoy's own `jwt_authn` as a judge of the same tokens: what it refuses, the filter never
//! accepts.
//!
//! Two exceptions concern what the filter does not read. `jwt_authn` refuses a name that comes
//! twice at any depth; RFC 7519 §4 asks that of the claims' own names. And it refuses a number that
//! is too large for it in any claim, which RFC 8259 §6 allows.

use serde_json::{Value, json};

use crate::client::Request;
use crate::harness::now;
use crate::scene::Scene;
use crate::tokens::{AUDIENCE, ISSUER, Token, encode, oauth, set, sign};

fn jwt_authn() -> Value {
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"flint": {
                "issuer": ISSUER, "audiences": [AUDIENCE], "forward": true, "clock_skew_seconds": 30,
                "local_jwks": {"inline_string": set(&[1, 2]).to_string()},
            }},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "flint"}}],
        },
    })
}

/// Tokens of all sorts: good ones, and good ones with one thing changed.
fn corpus() -> Vec<String> {
    let good = || Token::granting("documents:read");
    let text = good().text();
    let mut all = vec![text.clone(), good().signed_by(2).text(), good().signed_by(3).text()];
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!(null)),
        ("aud", json!([AUDIENCE])),
        ("aud", json!(["x", AUDIENCE])),
        ("aud", json!([AUDIENCE, 7])),
        ("aud", json!("x")),
        ("exp", json!(now() - 300)),
        ("exp", json!(now() - 10)),
        ("exp", json!("soon")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("nbf", json!(now() + 10)),
        ("nbf", json!(now() + 300)),
        ("nbf", json!("soon")),
        ("iat", json!("now")),
        ("iat", json!(0.5)),
        ("sub", json!(7)),
        ("jti", json!(["x"])),
        ("x", json!({"a": [1, {"b": null}]})),
    ] {
        all.push(good().claim(name, value).text());
    }
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("RS256")),
        ("alg", json!("ES384")),
        ("alg", json!(7)),
        ("kid", json!("k2")),
        ("kid", json!("k9")),
        ("kid", json!(7)),
        ("typ", json!("application/at+jwt")),
        ("crit", json!(["x"])),
        ("x5c", json!(["x"])),
    ] {
        all.push(good().header(name, value).text());
    }
    let (header, claims) = (good().header.to_string(), good().claims.to_string());
    for (header, claims) in [
        (header.clone(), claims.replacen('{', r#"{"iss":"https://auth.example.com","#, 1)),
        (header.replacen('{', r#"{"alg":"ES256","#, 1), claims.clone()),
        (header.clone(), claims.replacen('{', r#"{"s":"\u0000\ud83d\ude00","#, 1)),
        (header.clone(), format!(" {claims}\n")),
        (header.clone(), "[]".to_owned()),
    ] {
        all.push(sign(&header, &claims, 1));
    }
    let (signed, _) = text.rsplit_once('.').unwrap();
    all.extend([
        format!("{text}="),
        format!("{text}A"),
        format!("{signed}."),
        format!("{signed}.{}", encode(&[0; 64])),
    ]);
    all
}

#[test]
fn what_jwt_authn_refuses_is_not_accepted() {
    let inline = oauth("x", json!({"jwks": set(&[1, 2])}));
    let ours = Scene::start(1, json!({"oauth": inline}));
    let public = json!({"keys": [], "routes": [{"path": "/**", "public": true}]});
    let theirs = Scene::plan(|plan| plan.filter_before(jwt_authn()).listener("main", public));
    let passes =
        |scene: &Scene, token: &str| scene.send("main", &Request::get("/x").bearer(token)).status == 200;
    let (mut accepted, mut refused, mut wrong) = (0, 0, Vec::new());
    for token in corpus() {
        let (we, they) = (passes(&ours, &token), passes(&theirs, &token));
        wrong.extend((we && !they).then(|| token.clone()));
        accepted += usize::from(we);
        refused += usize::from(!they);
    }
    assert!(wrong.is_empty(), "accepted here, refused by jwt_authn: {wrong:#?}");
    assert!(accepted > 5 && refused > 20, "{accepted} accepted, {refused} refused");
}
