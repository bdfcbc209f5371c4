//! Bad configurations (contract §5, acceptance E3): refused by Envoy, with every mistake named and
//! no secret told.

use serde_json::{Value, json};

use crate::authority::TOKEN;
use crate::harness::{Gateway, Plan};
use crate::keys::Key;
use crate::scene::{Scene, configuration, with_authority};
use crate::upstream::Upstream;

#[test]
fn envoy_does_not_start_and_its_log_names_every_mistake() {
    let bad = json!({
        "realm": "a\"b",
        "environments": ["live", "prod"],
        "authority": {"cluster": "", "token": TOKEN, "token_env": "X", "wait_seconds": 0, "colour": "blue"},
        "unavailable": "maybe",
        "max_staleness_seconds": "1h",
        "routes": [
            {"path": "documents", "all_of": ["documents"]},
            {"path": "/a/**/b"},
            {"path": "/x", "public": true, "all_of": ["a:b"]},
            {"path": "/twice", "methods": ["GET"]},
            {"path": "/twice", "methods": ["GET"]},
        ],
        "default": "open",
        "cors_preflight": true,
        "forward_authorization": "no",
        "keys": [{"id": "key_1"}],
        "oauth": {"issuer": "https://auth.example.com"},
        "unknown": 1,
    });
    let upstream = Upstream::start("production");
    let plan =
        Plan::new().cluster("upstream", upstream.address).http2_cluster("upstream_http2", upstream.address);
    let Err(log) = Gateway::try_start(plan.fixed_listeners().listener("main", bad)) else {
        panic!("Envoy starts on a bad configuration");
    };
    for path in [
        "$.realm",
        "$.environments[1]",
        "$.authority.cluster",
        "$.authority: must not have both",
        "$.authority.wait_seconds",
        "$.authority.colour",
        "$.unavailable",
        "$.max_staleness_seconds",
        "$.routes[0].path",
        "$.routes[0].all_of[0]",
        "$.routes[1].path",
        "$.routes[2]",
        "$.routes[4]",
        "$.default",
        "$.cors_preflight",
        "$.forward_authorization",
        "$.keys[0]",
        "$.oauth.audience",
        "$.oauth.jwks",
        "$.unknown",
    ] {
        assert!(log.contains(path), "{path} is not named in\n{log}");
    }
    assert!(!log.contains(TOKEN), "the log tells the token");
}

#[test]
fn one_mistake_is_enough_and_is_told_without_the_secret() {
    let mut scene = Scene::start(1, configuration(json!({})));
    let key = Key::live("any");
    let inline = |field: &str, value: Value| json!({"keys": [key.clone().with(field, value).entry]});
    for (bad, path) in [
        (json!({}), "$"),
        (json!([]), "$"),
        (configuration(json!({"realms": "x"})), "$.realms"),
        (configuration(json!({"environments": []})), "$.environments"),
        (configuration(json!({"max_staleness_seconds": 25})), "$.max_staleness_seconds"),
        (configuration(json!({"oauth": []})), "$.oauth"),
        (with_authority(json!({"token": "with space"})), "$.authority.token"),
        (with_authority(json!({"wait_seconds": -1})), "$.authority.wait_seconds"),
        (with_authority(json!({"timeout_seconds": 0})), "$.authority.timeout_seconds"),
        (configuration(json!({"routes": [{"path": "/a", "any_of": []}]})), "$.routes[0].any_of"),
        (configuration(json!({"routes": [{"path": "/a%2fb"}]})), "$.routes[0].path"),
        (configuration(json!({"routes": [{"path": "/a", "methods": ["get "]}]})), "$.routes[0].methods[0]"),
        (configuration(json!({"routes": [{"path": "/{a}"}, {"path": "/{b}"}]})), "$.routes[1]"),
        (inline("sha256", json!(key.digest().to_uppercase())), "$.keys[0].sha256"),
        (inline("sha256", json!(key.secret)), "$.keys[0].sha256"),
        (inline("environment", json!("prod")), "$.keys[0].environment"),
        (inline("allowed_cidrs", json!(["127.0.0.1/8"])), "$.keys[0].allowed_cidrs[0]"),
    ] {
        let log = scene.gateway.reconfigure("main", bad.clone()).expect_err("it is bad");
        assert!(log.contains(&format!("{path}: ")), "{bad}: {path} is not in\n{log}");
        for secret in [&key.secret, key.digest(), &key.digest().to_uppercase(), TOKEN] {
            assert!(!log.contains(secret), "{bad}: the log tells a secret");
        }
    }
}
