use axum::http::Method;
use serde_json::json;

use crate::harness::{Backend, many_keys, on_both};
use crate::network::start_with;
use crate::program::flint_json;

#[tokio::test]
async fn an_import_that_is_wrong_in_every_line_is_answered_briefly() {
    let harness = Backend::Sqlite.start().await;
    let client = harness.token(&["keys:import"]).await;
    let send = async |kind: &str, text: String| {
        client.with("content-type", kind).send(Method::POST, "/v1/keys/import", text.into()).await
    };
    let answer = send("application/x-ndjson", "{}\n".repeat(10_000)).await;
    assert_eq!(answer.error(), (400, "INVALID_REQUEST".into()));
    let error = &answer.json()["error"];
    assert_eq!(error["details"].as_array().unwrap().len(), 20);
    assert!(error["message"].as_str().unwrap().ends_with("; 9993 more lines cannot be used"), "{error}");
    assert!(answer.body.len() < 8 * 1024, "{}", answer.body.len());
    for (kind, text, field) in [
        ("application/x-ndjson", "{}\n".repeat(10_001), "file"),
        ("text/csv", format!("sha256,name,environment\n{}", "x,y,z\n".repeat(10_001)), "file"),
        ("text/csv", "a,".repeat(1 << 20), "line 1: line"),
    ] {
        let answer = send(kind, text).await;
        assert_eq!(answer.error().0, 400);
        assert_eq!(answer.json()["error"]["details"][0]["field"], field);
        assert!(answer.body.len() < 1024, "{}", answer.body.len());
    }
}

/// With this much address space the program lives, and does not live with a multiple of what it is sent.
const A_GIBIBYTE: &str = "-v 1048576";

#[tokio::test]
async fn the_largest_import_of_bad_lines_does_not_use_up_the_memory() {
    let (_child, client, _log, database) = start_with(A_GIBIBYTE, "100").await;
    let arguments = ["tokens", "create", "--name", "importer", "--permission", "keys:import"];
    let token = flint_json(&database.database, &arguments).await;
    let client = client.with_token(token["token"].as_str().unwrap());
    for (kind, line) in [("application/x-ndjson", "{}\n"), ("text/csv", ","), ("text/csv", "\"\n\",")] {
        let text = line.repeat((16 << 20) / line.len());
        let client = client.with("content-type", kind);
        let answer = client.send(Method::POST, "/v1/keys/import", text.into()).await;
        assert_eq!(answer.error().0, 400);
    }
    assert_eq!(client.get("/healthz").await.ok(), json!({ "status": "ok" }));
}

on_both! {
    async fn a_gateway_has_no_more_processes_than_are_followed(backend) {
        let harness = backend.start().await;
        let first = harness.gateway("p1").await;
        let cursor = first.get("/v1/key-table").await.ok()["cursor"].as_str().unwrap().to_owned();
        let path = format!("/v1/key-table?cursor={cursor}");
        harness
            .sql(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
                 INSERT INTO gateway_process (gateway_id, process_id, applied_seq, applied_at, first_seen, seen_at) \
                 SELECT gateway.id, 'p' || n.i, 0, 1, 1, 9999999999 FROM n, gateway",
            )
            .await
            .unwrap();
        let token = first.header("authorization").unwrap().to_owned();
        let another = harness.client.with("authorization", &token).with("x-flint-gateway", "another");
        assert_eq!(another.get(&path).await.error(), (429, "TOO_MANY_REQUESTS".into()));
        first.get(&path).await.ok();
        // One that is silent makes room.
        harness.sql("UPDATE gateway_process SET seen_at = 1 WHERE process_id = 'p7'").await.unwrap();
        another.get(&path).await.ok();
        let processes = harness.store.processes(0).await.unwrap();
        assert!(processes.len() <= 10_000 && processes.iter().all(|process| process.process_id != "p7"));
    }

    async fn metrics_are_counted_once_for_all_who_ask(backend) {
        let harness = backend.start().await;
        harness.gateway("p1").await;
        let ask = async || String::from_utf8(harness.client.get("/metrics").await.body.to_vec()).unwrap();
        let told = ask().await;
        assert!(told.contains("flint_gateway_processes{standing=\"applied\"} 0"), "{told}");
        harness
            .sql(
                "INSERT INTO gateway_process (gateway_id, process_id, applied_seq, applied_at, first_seen, seen_at) \
                 SELECT id, 'p1', 0, 1, 1, 9999999999 FROM gateway",
            )
            .await
            .unwrap();
        assert_eq!(ask().await, told);
    }
}

#[tokio::test]
async fn a_search_has_ten_words_at_most() {
    let harness = Backend::Sqlite.start().await;
    let client = harness.token(&["keys:read"]).await;
    client.get("/v1/keys?search=a+b+c+d+e+f+g+h+i+j").await.ok();
    let answer = client.get("/v1/keys?search=a+b+c+d+e+f+g+h+i+j+k").await;
    assert_eq!((answer.error().0, &answer.json()["error"]["details"][0]["field"]), (400, &json!("search")));
}

#[tokio::test]
async fn filters_of_the_log_are_short() {
    let harness = Backend::Sqlite.start().await;
    let client = harness.token(&["audit:read", "activity:read"]).await;
    let long = "a".repeat(201);
    for path in ["audit?subject=", "audit?actor=", "audit?action=", "activity?owner="] {
        assert_eq!(client.get(&format!("/v1/{path}{long}")).await.error().0, 400, "{path}");
        client.get(&format!("/v1/{path}{}", &long[1..])).await.ok();
    }
}

#[tokio::test]
async fn a_page_of_the_log_ends_early_if_its_lines_say_a_lot() {
    let harness = Backend::Sqlite.start().await;
    harness
        .sql(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
             INSERT INTO audit (at, actor_kind, actor, action, subject_kind, subject, before_json) \
             SELECT 1, 'cli', 'test', 'key.update', 'key', 'key_1', printf('\"%.*c\"', 40000, 'x') FROM n",
        )
        .await
        .unwrap();
    let client = harness.token(&["audit:read"]).await;
    for filter in ["subject=key_1", "actor=test&action=key.", "action=key."] {
        let (mut seen, mut cursor) = (0, String::new());
        loop {
            let page = client.get(&format!("/v1/audit?limit=10000&{filter}{cursor}")).await.ok();
            let count = page["lines"].as_array().unwrap().len();
            assert!((1..300).contains(&count), "{count}");
            seen += count;
            let Some(next) = page["next_cursor"].as_i64() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, 500, "{filter}");
    }
}

#[tokio::test]
async fn a_page_of_the_table_ends_early_if_its_keys_hold_a_lot() {
    let harness = Backend::Sqlite.start().await;
    many_keys(&harness.store, 400).await;
    harness.sql("UPDATE api_key SET permissions = printf('[\"a:%.*c\"]', 40000, 'x')").await.unwrap();
    let gateway = harness.gateway("envoy-1").await;
    let (mut seen, mut cursor) = (0, String::new());
    loop {
        let page = gateway.get(&format!("/v1/key-table?limit=10000&cursor={cursor}")).await.ok();
        let count = page["keys"].as_array().unwrap().len();
        assert!((1..300).contains(&count), "{count}");
        seen += count;
        cursor = page["cursor"].as_str().unwrap().to_owned();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(seen, 400);
}

#[tokio::test]
async fn slow_lists_wait_for_each_other_and_nobody_else_for_them() {
    let harness = Backend::Sqlite.start().await;
    let reader = harness.token(&["keys:read", "audit:read"]).await;
    let writer = harness.token(&["keys:write", "keys:revoke"]).await;
    let turns = harness.store.turns();
    let slow = [turns.slow().await.unwrap(), turns.slow().await.unwrap(), turns.slow().await.unwrap()];
    let list = tokio::spawn(async move { reader.get("/v1/keys").await.ok() });
    harness.gateway("envoy-1").await.get("/v1/key-table").await.ok();
    let key = writer.post("/v1/keys", &json!({ "name": "CI", "environment": "live" })).await.ok();
    writer.post(&format!("/v1/keys/{}/revoke", key["id"].as_str().unwrap()), &json!({})).await.ok();
    assert!(!list.is_finished(), "it took a turn that was not there");
    drop(slow);
    assert_eq!(list.await.unwrap()["keys"][0]["id"], key["id"]);
}
