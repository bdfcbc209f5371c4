use axum::http::{Method, header};
use serde_json::{Value, json};

use super::world::{ISSUER, World, fault};
use crate::harness::{Backend, on_both};

on_both! {
    async fn rfc8414_3_the_metadata_names_this_server_whatever_the_host_was(backend) {
        let world = World::new(backend).await;
        let answer = world.http().with("host", "evil.example").get("/.well-known/oauth-authorization-server").await;
        assert_eq!(answer.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let said = answer.ok();
        assert_eq!(said["issuer"], ISSUER);
        for (name, value) in said.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(value.as_str().unwrap().starts_with("https://auth.example/"), "{name}");
            }
        }
        world.harness.store.offer_permission(("documents:read", "Read documents").into(), 0, &crate::harness::actor()).await.unwrap();
        let said = world.http().get("/.well-known/oauth-authorization-server").await.ok();
        assert_eq!(said["scopes_supported"], json!(["documents:read"]));
        assert_eq!(said["protected_resources"], json!(["https://api.example", "https://other.example"]));
        let keys = world.http().get("/oauth/jwks.json").await.ok();
        let key = &keys["keys"][0];
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!((&key["alg"], &key["use"], &keys["keys"][1]), (&json!("ES256"), &json!("sig"), &Value::Null));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc6749_3_2_wrong_methods_large_bodies_and_other_origins() {
    let world = World::new(Backend::Sqlite).await;
    for (method, path, allow) in [
        (Method::POST, "/.well-known/oauth-authorization-server", "GET"),
        (Method::DELETE, "/oauth/jwks.json", "GET"),
        (Method::POST, "/oauth/authorize", "GET"),
        (Method::GET, "/oauth/token", "POST"),
        (Method::PUT, "/oauth/revoke", "POST"),
        (Method::GET, "/oauth/introspect", "POST"),
        (Method::DELETE, "/account/apps", "GET"),
    ] {
        let answer = world.http().send(method, path, "".into()).await;
        assert_eq!(answer.status, 405, "{path}");
        let allowed = answer.headers.get(header::ALLOW).unwrap_or_else(|| panic!("{path}: {answer:?}"));
        assert!(allowed.to_str().unwrap().contains(allow), "{path}: {allowed:?}");
        let is_document = path.starts_with("/.well-known") || path.ends_with(".json");
        assert!(is_document || answer.headers[header::CACHE_CONTROL] == "no-store", "{path}");
    }
    let large = "a".repeat(64 * 1024 + 1);
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        let answer = world.post(path, &[("token", &large)], None).await;
        assert_eq!(answer.status, 413, "{path}");
        let origin = world.http().with("origin", "https://other.example");
        let asked =
            origin.with("access-control-request-method", "POST").send(Method::OPTIONS, path, "".into()).await;
        let is_open = path != "/oauth/introspect";
        assert_eq!(asked.headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), is_open, "{path}");
        assert!(!asked.headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS), "{path}");
        assert_eq!(asked.status == 204, is_open, "{path}");
        assert_eq!(asked.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
    let fine = world.post("/oauth/token", &[("token", &large[2_000..])], None).await;
    assert_eq!(fault(&fine), (400, "invalid_request".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_issuer_there_is_no_authorization_server() {
    let harness = Backend::Sqlite.start().await;
    for path in [
        "/.well-known/oauth-authorization-server",
        "/oauth/jwks.json",
        "/oauth/authorize",
        "/oauth/token",
        "/oauth/revoke",
        "/oauth/introspect",
        "/oauth/consent",
        "/account/apps",
        "/account/sign-in",
    ] {
        for method in [Method::GET, Method::POST] {
            assert_eq!(harness.client.send(method, path, "".into()).await.status, 404, "{path}");
        }
    }
    assert_eq!(harness.client.get("/readyz").await.status, 200);
    let world = World::new(Backend::Sqlite).await;
    // Names that are reserved, and not there (contract §16).
    assert_eq!(world.http().send(Method::POST, "/oauth/register", "".into()).await.status, 404);
}
