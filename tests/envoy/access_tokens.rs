//! An issuer's access tokens on routes: what passes, what the client is told, and what is never
//! revealed.

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::client::{Protocol, Request};
use crate::expect;
use crate::harness::{eventually, now};
use crate::keys::Key;
use crate::scene::{Scene, configuration};
use crate::tokens::{ISSUER, Token, encode, jwk, oauth, set, sign};

/// A gateway for tokens whose keys the authority serves, with these fields on top.
fn scene(workers: usize, fields: Value) -> Scene {
    let mut all = configuration(json!({"oauth": oauth("authority", json!({}))}));
    for (name, value) in fields.as_object().expect("fields") {
        all[name] = value.clone();
    }
    // The keys are there before anybody asks for them.
    let authority = Authority::start();
    authority.serve_keys(set(&[1, 2]));
    let scene = Scene::with(authority, |plan| plan.workers(workers).listener("main", all));
    scene.authority.synced();
    // A request would wait for the keys for a second only, and the machine may be slow.
    eventually("the keys are there", || scene.gateway.statistic("wasmcustom.flint_jwks_changes") > 0);
    scene
}

fn documents(token: &str) -> Request {
    Request::get("/documents").bearer(token)
}

#[test]
fn a_good_token_passes_and_the_upstream_is_told_whose_it_is() {
    let scene = scene(2, json!({}));
    for mut connection in scene.connections("main") {
        let token = Token::granting("openid documents:read");
        // The second time it is remembered: nothing shows it.
        for _ in 0..2 {
            let forged =
                documents(&token.text()).header("x-flint-subject", "evil").header("x-flint-owner", "evil");
            let answer = connection.send(&forged);
            for (name, value) in [
                ("x-flint-credential", json!("access_token")),
                ("x-flint-environment", json!("live")),
                ("x-flint-issuer", json!(ISSUER)),
                ("x-flint-subject", json!("user_7")),
                ("x-flint-client-id", json!("client_9")),
                ("x-flint-key-id", json!(null)),
                ("x-flint-owner", json!(null)),
                ("authorization", json!(null)),
            ] {
                assert_eq!(answer.received(name), value, "{name}");
            }
        }
    }
    let token = Token::granting("documents:read");
    for protocol in Protocol::ALL {
        let (_, line) = scene.send_logged(protocol, "main", documents(&token.text()));
        assert_eq!((&line["outcome"], &line["client_id"]), (&json!("allowed"), &json!("client_9")));
        assert_eq!(line["key_id"], json!(null));
    }
    assert_eq!(scene.authority.key_calls(), 1, "one call for the keys, for all workers");
}

#[test]
fn a_token_that_is_not_good_is_refused_and_nothing_of_it_shows() {
    let scene = scene(1, json!({}));
    let good = Token::granting("documents:read");
    let text = good.text();
    let (signed, signature) = text.rsplit_once('.').unwrap();
    let stranger = sign(&good.header.to_string(), &good.claims.to_string(), 9);
    for (why, bad) in [
        ("another key", stranger.clone()),
        ("no signature", format!("{signed}.")),
        ("half a signature", format!("{signed}.{}", &signature[..43])),
        ("zeros", format!("{signed}.{}", encode(&[0; 64]))),
        ("padding", format!("{text}==")),
        ("alg none", good.clone().header("alg", json!("none")).text()),
        ("HS256", good.clone().header("alg", json!("HS256")).text()),
        ("typ JWT", good.clone().header("typ", json!("JWT")).text()),
        ("crit", good.clone().header("crit", json!(["exp"])).text()),
        ("its own key", good.clone().header("jwk", jwk(9)).signed_by(9).text()),
        ("another issuer", good.clone().claim("iss", json!("https://evil.example")).text()),
        ("another audience", good.clone().claim("aud", json!("https://other.example")).text()),
        ("no jti", good.clone().without("jti").text()),
        ("not yet", good.clone().claim("nbf", json!(now() + 600)).text()),
        ("a text", "eyJ.a.b".to_owned()),
        ("too long", format!("{text}{}", "a".repeat(8_192))),
    ] {
        let (answer, line) = scene.send_logged(Protocol::Http1, "main", documents(&bad));
        expect::denied(&answer, "invalid_access_token");
        assert_eq!(line["outcome"], json!("invalid_access_token"), "{why}");
        assert_eq!((&line["client_id"], &line["key_id"]), (&json!(null), &json!(null)), "{why}");
        assert_eq!(line["details"], json!("flint_invalid_access_token"), "{why}");
    }
    let expired = good.claim("exp", json!(now() - 60)).text();
    let answer = scene.send("main", &documents(&expired));
    expect::denied(&answer, "expired_access_token");
    assert!(scene.upstream.received().is_empty());
    let shown = format!("{}{}", scene.gateway.log(), scene.gateway.admin("/stats"));
    for secret in ["user_7", "client_9", stranger.split('.').nth(2).unwrap()] {
        assert!(!shown.contains(secret), "{secret} shows");
    }
}

#[test]
fn permissions_and_environments_hold_for_tokens_as_for_keys() {
    let scene = scene(1, json!({}));
    let poor = Token::granting("documents:write openid").text();
    let (answer, line) = scene.send_logged(Protocol::Http1, "main", documents(&poor));
    expect::denied(&answer, "missing_permission");
    assert!(answer.header("www-authenticate").unwrap().ends_with(r#", scope="documents:read""#));
    assert_eq!(line["client_id"], json!("client_9"), "the signature was good");
    for test in [
        Token::granting("*").claim("environment", json!("test")),
        Token::granting("*").without("environment"),
    ] {
        expect::denied(&scene.send("main", &documents(&test.text())), "wrong_environment");
    }
    let any = Request::get("/other").bearer(Token::granting("").text());
    assert_eq!(scene.send("main", &any).status, 200, "a route that asks for any credential");
}

#[test]
fn keys_and_tokens_live_side_by_side() {
    let scene = scene(1, json!({}));
    let key = Key::live("reader").may(&["documents:read"]);
    scene.authority.publish([&key]);
    assert_eq!(scene.send("main", &documents(&key.secret)).received("x-flint-credential"), json!("api_key"));
    expect::denied(&scene.send("main", &documents("flint_live_unknown")), "unknown_key");
    expect::denied(&scene.send("main", &documents("whatever")), "invalid_access_token");
    let token = Token::granting("documents:read").text();
    let twice = documents(&token).bearer(&key.secret);
    expect::denied(&scene.send("main", &twice), "malformed");
}

#[test]
fn a_revoked_token_is_refused_by_every_worker() {
    let scene = scene(4, json!({}));
    let (bad, good) = (Token::granting("documents:read"), Token::granting("documents:read"));
    let mut connections = scene.connections("main");
    for connection in &mut connections {
        assert_eq!(connection.send(&documents(&bad.text())).status, 200);
    }
    let position = scene.authority.revoke_token(bad.jti(), now() + 600);
    scene.authority.acknowledged(&position);
    for connection in &mut connections {
        let answer = connection.send(&documents(&bad.text()));
        expect::denied(&answer, "revoked_access_token");
        assert_eq!(connection.send(&documents(&good.text())).status, 200);
    }
    // The same token with another signature is the same token.
    let again = bad.claim("x", json!(1));
    expect::denied(&scene.send("main", &documents(&again.text())), "revoked_access_token");
    eventually("it is counted", || scene.gateway.statistic("wasmcustom.flint_revoked_tokens") == 1);
}

#[test]
fn a_revocation_holds_until_its_end_and_the_skew() {
    let scene = scene(1, json!({}));
    let (over, holds) = (Token::granting("documents:read"), Token::granting("documents:read"));
    scene.authority.revoke_token(over.jti(), now() - 60);
    let position = scene.authority.revoke_token(holds.jti(), now() - 1);
    scene.authority.acknowledged(&position);
    assert_eq!(scene.send("main", &documents(&over.text())).status, 200);
    expect::denied(&scene.send("main", &documents(&holds.text())), "revoked_access_token");
}

#[test]
fn a_resource_tells_where_tokens_for_it_come_from() {
    let resource = json!({"resource": "https://api.example.com/mcp", "scopes_supported": ["documents:read"]});
    let scene = scene(1, json!({"resource_metadata": resource}));
    let url = "https://api.example.com/.well-known/oauth-protected-resource/mcp";
    let get = Request::get("/.well-known/oauth-protected-resource/mcp?x=1");
    let (answer, line) = scene.send_logged(Protocol::Http1, "main", get);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        answer.json(),
        json!({"resource": "https://api.example.com/mcp", "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"], "scopes_supported": ["documents:read"]})
    );
    assert_eq!((&line["outcome"], &line["details"]), (&json!("public"), &json!("flint_resource_metadata")));
    let head = scene.send("main", &Request::new("HEAD", "/.well-known/oauth-protected-resource/mcp"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    let elsewhere = scene.send("main", &Request::get("/.well-known/oauth-protected-resource"));
    assert_eq!(elsewhere.status, 401);
    let challenge =
        |request: &Request| scene.send("main", request).header("www-authenticate").unwrap().to_owned();
    assert_eq!(
        challenge(&Request::get("/documents")),
        format!(r#"Bearer realm="flint", scope="documents:read", resource_metadata="{url}""#)
    );
    assert_eq!(challenge(&Request::get("/x")), format!(r#"Bearer realm="flint", resource_metadata="{url}""#));
    assert_eq!(
        challenge(&documents("x.y.z")),
        format!(r#"Bearer realm="flint", error="invalid_token", resource_metadata="{url}""#)
    );
    assert_eq!(
        challenge(&documents(&Token::granting("").text())),
        format!(
            r#"Bearer realm="flint", error="insufficient_scope", scope="documents:read", resource_metadata="{url}""#
        )
    );
}

#[test]
fn of_several_resources_a_token_is_for_the_one_it_is_used_at() {
    let scene = scene(
        1,
        json!({"resource_metadata": [
            {"path": "/a/**", "resource": "https://api.example.com/a"},
            {"path": "/b/**", "resource": "https://api.example.com/b"},
        ]}),
    );
    let audiences = json!(["https://api.example.com", "https://api.example.com/a"]);
    let token = Token::granting("").claim("aud", audiences).text();
    assert_eq!(scene.send("main", &Request::get("/a/x").bearer(&token)).status, 200);
    assert_eq!(scene.send("main", &Request::get("/c").bearer(&token)).status, 200);
    let other = scene.send("main", &Request::get("/b/x").bearer(&token));
    assert_eq!(other.status, 401);
    let challenge = other.header("www-authenticate").unwrap();
    assert!(challenge.ends_with(r#"/.well-known/oauth-protected-resource/b""#), "{challenge}");
}

#[test]
fn tokens_pass_without_an_authority() {
    let inline = oauth("x", json!({"jwks": {"keys": [jwk(1)]}}));
    let scene = Scene::start(1, json!({"oauth": inline}));
    let token = Token::granting("").text();
    assert_eq!(scene.send("main", &Request::get("/x").bearer(&token)).status, 200);
    expect::denied(&scene.send("main", &Request::get("/x").bearer("flint_live_x")), "unknown_key");
}
