use serde_json::json;

use super::world::{World, fault};
use crate::client::Client;
use crate::harness::{Backend, on_both};
use crate::program::{flint, flint_json, flint_with_input, stderr, stdout};

async fn delete(client: &Client, path: &str) -> u16 {
    client.send(axum::http::Method::DELETE, path, "".into()).await.status.as_u16()
}

async fn patch(client: &Client, path: &str, body: serde_json::Value) -> crate::client::Answer {
    let client = client.with("content-type", "application/json");
    client.send(axum::http::Method::PATCH, path, body.to_string().into()).await
}

on_both! {
    async fn a_client_is_managed_over_http(backend) {
        let world = World::new(backend).await;
        let api = world.harness.token(&["oauth:read", "oauth:write"]).await;
        let new = json!({"name": "App", "environment": "test", "redirect_uris": ["https://app.example/cb"],
                         "permissions": ["a:b"], "access_token_seconds": 60});
        let answer = api.post("/v1/oauth/clients", &new).await;
        assert_eq!(answer.status, 201);
        let made = answer.ok();
        let (id, secret) = (made["id"].as_str().unwrap(), made["client_secret"].as_str().unwrap());
        assert!(id.starts_with("client_") && id.len() == 33 && secret.starts_with("flint_secret_") && secret.len() == 46);
        assert_eq!((&made["kind"], &made["access_token_seconds"]), (&json!("confidential"), &json!(60)));
        assert_eq!(made["refresh_max_seconds"], 90 * 86_400);
        let shown = api.get(&format!("/v1/oauth/clients/{id}")).await.ok();
        assert!(shown.get("client_secret").is_none() && shown["secrets"][0]["expires_at"].is_null());
        let rotated = api.post(&format!("/v1/oauth/clients/{id}/rotate-secret"), &json!({"overlap_seconds": 60})).await.ok();
        let newer = rotated["client_secret"].as_str().unwrap();
        assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
        for secret in [secret, newer] {
            let answer = world.post("/oauth/revoke", &[("token", "x")], Some((id, secret))).await;
            assert_eq!(answer.status, 200);
        }
        let third = api.post(&format!("/v1/oauth/clients/{id}/rotate-secret"), &json!({"overlap_seconds": 0})).await.ok();
        assert_eq!(third["secrets"].as_array().unwrap().len(), 1);
        for secret in [secret, newer] {
            let answer = world.post("/oauth/revoke", &[("token", "x")], Some((id, secret))).await;
            assert_eq!(fault(&answer).1, "invalid_client");
        }
        let path = format!("/v1/oauth/clients/{id}");
        assert_eq!(patch(&api, &path, json!({"name": "Other", "disabled": true})).await.ok()["name"], "Other");
        assert!(api.get(&path).await.ok()["disabled_at"].is_i64());
        assert_eq!(patch(&api, &path, json!({"environment": "live"})).await.error().0, 400);
        assert_eq!(patch(&api, &path, json!({"redirect_uris": ["http://app.example"]})).await.error().0, 400);
        assert_eq!((delete(&api, &path).await, delete(&api, &path).await), (204, 404));
        assert_eq!(api.get("/v1/oauth/clients").await.ok()["clients"].as_array().unwrap().len(), 1);
        let reader = world.harness.token(&["oauth:read"]).await;
        assert_eq!(reader.post("/v1/oauth/clients", &new).await.error().0, 403);
    }

    async fn a_user_is_managed_over_http(backend) {
        let world = World::new(backend).await;
        let api = world.harness.token(&["users:read", "users:write"]).await;
        let made = api.post("/v1/users", &json!({"name": "bob", "permissions": ["a:b"]})).await.ok();
        let id = made["id"].as_str().unwrap();
        assert!(id.starts_with("user_") && made["password"].is_string());
        assert_eq!(api.post("/v1/users", &json!({"name": "bob"})).await.error().0, 409);
        assert_eq!(api.post("/v1/users", &json!({"name": "eve", "password": "short"})).await.error().0, 400);
        let path = format!("/v1/users/{id}");
        assert_eq!(patch(&api, &path, json!({"permissions": ["c:d"]})).await.ok()["permissions"], json!(["c:d"]));
        assert!(patch(&api, &path, json!({"disabled": true})).await.ok()["disabled_at"].is_i64());
        assert!(patch(&api, &path, json!({"disabled": false})).await.ok()["disabled_at"].is_null());
        let changed = api.post(&format!("{path}/password"), &json!({"password": "a new long password"})).await.ok();
        assert!(changed.get("password").is_none());
        assert_eq!(api.get("/v1/users").await.ok()["users"].as_array().unwrap().len(), 2);
        assert_eq!(api.get("/v1/users/nobody").await.error().0, 404);
    }

    async fn the_command_line_does_the_same(backend) {
        let test = backend.database().await;
        let database = &test.database;
        let create = ["oauth", "clients", "create", "--name", "App", "--environment", "live", "--public",
                      "--redirect-uri", "com.example.app:/cb", "--permission", "a:b"];
        let made = flint_json(database, &create).await;
        assert!(made.get("client_secret").is_none() && made["token_endpoint_auth_method"] == "none");
        let create = ["oauth", "clients", "create", "--name", "CI", "--environment", "live", "--grant", "client_credentials"];
        let printed = flint(database, &create).await;
        assert!(stdout(&printed).starts_with("flint_secret_") && stdout(&printed).lines().count() == 1);
        let listed = flint_json(database, &["oauth", "clients", "list"]).await;
        let id = listed["clients"][0]["id"].as_str().unwrap();
        let rotated = flint(database, &["oauth", "clients", "rotate-secret", id, "--overlap", "0"]).await;
        assert!(stdout(&rotated).starts_with("flint_secret_"), "{}", stderr(&rotated));
        let changed = flint_json(database, &["oauth", "clients", "update", id, "--disable"]).await;
        assert!(changed["disabled_at"].is_i64());
        let user = flint_with_input(database, &["users", "create", "ada", "--stdin", "--json"], "correct horse battery\n").await;
        assert!(user.status.success() && !stdout(&user).contains("password"));
        assert_eq!(flint_json(database, &["users", "show", "ada"]).await["permissions"], json!(["*"]));
        assert!(flint_json(database, &["users", "disable", "ada"]).await["disabled_at"].is_i64());
        assert!(flint_json(database, &["users", "enable", "ada"]).await["disabled_at"].is_null());
        assert_eq!(flint_json(database, &["oauth", "grants", "list"]).await, json!({"grants": []}));
        for (arguments, code) in [
            (&["oauth", "clients", "show", "client_1"][..], 3),
            (&["oauth", "clients", "delete", id], 0),
            (&["oauth", "clients", "delete", id], 3),
            (&["oauth", "grants", "revoke", "grant_1"], 3),
            (&["users", "create", "ada"], 4),
            (&["users", "show", "nobody"], 3),
            (&["oauth", "clients", "create", "--name", "x", "--environment", "prod"], 2),
            (&["oauth", "keys", "rotate", "--algorithm", "HS256"], 2),
        ] {
            let done = flint(database, arguments).await;
            assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}", stderr(&done));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_is_no_origin_is_refused_at_the_start() {
    let test = Backend::Sqlite.database().await;
    for arguments in [
        &["serve", "--issuer", "https://auth.example/"][..],
        &["serve", "--issuer", "http://auth.example"],
        &["serve", "--issuer", "https://auth.example", "--resource", "api"],
        &["serve", "--issuer", "https://auth.example", "--resource", "https://api.example#x"],
    ] {
        assert_eq!(flint(&test.database, arguments).await.status.code(), Some(2), "{arguments:?}");
    }
}
