use serde_json::json;

use crate::client::Client;
use crate::harness::Backend;
use crate::program::{Serving, flint_json, until_held};

/// Reports come in as fast as they go while the process is killed; whatever was answered 2xx must
/// be known afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answered_report_survives_kill_9() {
    let test = Backend::Sqlite.database().await;
    let token = flint_json(&test.database, &["gateways", "create", "edge"]).await["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut answered = Vec::new();
    for round in 0..3 {
        let serving = Serving::start(&test.database, &[]).await;
        let gateway = gateway(&serving.client, &token);
        let (count, mut counted) = tokio::sync::watch::channel(0);
        let sender = tokio::spawn(async move {
            let mut answered = Vec::new();
            loop {
                count.send_replace(answered.len());
                let id = format!("r-{round}-{}", answered.len());
                let sent = gateway.try_post("/v1/usage", &report(&id)).await;
                match sent {
                    Some(answer) => assert!(answer.status.is_success(), "{answer:?}"),
                    None => return answered,
                }
                answered.push(id);
            }
        });
        // In the midst of it, with one report or another on its way.
        counted.wait_for(|count| *count >= 25).await.unwrap();
        serving.kill().await;
        answered.extend(sender.await.unwrap());
    }
    let serving = Serving::start(&test.database, &[]).await;
    let gateway = gateway(&serving.client, &token);
    for id in &answered {
        assert_eq!(gateway.post("/v1/usage", &report(id)).await.ok()["duplicate"], true, "{id} is lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_survives_kill_9_and_the_cursor_goes_on() {
    let test = Backend::Sqlite.database().await;
    let token = flint_json(&test.database, &["gateways", "create", "edge"]).await["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let key = flint_json(&test.database, &["keys", "create", "--name", "CI", "--environment", "live"]).await;
    let serving = Serving::start(&test.database, &[]).await;
    let page = gateway(&serving.client, &token).get("/v1/key-table").await.ok();
    flint_json(&test.database, &["keys", "revoke", key["id"].as_str().unwrap()]).await;
    serving.kill().await;
    let serving = Serving::start(&test.database, &[]).await;
    let path = format!("/v1/key-table?cursor={}", page["cursor"].as_str().unwrap());
    let page = gateway(&serving.client, &token).get(&path).await.ok();
    assert_eq!(page["reset"], false);
    assert!(page["keys"][0]["revoked_at"].is_i64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_the_server_in_order() {
    let test = Backend::Sqlite.database().await;
    let token = flint_json(&test.database, &["gateways", "create", "edge"]).await["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let serving = Serving::start(&test.database, &[]).await;
    let gateway = gateway(&serving.client, &token);
    let cursor = gateway.get("/v1/key-table").await.ok()["cursor"].as_str().unwrap().to_owned();
    let path = format!("/v1/key-table?cursor={cursor}&wait=60");
    let held = tokio::spawn(async move { gateway.get(&path).await.ok() });
    until_held(&serving.client).await;
    assert!(serving.terminate().await.success());
    // It was answered. One that is waited for in vain is cut off.
    assert_eq!(held.await.unwrap()["more"], false);
}

fn gateway(client: &Client, token: &str) -> Client {
    client.with_token(token).with("x-flint-gateway", "envoy-1")
}

fn report(id: &str) -> serde_json::Value {
    json!({
        "report_id": id, "from": 1_790_000_000, "to": 1_790_000_010,
        "entries": [{"key_id": "key_1", "outcome": "allowed", "count": 1, "last_used": 1_790_000_005}],
    })
}
