use serde_json::{Value, json};

use crate::harness::{Backend, on_both};

fn report(id: &str) -> Value {
    json!({
        "report_id": id, "from": 1_790_000_000, "to": 1_790_000_010, "dropped": 0,
        "entries": [{"key_id": "key_1", "outcome": "allowed", "count": 12, "last_used": 1_790_000_005}],
    })
}

on_both! {
    async fn a_report_counts_once_however_often_it_comes(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let first = gateway.post("/v1/usage", &report("r-1")).await.ok();
        assert_eq!(first, json!({ "report_id": "r-1", "duplicate": false }));
        let together = futures(&gateway, "r-1").await;
        assert!(together.iter().all(|answer| answer["duplicate"] == true));
        let together = futures(&gateway, "r-2").await;
        assert_eq!(together.iter().filter(|answer| answer["duplicate"] == false).count(), 1);
    }
}

/// The same report, several times at once.
async fn futures(gateway: &crate::client::Client, id: &str) -> Vec<Value> {
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (gateway, report) = (gateway.clone(), report(id));
            tokio::spawn(async move { gateway.post("/v1/usage", &report).await.ok() })
        })
        .collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn what_is_not_a_report_is_refused_clearly() {
    let harness = Backend::Sqlite.start().await;
    let gateway = harness.gateway("envoy-1").await;
    let refused = async |body: Value| {
        let answer = gateway.post("/v1/usage", &body).await;
        assert_eq!(answer.error(), (400, "INVALID_REQUEST".into()), "{body}");
        answer.json()["error"]["details"][0]["field"].as_str().unwrap_or_default().to_owned()
    };
    for (path, value, field) in [
        ("/report_id", json!(7), "report_id"),
        ("/from", json!("now"), "from"),
        ("/entries", json!({}), "entries"),
        ("/entries/0/count", json!(-1), "entries[0].count"),
        ("/entries/0/count", json!(0), "entries[0].count"),
        ("/entries/0/count", json!(1.5), "entries[0].count"),
        ("/entries/0/outcome", json!("good"), "entries[0].outcome"),
        ("/entries/0/key_id", json!("'; DROP TABLE api_key; --"), "entries[0].key_id"),
        ("/to", json!(1), "to"),
    ] {
        let mut body = report("r-1");
        *body.pointer_mut(path).unwrap() = value;
        assert_eq!(refused(body).await, field);
    }
    assert_eq!(refused(json!({})).await, "report_id");
    assert_eq!(refused(Value::Null).await, "", "that is no field's fault");
    // Nothing of it was taken for a report.
    assert_eq!(gateway.post("/v1/usage", &report("r-1")).await.ok()["duplicate"], false);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_without_repeating_it() {
    let harness = Backend::Sqlite.start().await;
    let gateway = harness.gateway("envoy-1").await;
    let send = async |kind: &str, body: &str| {
        gateway
            .with("content-type", kind)
            .send("POST".parse().unwrap(), "/v1/usage", body.to_owned().into())
            .await
    };
    let secret = "flint_live_abc123xyz789";
    for body in ["", "{", secret, &format!("{{\"report_id\": [\"{secret}\"]}}"), "[1] [2]", "\u{feff}{}"] {
        let answer = send("application/json", body).await;
        assert_eq!(answer.error(), (400, "INVALID_REQUEST".into()), "{body}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("abc123"));
    }
    assert_eq!(send("text/plain", "{}").await.error().0, 415);
    let packed = gateway.with("content-encoding", "gzip").post("/v1/usage", &report("r-1")).await;
    assert_eq!(packed.error().0, 415);
    let long = format!("{{\"report_id\": \"{}\"}}", "x".repeat(9 * 1024 * 1024));
    assert_eq!(send("application/json", &long).await.error(), (413, "PAYLOAD_TOO_LARGE".into()));
}

#[tokio::test]
async fn only_gateways_report() {
    let harness = Backend::Sqlite.start().await;
    let key = harness.key("CI").await;
    let client = harness.client.with("x-flint-gateway", "envoy-1").with_token(key.secret.reveal());
    assert_eq!(client.post("/v1/usage", &report("r-1")).await.error(), (401, "UNAUTHENTICATED".into()));
}
