use serde_json::{Value, json};

use super::world::{World, fault, settings, words};
use crate::client::Client;
use crate::harness::on_both;

pub(super) async fn kids(server: &Client) -> Vec<String> {
    let keys = server.get("/oauth/jwks.json").await.ok();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

pub(super) fn kid_of(tokens: &Value) -> String {
    let header = tokens["access_token"].as_str().unwrap().split('.').next().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).unwrap();
    serde_json::from_slice::<Value>(&bytes).unwrap()["kid"].as_str().unwrap().to_owned()
}

on_both! {
    async fn a_new_key_is_published_at_once_and_signs_later(backend) {
        let world = World::new(backend).await;
        let first = kids(world.http()).await;
        let api = world.harness.token(&["oauth:read", "oauth:write"]).await;
        let made = api.post("/v1/oauth/keys/rotate", &json!({"algorithm": "EdDSA"})).await.ok();
        assert_eq!((&made["state"], &made["algorithm"]), (&json!("next"), &json!("EdDSA")));
        let listed = api.get("/v1/oauth/keys").await.ok();
        let states: Vec<_> = listed["keys"].as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
        assert_eq!((kids(world.http()).await.len(), states), (2, vec![json!("current"), json!("next")]));
        let tokens = world.tokens().await;
        assert_eq!(vec![kid_of(&tokens)], first);
        // A leaked key: what it signed breaks at once.
        let made = api.post("/v1/oauth/keys/rotate", &json!({"now": true})).await.ok();
        assert_eq!(kids(world.http()).await, [made["kid"].as_str().unwrap()]);
        assert_eq!(kid_of(&world.tokens().await), made["kid"].as_str().unwrap());
        let told = world.post("/oauth/introspect", &[("token", tokens["access_token"].as_str().unwrap())], None).await;
        assert_eq!(told.ok(), json!({"active": false}));
    }

    async fn servers_of_one_database_publish_the_same_and_one_without_the_key_is_not_ready(backend) {
        let world = World::new(backend).await;
        let keys = world.harness.database.directory.path().join("keys");
        let (twin, _) = world.harness.second_with(settings(&keys)).await;
        let (stranger, _) = world.harness.second_with(settings(&keys.join("elsewhere"))).await;
        let mut all = Vec::new();
        for client in [world.http(), &twin, &stranger] {
            all.push(client.get("/oauth/jwks.json").await.ok());
        }
        assert!(all[0] == all[1] && all[1] == all[2]);
        assert_eq!((twin.get("/readyz").await.status.as_u16(), stranger.get("/readyz").await.status.as_u16()), (200, 503));
        let (id, secret) = world.client("confidential", |rest| {
            (rest.grant_types, rest.redirect_uris) = (words(&["client_credentials"]), None);
        }).await;
        let body = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        for (client, status) in [(&twin, 200), (&stranger, 503)] {
            let client = client.with("content-type", "application/x-www-form-urlencoded");
            let answer = client.send(axum::http::Method::POST, "/oauth/token", body.clone().into()).await;
            assert_eq!(answer.status, status);
            if status == 503 {
                assert_eq!(fault(&answer), (503, "server_error".into()));
                assert!(answer.headers.contains_key("retry-after"));
            }
        }
    }
}
