use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::keys::{kid_of, kids};
use super::world::{VERIFIER, World, claims, fault, settings, words};
use crate::client::{Answer, Client};
use crate::harness::{PATIENCE, on_both};

/// A second server on the database of a world.
async fn twin(world: &World) -> Client {
    let keys = world.harness.database.directory.path().join("keys");
    world.harness.second_with(settings(&keys)).await.0
}

/// Sends a form to the token endpoint of a server, as the client of the world.
async fn post(world: &World, server: &Client, path: &'static str, fields: &[(&str, &str)]) -> Answer {
    let (server, body) = call(world, server, fields);
    server.send(Method::POST, path, body.into()).await
}

fn call(world: &World, server: &Client, fields: &[(&str, &str)]) -> (Client, String) {
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", world.id, world.secret)));
    let server =
        server.with("content-type", "application/x-www-form-urlencoded").with("authorization", &basic);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    (server, body)
}

/// Sends the same to both at the same moment, many times. Tells those that succeeded.
async fn at_once(world: &World, twin: &Client, fields: &[(&str, &str)]) -> Vec<Value> {
    let mut all = JoinSet::new();
    for number in 0..8 {
        let server = if number % 2 == 0 { world.http() } else { twin };
        let (server, body) = call(world, server, fields);
        all.spawn(async move { server.send(Method::POST, "/oauth/token", body.into()).await });
    }
    let mut won = Vec::new();
    for answer in all.join_all().await {
        if answer.status == 200 {
            won.push(answer.json());
        } else {
            assert_eq!(fault(&answer), (400, "invalid_grant".into()));
        }
    }
    won
}

/// What came of something that was shown again has ended, at both.
async fn has_ended(world: &World, twin: &Client, tokens: &Value) {
    assert!(world.is_refused(tokens).await);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    for server in [world.http(), twin] {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let answer = post(world, server, "/oauth/token", &fields).await;
        assert_eq!(fault(&answer), (400, "invalid_grant".into()));
    }
}

on_both! {
    async fn rfc6749_4_1_2_a_code_at_two_servers_at_once_works_once_and_its_family_ends(backend) {
        let world = World::new(backend).await;
        let twin = twin(&world).await;
        let code = world.code(&world.id, &[]).await;
        let fields = [("grant_type", "authorization_code"), ("code", &*code), ("code_verifier", VERIFIER)];
        let won = at_once(&world, &twin, &fields).await;
        assert_eq!(won.len(), 1, "{won:?}");
        has_ended(&world, &twin, &won[0]).await;
    }

    async fn rfc9700_4_14_2_a_refresh_token_at_two_servers_at_once_works_once_and_its_family_ends(backend) {
        let world = World::new(backend).await;
        let twin = twin(&world).await;
        let tokens = world.tokens().await;
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let won = at_once(&world, &twin, &[("grant_type", "refresh_token"), ("refresh_token", refresh)]).await;
        assert_eq!(won.len(), 1, "{won:?}");
        has_ended(&world, &twin, &won[0]).await;
        has_ended(&world, &twin, &tokens).await;
    }

    async fn a_rotation_reaches_every_server_and_breaks_no_live_token(backend) {
        let world = World::new(backend).await;
        let twin = twin(&world).await;
        let (id, secret) = world.client("confidential", |rest| {
            (rest.grant_types, rest.redirect_uris) = (words(&["client_credentials"]), None);
        }).await;
        let world = World { id, secret, ..world };
        let issue = async |server: &Client| post(&world, server, "/oauth/token", &[("grant_type", "client_credentials")]).await.ok();
        let is_live = async |server: &Client, tokens: &Value| {
            let fields = [("token", tokens["access_token"].as_str().unwrap())];
            post(&world, server, "/oauth/introspect", &fields).await.ok()["active"] == json!(true)
        };
        let live = issue(world.http()).await;
        assert_eq!(kids(&twin).await, [kid_of(&live)]);
        let api = world.harness.token(&["oauth:write"]).await;
        let next = api.post("/v1/oauth/keys/rotate", &json!({})).await.ok();
        assert_eq!(kids(world.http()).await.len(), 2);
        until(async || kids(&twin).await.contains(&next["kid"].as_str().unwrap().to_owned())).await;
        for server in [world.http(), &twin] {
            assert_eq!(kid_of(&issue(server).await), kid_of(&live), "the next key is published before it signs");
            assert!(is_live(server, &live).await);
        }
        let now = api.post("/v1/oauth/keys/rotate", &json!({"now": true})).await.ok();
        let kid = now["kid"].as_str().unwrap().to_owned();
        until(async || kid_of(&issue(&twin).await) == kid).await;
        until(async || kids(&twin).await == [kid.clone()]).await;
        assert!(!is_live(&twin, &live).await && !is_live(world.http(), &live).await);
        assert_eq!(claims(issue(world.http()).await["access_token"].as_str().unwrap())["client_id"], json!(world.id));
    }
}

/// Waits until something is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it has not become so");
}
