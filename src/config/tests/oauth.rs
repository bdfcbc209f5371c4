//! `oauth` and `resource_metadata`.

use serde_json::{Value, json};

use super::*;
use crate::config::oauth::KeySource;
use crate::token::algorithm::Algorithm;
use crate::token::tests::support;

fn least() -> Value {
    json!({"issuer": "https://auth.example.com", "audience": "https://api.example.com",
        "jwks": {"cluster": "auth", "path": "/oauth/jwks.json"}})
}

fn oauth(oauth: &Value) -> String {
    json!({"oauth": oauth}).to_string()
}

/// The least, with a field set.
fn field(name: &str, value: Value) -> String {
    oauth(&support::with(least(), name, Some(value)))
}

/// The least, with a field of `jwks` set.
fn jwks(name: &str, value: Value) -> String {
    let jwks = support::with(least()["jwks"].clone(), name, Some(value));
    field("jwks", jwks)
}

fn metadata(metadata: &Value) -> String {
    json!({"oauth": least(), "resource_metadata": metadata}).to_string()
}

#[test]
fn the_least_issuer_has_the_documented_defaults() {
    let config = good(&oauth(&least()));
    let [issuer] = &*config.oauth.issuers else { panic!() };
    assert_eq!(&*issuer.name, "https://auth.example.com");
    assert_eq!(*issuer.audiences, ["https://api.example.com".into()]);
    assert_eq!(*issuer.algorithms, [Algorithm::Es256]);
    assert_eq!((issuer.clock_skew_seconds, &*issuer.client_id_claim), (30, "client_id"));
    assert_eq!((&*issuer.token_types, &*issuer.scope_claim), (&["at+jwt".into()][..], &["scope".into()][..]));
    assert!(issuer.scope_map.is_none() && issuer.environment.is_none());
    let [KeySource::Fetched(jwks)] = &*config.oauth.keys else { panic!() };
    assert_eq!((&*jwks.cluster, &*jwks.host, &*jwks.path), ("auth", "auth", "/oauth/jwks.json"));
    assert_eq!((jwks.refresh_seconds, jwks.timeout_seconds, jwks.max_staleness_seconds), (300, 5, 86_400));
    assert!(good(r#"{"keys":[]}"#).oauth.issuers.is_empty());
}

#[test]
fn every_field_is_read() {
    let config = good(&oauth(&json!([least(), {
        "issuer": "http://localhost:8080/realms/a", "audience": ["a", "b"],
        "jwks": {"keys": [support::jwk(1), support::jwk(2)]},
        "algorithms": ["RS256", "PS256"], "clock_skew_seconds": 0, "token_types": ["JWT", ""],
        "scope_claim": ["realm_access", "roles"], "scope_map": {"Files.Read": ["a:b", "c:*"], "none": []},
        "client_id_claim": "azp", "environment": "test",
    }])));
    let [_, issuer] = &*config.oauth.issuers else { panic!() };
    assert_eq!((issuer.audiences.len(), issuer.clock_skew_seconds), (2, 0));
    assert_eq!(*issuer.algorithms, [Algorithm::Rs256, Algorithm::Ps256]);
    assert_eq!((&*issuer.token_types, &*issuer.client_id_claim), (&["jwt".into(), "".into()][..], "azp"));
    assert_eq!(*issuer.scope_claim, ["realm_access".into(), "roles".into()]);
    assert_eq!(issuer.scope_map.as_ref().map(|map| map["Files.Read"].len()), Some(2));
    assert_eq!(issuer.environment, Some(Environment::Test));
    let [_, KeySource::Inline(keys)] = &*config.oauth.keys else { panic!() };
    assert_eq!(keys.len(), 2);
}

#[test]
fn impossible_values_are_told_by_path() {
    for (name, value, path) in [
        ("issuer", json!("auth.example.com"), "$.oauth.issuer"),
        ("issuer", json!("ftp://a"), "$.oauth.issuer"),
        ("issuer", json!("https://"), "$.oauth.issuer"),
        ("issuer", json!("https://a/?b"), "$.oauth.issuer"),
        ("issuer", json!("https://a/#b"), "$.oauth.issuer"),
        ("issuer", json!("https://a b"), "$.oauth.issuer"),
        ("issuer", json!("https://u@a"), "$.oauth.issuer"),
        ("issuer", json!(format!("https://a/{}", "b".repeat(1_015))), "$.oauth.issuer"),
        ("issuer", json!(null), "$.oauth.issuer"),
        ("audience", json!([]), "$.oauth.audience"),
        ("audience", json!(vec!["a"; 9]), "$.oauth.audience"),
        ("audience", json!(""), "$.oauth.audience"),
        ("audience", json!(["a", 7]), "$.oauth.audience[1]"),
        ("algorithms", json!([]), "$.oauth.algorithms"),
        ("algorithms", json!(["ES256", "ES256"]), "$.oauth.algorithms"),
        ("algorithms", json!(["none"]), "$.oauth.algorithms[0]"),
        ("algorithms", json!(["ES256", "HS256"]), "$.oauth.algorithms[1]"),
        ("algorithms", json!("ES256"), "$.oauth.algorithms"),
        ("clock_skew_seconds", json!(301), "$.oauth.clock_skew_seconds"),
        ("clock_skew_seconds", json!(-1), "$.oauth.clock_skew_seconds"),
        ("token_types", json!([]), "$.oauth.token_types"),
        ("token_types", json!(vec!["a"; 9]), "$.oauth.token_types"),
        ("token_types", json!(["application/at+jwt"]), "$.oauth.token_types[0]"),
        ("token_types", json!("at+jwt"), "$.oauth.token_types"),
        ("scope_claim", json!([]), "$.oauth.scope_claim"),
        ("scope_claim", json!(""), "$.oauth.scope_claim"),
        ("scope_map", json!([]), "$.oauth.scope_map"),
        ("scope_map", json!({"a": "a:b"}), "$.oauth.scope_map.a"),
        ("scope_map", json!({"a": ["a"]}), "$.oauth.scope_map.a[0]"),
        ("client_id_claim", json!(["a"]), "$.oauth.client_id_claim"),
        ("environment", json!("prod"), "$.oauth.environment"),
        ("jwks_uri", json!("https://a"), "$.oauth.jwks_uri"),
    ] {
        refused(&field(name, value), path);
    }
    refused(&oauth(&json!([])), "$.oauth");
    refused(&oauth(&json!(7)), "$.oauth");
    refused(&oauth(&json!([least(), least()])), "$.oauth[1].issuer");
    let nine: Vec<_> = (0..9)
        .map(|number| support::with(least(), "issuer", Some(json!(format!("https://a{number}")))))
        .collect();
    refused(&oauth(&json!(nine)), "$.oauth");
    assert!(good(&oauth(&json!(nine[..8]))).oauth.issuers.len() == 8);
    refused(&oauth(&json!([least(), 7])), "$.oauth[1]");
    refused(
        &field("scope_map", json!({"a": []})).replace(r#""a":[]"#, r#""a":[],"a":[]"#),
        "$.oauth.scope_map.a",
    );
}

#[test]
fn a_set_of_keys_is_fetched_or_stands_here() {
    for (name, value, path) in [
        ("path", json!("oauth/jwks.json"), "$.oauth.jwks.path"),
        ("path", json!("/a b"), "$.oauth.jwks.path"),
        ("path", json!("/a#b"), "$.oauth.jwks.path"),
        ("cluster", json!(""), "$.oauth.jwks.cluster"),
        ("cluster", json!("a|b"), "$.oauth.jwks.host"),
        ("host", json!("a b"), "$.oauth.jwks.host"),
        ("refresh_seconds", json!(0), "$.oauth.jwks.refresh_seconds"),
        ("refresh_seconds", json!(86_400), "$.oauth.jwks.max_staleness_seconds"),
        ("timeout_seconds", json!(61), "$.oauth.jwks.timeout_seconds"),
        ("max_staleness_seconds", json!(300), "$.oauth.jwks.max_staleness_seconds"),
        ("keys", json!([support::jwk(1)]), "$.oauth.jwks"),
        ("uri", json!("https://a"), "$.oauth.jwks.uri"),
    ] {
        refused(&jwks(name, value), path);
    }
    refused(&field("jwks", json!({"cluster": "a"})), "$.oauth.jwks.path");
    for (keys, path) in [
        (json!([]), "$.oauth.jwks.keys"),
        (json!({}), "$.oauth.jwks.keys"),
        (json!(vec![support::jwk(1); 101]), "$.oauth.jwks.keys"),
        (json!([support::jwk(1), 7]), "$.oauth.jwks.keys[1]"),
        (json!([support::with(support::jwk(1), "use", Some(json!("enc")))]), "$.oauth.jwks.keys[0]"),
        (
            json!([support::with(support::jwk(1), "y", Some(json!(support::encode(&[1; 32]))))]),
            "$.oauth.jwks.keys[0]",
        ),
        (json!([{"kty": "oct", "k": "c2VjcmV0"}]), "$.oauth.jwks.keys[0]"),
    ] {
        refused(&field("jwks", json!({"keys": keys})), path);
    }
    let twice = field("jwks", json!({"keys": [support::jwk(1)]})).replace(r#""kid""#, r#""kty":"EC","kid""#);
    refused(&twice, "$.oauth.jwks.keys[0]");
}

#[test]
fn all_mistakes_of_an_issuer_are_told_at_once() {
    let told =
        mistakes(&oauth(&json!([{"issuer": "x", "jwks": {"path": "x"}, "algorithms": [], "extra": 1}, {}])));
    let paths: Vec<_> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    for path in [
        "$.oauth[0].extra",
        "$.oauth[0].issuer",
        "$.oauth[0].audience",
        "$.oauth[0].jwks.cluster",
        "$.oauth[0].jwks.path",
        "$.oauth[0].algorithms",
        "$.oauth[1].issuer",
        "$.oauth[1].audience",
        "$.oauth[1].jwks",
    ] {
        assert!(paths.contains(&path), "{path} is missing of {told:#?}");
    }
}

#[test]
fn a_resource_is_told_of_at_its_well_known_path() {
    for (resource, url, path) in [
        ("https://a.example", "https://a.example/.well-known/oauth-protected-resource", ""),
        ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource", ""),
        (
            "https://a.example:8443/mcp",
            "https://a.example:8443/.well-known/oauth-protected-resource/mcp",
            "/mcp",
        ),
        ("https://a.example/mcp/", "https://a.example/.well-known/oauth-protected-resource/mcp/", "/mcp/"),
        ("https://a.example/a?b=c", "https://a.example/.well-known/oauth-protected-resource/a?b=c", "/a?b=c"),
        ("https://a.example?b", "https://a.example/.well-known/oauth-protected-resource?b", "?b"),
    ] {
        let config = good(&metadata(&json!({"resource": resource, "scopes_supported": ["a:b"]})));
        assert_eq!(config.resources.at(Some(b"/x")).map(|found| &*found.metadata_url), Some(url));
        assert!(
            config.resources.asked_for(Some(b"/x")).is_none(),
            "aud has what the issuer's entry asks for"
        );
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let document = config.resources.document(b"GET", Some(path.as_bytes())).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(document).unwrap(),
            json!({"resource": resource, "authorization_servers": ["https://auth.example.com"],
                "bearer_methods_supported": ["header"], "scopes_supported": ["a:b"]})
        );
        assert!(config.resources.document(b"HEAD", Some(path.as_bytes())).is_some());
        assert!(config.resources.document(b"POST", Some(path.as_bytes())).is_none());
        assert!(config.resources.document(b"GET", Some(format!("{path}/x").as_bytes())).is_none());
    }
    let elsewhere = json!({"resource": "https://a.example", "url": "https://b.example/meta"});
    let config = good(&metadata(&elsewhere));
    assert_eq!(config.resources.at(None).map(|found| &*found.metadata_url), Some("https://b.example/meta"));
    assert!(config.resources.document(b"GET", Some(b"/.well-known/oauth-protected-resource")).is_none());
}

#[test]
fn of_several_resources_the_most_specific_path_wins() {
    let config = good(&metadata(&json!([
        {"path": "/a/**", "resource": "https://h.example/a"},
        {"path": "/a/b", "resource": "https://h.example/b"},
        {"path": "/{x}", "resource": "https://h.example/x", "url": "https://m.example"},
    ])));
    let at = |path: &str| config.resources.asked_for(Some(path.as_bytes())).map(|found| &*found.name);
    assert_eq!(at("/a/b?c"), Some("https://h.example/b"));
    assert_eq!(at("/a"), Some("https://h.example/a"));
    assert_eq!(at("/a/c/d"), Some("https://h.example/a"));
    assert_eq!(at("/z"), Some("https://h.example/x"));
    assert_eq!((at("/z/z"), at("//a"), at("/a/../a")), (None, None, None));
    assert!(config.resources.is_ambiguous(Some(b"//a")) && !config.resources.is_ambiguous(Some(b"/z/z?//")));
    assert!(config.resources.at(None).is_none() && !config.resources.is_ambiguous(None));
}

#[test]
fn mistakes_in_resources_are_told_by_path() {
    let one = |name: &str, value: Value| {
        metadata(&support::with(json!({"resource": "https://a.example"}), name, Some(value)))
    };
    refused(&one("resource", json!("a")), "$.resource_metadata.resource");
    refused(&one("resource", json!("https://a#b")), "$.resource_metadata.resource");
    refused(&one("resource", json!("https://a/\"")), "$.resource_metadata.resource");
    refused(&one("scopes_supported", json!(["a:*"])), "$.resource_metadata.scopes_supported[0]");
    refused(&one("url", json!("/x")), "$.resource_metadata.url");
    refused(&one("path", json!("/x")), "$.resource_metadata.path");
    refused(&metadata(&json!({})), "$.resource_metadata.resource");
    refused(&metadata(&json!([])), "$.resource_metadata");
    refused(r#"{"keys":[],"resource_metadata":{"resource":"https://a"}}"#, "$.resource_metadata");
    let item = |path: &str, resource: &str| json!({"path": path, "resource": resource});
    let two = |first: Value, second: Value| metadata(&json!([first, second]));
    refused(&two(item("/{a}", "https://a/x"), item("/{b}", "https://a/y")), "$.resource_metadata[1].path");
    refused(&two(item("/a", "https://a"), item("/b", "https://b")), "$.resource_metadata[1].resource");
    refused(&metadata(&json!([{"resource": "https://a"}])), "$.resource_metadata[0].path");
    refused(&metadata(&json!([item("a", "https://a")])), "$.resource_metadata[0].path");
    let many: Vec<_> =
        (0..17).map(|number| item(&format!("/{number}"), &format!("https://a/{number}"))).collect();
    refused(&metadata(&json!(many)), "$.resource_metadata");
}
