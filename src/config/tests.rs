//! Every rule of contract §5, from both sides.

use super::*;
use crate::route::Access;

mod keys;
mod oauth;
mod properties;
mod routes;

const AUTHORITY: &str = r#""authority":{"cluster":"flint_authority"}"#;

/// The mistakes of a configuration, as `path: rule` lines.
fn mistakes(config: &str) -> Vec<String> {
    match Config::parse(config.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
    }
}

/// A configuration with an authority and this next to it.
fn with(fields: &str) -> String {
    format!("{{{AUTHORITY},{fields}}}")
}

fn good(config: &str) -> Config {
    Config::parse(config.as_bytes()).unwrap_or_else(|errors| panic!("{config}\n{errors}"))
}

/// Asserts that a configuration has one mistake, at this path.
fn refused(config: &str, path: &str) {
    let mistakes = mistakes(config);
    assert_eq!(mistakes.len(), 1, "{config}: {mistakes:#?}");
    let start = format!("{path}: ");
    assert!(mistakes[0].starts_with(&start), "{config}: {mistakes:#?} is not at {path}");
}

#[test]
fn the_least_configuration_has_the_documented_defaults() {
    let config = good(&format!("{{{AUTHORITY}}}"));
    assert_eq!(&*config.realm, "flint");
    assert!(config.environments.admits(Environment::Live) && !config.environments.admits(Environment::Test));
    assert_eq!(config.unavailable, Unavailable::Deny);
    assert_eq!(config.max_staleness_seconds, 3600);
    assert_eq!(config.cors_preflight, CorsPreflight::Authenticate);
    assert!(!config.forward_authorization);
    assert!(config.keys.is_empty());
    assert_eq!(config.routes.find(b"GET", Some(b"/a")), Access::Authenticated);
    let authority = config.authority.unwrap();
    assert_eq!((&*authority.cluster, &*authority.host), ("flint_authority", "flint_authority"));
    assert_eq!((authority.wait_seconds, authority.timeout_seconds), (25, 5));
    assert!(matches!(authority.token, Token::None));
}

#[test]
fn every_field_is_read() {
    let config = good(
        r#"{
        "realm": "Flint API", "environments": ["test", "live"],
        "authority": {"cluster": "c", "host": "authority.internal:8443", "token": "s3cret",
            "wait_seconds": 1, "timeout_seconds": 2},
        "unavailable": "allow", "max_staleness_seconds": 2,
        "routes": [{"path": "/healthz", "methods": ["GET"], "public": true}],
        "default": "deny", "cors_preflight": "allow", "forward_authorization": true, "keys": []
    }"#,
    );
    assert_eq!(&*config.realm, "Flint API");
    assert!(config.environments.admits(Environment::Live) && config.environments.admits(Environment::Test));
    assert_eq!(config.unavailable, Unavailable::Allow);
    assert_eq!(config.max_staleness_seconds, 2);
    assert_eq!(config.cors_preflight, CorsPreflight::Allow);
    assert!(config.forward_authorization);
    assert_eq!(config.routes.find(b"GET", Some(b"/healthz")), Access::Public);
    assert_eq!(config.routes.find(b"GET", Some(b"/other")), Access::Nobody);
    let authority = config.authority.unwrap();
    assert_eq!(&*authority.host, "authority.internal:8443");
    assert_eq!((authority.wait_seconds, authority.timeout_seconds), (1, 2));
    assert!(matches!(authority.token, Token::Literal(secret) if secret.expose() == "s3cret"));
}

#[test]
fn what_is_not_a_json_object_is_told_by_line_and_column() {
    refused("", "$");
    refused(" \n", "$");
    refused("[]", "$");
    refused("null", "$");
    refused("\"flint\"", "$");
    for (config, place) in
        [("{\"a\":\n  nope}", "line 2 column 4"), ("{", "line 1 column 1"), ("{} {}", "line 1 column 4")]
    {
        let mistakes = mistakes(config);
        assert!(
            mistakes[0].starts_with("$: is not valid JSON") && mistakes[0].ends_with(place),
            "{mistakes:?}"
        );
    }
    // The Struct {"realm": "flint"} as Envoy hands it over.
    let binary = Config::parse(b"\x0a\x10\x0a\x05realm\x12\x07\x1a\x05flint").unwrap_err().to_string();
    assert!(binary.contains("google.protobuf.StringValue"), "{binary}");
    assert!(Config::parse(b"{\"realm\":\"\xff\"}").unwrap_err().to_string().contains("is not valid JSON"));
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    for open in ["[", "{\"a\":", "{\"keys\":["] {
        let mistakes = mistakes(&open.repeat(100_000));
        assert!(mistakes[0].contains("recursion limit"), "{mistakes:?}");
    }
    let deep = format!("{{\"realm\":{}{}}}", "[".repeat(100), "]".repeat(100));
    assert_eq!(mistakes(&deep).len(), 2);
}

#[test]
fn there_must_be_a_source_of_keys() {
    refused("{}", "$");
    refused(r#"{"routes":[]}"#, "$");
    good(r#"{"keys":[]}"#);
    refused(&with(r#""oauth":null"#), "$.oauth");
}

#[test]
fn types_are_as_documented() {
    for (field, wrong) in [
        ("realm", "1"),
        ("realm", "null"),
        ("environments", "\"live\""),
        ("unavailable", "false"),
        ("max_staleness_seconds", "\"3600\""),
        ("max_staleness_seconds", "3600.0"),
        ("routes", "{}"),
        ("default", "null"),
        ("cors_preflight", "true"),
        ("forward_authorization", "\"true\""),
        ("forward_authorization", "0"),
        ("keys", "{}"),
    ] {
        refused(&with(&format!("\"{field}\":{wrong}")), &format!("$.{field}"));
    }
    refused(r#"{"authority":"flint_authority"}"#, "$.authority");
}

#[test]
fn words_and_numbers_are_among_the_possible() {
    for (field, wrong) in [
        ("unavailable", "\"Deny\""),
        ("default", "\"allow\""),
        ("cors_preflight", "\"deny\""),
        ("max_staleness_seconds", "0"),
        ("max_staleness_seconds", "25"),
        ("max_staleness_seconds", "-1"),
        ("max_staleness_seconds", "31536001"),
        ("max_staleness_seconds", "99999999999999999999"),
        ("realm", "\"\""),
        ("realm", r#""a\"b""#),
        ("realm", r#""a\\b""#),
        ("realm", "\"é\""),
        ("realm", r#""a\nb""#),
        ("environments", "[]"),
        ("environments", "[\"live\",\"live\"]"),
    ] {
        refused(&with(&format!("\"{field}\":{wrong}")), &format!("$.{field}"));
    }
    refused(&with(&format!("\"realm\":\"{}\"", "a".repeat(257))), "$.realm");
    good(&with(&format!("\"realm\":\"{}\"", "a".repeat(256))));
    good(&with("\"max_staleness_seconds\":26"));
    good(&with("\"max_staleness_seconds\":31536000"));
    good(r#"{"keys":[],"max_staleness_seconds":1}"#);
    let environment = mistakes(&with(r#""environments":["prod",7]"#));
    assert_eq!(environment.len(), 3, "{environment:?}");
    assert!(environment[0].starts_with("$.environments[0]: must be \"live\" or \"test\""), "{environment:?}");
}

#[test]
fn the_authority_can_be_called() {
    let authority = |fields: &str| format!("{{\"authority\":{{{fields}}}}}");
    for fields in [
        r#""cluster":"c","token":"abc-._~+/=""#,
        r#""cluster":"c","token_env":"_FLINT_TOKEN_2""#,
        r#""cluster":"c","host":"[2001:db8::1]:8443""#,
        r#""cluster":"c","host":"[::1]""#,
        r#""cluster":"c","host":"127.0.0.1:80""#,
        r#""cluster":"outbound|443||authority.example","host":"authority.example""#,
        r#""cluster":"c","wait_seconds":300,"timeout_seconds":300"#,
    ] {
        good(&authority(fields));
    }
    for (fields, path) in [
        ("", "$.authority.cluster"),
        (r#""cluster":"""#, "$.authority.cluster"),
        (r#""cluster":"a\u0000b""#, "$.authority.cluster"),
        (r#""cluster":7"#, "$.authority.cluster"),
        (r#""cluster":"outbound|443||authority.example""#, "$.authority.host"),
        (r#""cluster":"c","host":"""#, "$.authority.host"),
        (r#""cluster":"c","host":"a b""#, "$.authority.host"),
        (r#""cluster":"c","host":"u@a""#, "$.authority.host"),
        (r#""cluster":"c","host":"http://a""#, "$.authority.host"),
        (r#""cluster":"c","host":"a/b""#, "$.authority.host"),
        (r#""cluster":"c","host":"a:""#, "$.authority.host"),
        (r#""cluster":"c","host":"a:0""#, "$.authority.host"),
        (r#""cluster":"c","host":"a:65536""#, "$.authority.host"),
        (r#""cluster":"c","host":"a:+80""#, "$.authority.host"),
        (r#""cluster":"c","host":":80""#, "$.authority.host"),
        (r#""cluster":"c","host":"::1""#, "$.authority.host"),
        (r#""cluster":"c","host":"[::1""#, "$.authority.host"),
        (r#""cluster":"c","host":"[]""#, "$.authority.host"),
        (r#""cluster":"c","host":"a\r\nb: c""#, "$.authority.host"),
        (r#""cluster":"c","token":"""#, "$.authority.token"),
        (r#""cluster":"c","token":"a b""#, "$.authority.token"),
        (r#""cluster":"c","token":"a\nb""#, "$.authority.token"),
        (r#""cluster":"c","token":"é""#, "$.authority.token"),
        (r#""cluster":"c","token":null"#, "$.authority.token"),
        (r#""cluster":"c","token_env":"""#, "$.authority.token_env"),
        (r#""cluster":"c","token_env":"2A""#, "$.authority.token_env"),
        (r#""cluster":"c","token_env":"A-B""#, "$.authority.token_env"),
        (r#""cluster":"c","token":"a","token_env":"A""#, "$.authority"),
        (r#""cluster":"c","wait_seconds":0"#, "$.authority.wait_seconds"),
        (r#""cluster":"c","wait_seconds":301"#, "$.authority.wait_seconds"),
        (r#""cluster":"c","timeout_seconds":0"#, "$.authority.timeout_seconds"),
        (r#""cluster":"c","timeout_seconds":2.5"#, "$.authority.timeout_seconds"),
        (r#""cluster":"c","wait":5"#, "$.authority.wait"),
    ] {
        refused(&authority(fields), path);
    }
}

#[test]
fn fields_that_are_unknown_or_repeated_are_refused() {
    let told = |config: &str| mistakes(config).join("\n");
    assert!(
        told(&with(r#""enviroments":["live"]"#))
            .starts_with("$.enviroments: is not a known field; \"environments\" may")
    );
    assert!(
        told(&with(r#""cors":"allow""#)).starts_with("$.cors: is not a known field; allowed are realm, ")
    );
    refused(&with(r#""realm":"a","realm":"a""#), "$.realm");
    refused(r#"{"authority":{"cluster":"a","cluster":"a"}}"#, "$.authority.cluster");
    refused(r#"{"keys":[],"keys":[]}"#, "$.keys");
    for (name, meant) in [("Routes", "routes"), ("cors-preflight", "cors_preflight"), ("REALM", "realm")] {
        let told = told(&with(&format!(r#""{name}":"a""#)));
        assert!(told.starts_with(&format!("$.{name}: is not a known field; \"{meant}\" may")), "{told}");
    }
    let longest = "Abc_-".repeat(12) + "2026";
    refused(&with(&format!(r#""{longest}":"a""#)), &format!("$.{longest}"));
    for unnamed in [format!("{longest}x"), "a.b".to_owned(), String::new(), "FLINT_live_abc".to_owned()] {
        refused(&with(&format!(r#""{unnamed}":"a""#)), "$");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = mistakes(
        r#"{"realm": "\"", "environments": ["prod"], "authority": {"host": "", "wait_seconds": "x"}, "extra": 1,
            "max_staleness_seconds": 0, "routes": [{"methods": ["get"]}, {"path": "a", "public": 1}, 7],
            "keys": [{"sha256": "x", "owner": "a b"}], "oauth": {}}"#,
    );
    let paths: Vec<_> = told.iter().map(|line| line.split(": ").next().unwrap()).collect();
    for path in [
        "$.extra",
        "$.realm",
        "$.environments[0]",
        "$.authority.cluster",
        "$.authority.host",
        "$.authority.wait_seconds",
        "$.max_staleness_seconds",
        "$.routes[0].path",
        "$.routes[0].methods[0]",
        "$.routes[1].path",
        "$.routes[1].public",
        "$.routes[2]",
        "$.keys[0].sha256",
        "$.keys[0].id",
        "$.keys[0].environment",
        "$.keys[0].permissions",
        "$.keys[0].owner",
        "$.oauth.issuer",
        "$.oauth.audience",
        "$.oauth.jwks",
    ] {
        assert!(paths.contains(&path), "{path} is missing of {told:#?}");
    }
}

#[test]
fn a_thousand_mistakes_are_told_and_the_rest_are_counted() {
    let keys = vec!["7"; 1500].join(",");
    let errors = Config::parse(format!("{{\"keys\":[{keys}]}}").as_bytes()).unwrap_err();
    assert_eq!((errors.iter().count(), errors.untold()), (1000, 500));
    assert!(errors.to_string().ends_with("$.keys[999]: must be an object\nand 500 more"));
}

#[test]
fn no_message_and_no_debug_output_has_a_secret() {
    let secrets = ["flint_live_seeeecret", "0123456789abcdef0123456789abcdef", "gw-tokenWithin4you2use"];
    for secret in secrets {
        for config in [
            format!(r#"{{"authority":{{"cluster":"c","token":"{secret} "}}}}"#),
            format!(r#"{{"authority":{{"cluster":"c","token_env":"{secret}-","{secret}":1}}}}"#),
            format!(r#"{{"authority":{{"cluster":"c","token":["{secret}"]}}}}"#),
            format!(
                r#"{{"keys":[{{"sha256":"{secret}","id":"{secret}.","{secret}0":1,"permissions":["{secret}"]}}]}}"#
            ),
            format!(r#"{{"keys":["{secret}"],"realm":{{"{secret}":1}},"unavailable":"{secret}"}}"#),
            format!(r#"{{"keys":"{secret}","routes":[{{"path":"{secret}","methods":["{secret}"]}}]}}"#),
            format!(r#"{{"authority":{{"cluster":"c","token":"{secret}"#),
            secret.to_owned(),
            format!(r#"{{"{secret}1":"{secret}","keys":[],"keys":["{secret}"]}}"#),
        ] {
            let errors = Config::parse(config.as_bytes()).unwrap_err();
            assert!(!errors.to_string().contains(secret), "{errors}");
            assert!(!format!("{errors:?}").contains(secret), "{errors:?}");
        }
    }
    let config = good(r#"{"authority":{"cluster":"c","token":"gw-tokenWithin4you2use"}}"#);
    assert!(!format!("{config:?}").contains("tokenWithin"), "{config:?}");
}
