//! What the upstream receives (contract §4): the filter's statement of who is calling, and never a
//! client's.

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::client::{Protocol, Request};
use crate::keys::Key;
use crate::scene::{Scene, configuration, shared};

/// A request that claims to be somebody in every spelling.
fn forged(path: &str) -> Request {
    Request::get(path)
        .header("x-flint-key-id", "key_forged")
        .header("X-Flint-Key-Id", "key_forged")
        .header("X-FLINT-OWNER", "org_forged")
        .header("x-flint-environment", "test")
        .header("x-flint-environment", "live")
        .header("x-flint-credential", "access_token")
        .header("x-flint-subject", "root")
        .header("x-flint-client-id", "app_forged")
        .header("x-flint-", "nameless")
        .header("x-flint-anything-at-all", "yes")
}

/// The identity that the upstream saw.
fn identity(echo: &Value) -> Value {
    let headers = echo["headers"].as_object().expect("headers");
    let ours = headers.iter().filter(|(name, _)| name.starts_with("x-flint-"));
    Value::Object(ours.map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[test]
fn the_upstream_learns_who_is_calling_from_the_filter_alone() {
    let scene = shared();
    let owned = Key::live("owned").may(&["*"]).with("owner", "org_7");
    let free = Key::test("free").may(&["*"]);
    scene.authority.publish([&owned, &free]);
    let expected = [
        json!({"x-flint-credential": "api_key", "x-flint-key-id": owned.id,
               "x-flint-environment": "live", "x-flint-owner": "org_7"}),
        json!({"x-flint-credential": "api_key", "x-flint-key-id": free.id, "x-flint-environment": "test"}),
    ];
    for protocol in Protocol::ALL {
        for (key, expected) in [&owned, &free].into_iter().zip(&expected) {
            for request in [Request::get("/documents"), forged("/documents")] {
                let answer = request.bearer(&key.secret).send(protocol, scene.gateway.listener("both"));
                assert_eq!(answer.status, 200, "{answer:?}");
                assert_eq!(identity(&answer.json()), *expected);
            }
        }
    }
}

#[test]
fn forged_identity_is_removed_on_public_paths_too() {
    let scene = shared();
    for protocol in Protocol::ALL {
        let answer = forged("/healthz").send(protocol, scene.gateway.address());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(identity(&answer.json()), json!({}));
    }
}

#[test]
fn forged_identity_is_removed_where_no_decision_can_be_made() {
    let open = configuration(json!({"unavailable": "allow"}));
    let scene = Scene::with(Authority::down(), |plan| plan.listener("main", open));
    let request = forged("/documents").bearer("flint_live_any");
    let (answer, line) = scene.send_logged(Protocol::Http1, "main", request);
    assert_eq!(line["outcome"], "unavailable");
    assert_eq!(identity(&answer.json()), json!({}));
    assert_eq!(answer.received("authorization"), "Bearer flint_live_any");
}

#[test]
fn other_headers_pass_as_they_are() {
    let scene = shared();
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    let request = Request::get("/documents?a=1&b=%2F")
        .bearer(&key.secret)
        .header("x-flint", "not ours")
        .header("x-flintstone-id", "fred")
        .header("x-many", "1")
        .header("x-many", "2")
        .header("cookie", "a=b");
    for protocol in Protocol::ALL {
        let answer = request.send(protocol, scene.gateway.address());
        assert_eq!(answer.json()["path"], "/documents?a=1&b=%2F");
        for (name, value) in [
            ("x-flint", json!("not ours")),
            ("x-flintstone-id", json!("fred")),
            ("x-many", json!(["1", "2"])),
            ("cookie", json!("a=b")),
        ] {
            assert_eq!(answer.received(name), value, "{name}");
        }
    }
}

#[test]
fn the_credential_goes_on_only_where_it_is_wanted() {
    let scene = shared();
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    let value = format!("bEARER   {}", key.secret);
    for protocol in Protocol::ALL {
        let received = |listener| {
            let request = Request::get("/documents").authorization(&value);
            request.send(protocol, scene.gateway.listener(listener)).received("authorization")
        };
        assert_eq!(received("main"), Value::Null);
        assert_eq!(received("forwarding"), json!(value));
    }
}

#[test]
fn on_a_public_path_the_credential_is_not_read_and_passes_untouched() {
    let scene = shared();
    for value in ["Bearer flint_live_unknown", "Bearer", "Basic dXNlcjpwYXNz"] {
        let answer = scene.send("main", &Request::get("/healthz").authorization(value));
        assert_eq!(answer.received("authorization"), json!(value));
    }
    let twice = Request::get("/healthz").authorization("Bearer a").authorization("Bearer b");
    // Envoy makes one line of the two, with or without a filter.
    assert_eq!(scene.send("main", &twice).received("authorization"), json!("Bearer a,Bearer b"));
}

#[test]
fn a_route_by_environment_follows_the_key_and_not_the_client() {
    let scene = shared();
    let (live, test) = (Key::live("any").may(&["*"]), Key::test("any").may(&["*"]));
    scene.authority.publish([&live, &test]);
    for protocol in Protocol::ALL {
        for (key, upstream) in [(&live, "production"), (&test, "sandbox")] {
            for claim in [None, Some("live"), Some("test")] {
                let mut request = Request::get("/documents").bearer(&key.secret);
                if let Some(claim) = claim {
                    request = request.header("X-Flint-Environment", claim);
                }
                let answer = request.send(protocol, scene.gateway.listener("by-environment"));
                assert_eq!(answer.json()["upstream"], upstream, "{claim:?}");
            }
        }
    }
    let public = Request::get("/healthz").header("x-flint-environment", "test");
    assert_eq!(scene.send("by-environment", &public).json()["upstream"], "production");
}
