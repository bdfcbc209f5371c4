use axum::http::Method;
use serde_json::json;

use crate::harness::{Backend, on_both};
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
