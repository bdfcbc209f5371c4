use axum::http::Method;
use serde_json::json;

use crate::harness::Backend;
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
