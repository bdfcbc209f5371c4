use axum::http::Method;
use flint::clock;
use flint::store::Store;
use flint::store::people::sessions::SignIn;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Backend, Harness, actor, many_keys, on_both};
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

/// With this much address space the program lives, and does not live with a multiple of what it is
/// sent. What threads set aside for themselves, and never use, would count too.
const A_GIBIBYTE: &str = "-v 1048576 && export MALLOC_ARENA_MAX=2";

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
    let slow =
        [turns.slow("a").await.unwrap(), turns.slow("b").await.unwrap(), turns.slow("c").await.unwrap()];
    let list = tokio::spawn(async move { reader.get("/v1/keys").await.ok() });
    harness.gateway("envoy-1").await.get("/v1/key-table").await.ok();
    let key = writer.post("/v1/keys", &json!({ "name": "CI", "environment": "live" })).await.ok();
    writer.post(&format!("/v1/keys/{}/revoke", key["id"].as_str().unwrap()), &json!({})).await.ok();
    assert!(!list.is_finished(), "it took a turn that was not there");
    drop(slow);
    assert_eq!(list.await.unwrap()["keys"][0]["id"], key["id"]);
}

/// Sends a request as it stands, and tells the status of its answer.
async fn status_of(harness: &Harness, request: &str) -> String {
    let mut stream =
        TcpStream::connect(harness.client.base().strip_prefix("http://").unwrap()).await.unwrap();
    // It may be refused before it has been sent whole.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn heads_are_bounded_in_length_and_number() {
    let harness = Backend::Sqlite.start().await;
    let get =
        |headers: String| format!("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}\r\n");
    let long = |bytes: usize| get(format!("x-a: {}\r\n", "a".repeat(bytes)));
    let many = |count: usize| get("x-a: b\r\n".repeat(count));
    assert_eq!(status_of(&harness, &long(24 * 1024)).await, "200");
    assert_eq!(status_of(&harness, &many(98)).await, "200");
    for refused in [long(40 * 1024), many(99)] {
        let status = status_of(&harness, &refused).await;
        assert!(status.is_empty() || status == "431", "{status}");
    }
}

#[tokio::test]
async fn what_anyone_may_send_is_small() {
    let harness = Backend::Sqlite.start().await;
    let leaked = json!({ "key": "x".repeat(4 * 1024) });
    let answer = harness.client.post("/v1/keys/revoke-leaked", &leaked).await;
    assert_eq!(answer.error(), (413, "PAYLOAD_TOO_LARGE".into()));
    let form = harness.client.with("content-type", "application/x-www-form-urlencoded");
    let answer = form.send(Method::POST, "/sign-in", "x".repeat(16 * 1024 + 1).into()).await;
    assert_eq!(answer.status.as_u16(), 413);
}

on_both! {
    async fn tokens_and_gateways_are_bounded_and_what_has_ended_makes_room(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["*"]).await;
        harness
            .sql(
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1999) \
                 INSERT INTO gateway (id, name, created_at, created_by) SELECT 'gw_' || i, 'g' || i, 1, 'cli:test' FROM n",
            )
            .await
            .unwrap();
        let gateway = async |name: &str| client.post("/v1/gateways", &json!({ "name": name })).await;
        gateway("last").await.ok();
        assert_eq!(gateway("more").await.error(), (409, "LIMIT_REACHED".into()));
        harness.sql("UPDATE gateway SET revoked_at = 7 WHERE id = 'gw_5'").await.unwrap();
        gateway("more").await.ok();
        let gateways = harness.store.gateways().await.unwrap();
        assert!(gateways.len() == 2_000 && gateways.iter().all(|gateway| gateway.id != "gw_5"));
    }
}

#[tokio::test]
async fn an_api_token_that_has_ended_makes_room_for_another() {
    let harness = Backend::Sqlite.start().await;
    let client = harness.token(&["*"]).await;
    harness
        .sql(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1999) \
             INSERT INTO api_token (id, name, digest, permissions, created_at, created_by) \
             SELECT 'tok_' || i, 'a', CAST('d' || i AS BLOB), '[\"a:b\"]', 1, 'cli:test' FROM n",
        )
        .await
        .unwrap();
    let create =
        async || client.post("/v1/api-tokens", &json!({ "name": "b", "permissions": ["a:b"] })).await;
    assert_eq!(create().await.error(), (409, "LIMIT_REACHED".into()));
    harness.sql("UPDATE api_token SET expires_at = 7 WHERE id = 'tok_5'").await.unwrap();
    create().await.ok();
    let tokens = harness.store.api_tokens().await.unwrap();
    assert!(tokens.len() == 2_000 && tokens.iter().all(|token| token.id != "tok_5"));
}

/// What the server says of an HTTP/2 connection: the pairs of its first frame, which is SETTINGS
/// (RFC 9113, 6.5).
async fn settings(harness: &Harness) -> Vec<(u16, u32)> {
    let mut stream =
        TcpStream::connect(harness.client.base().strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "SETTINGS");
    let mut pairs = vec![0; usize::from(head[2])];
    stream.read_exact(&mut pairs).await.unwrap();
    let pair = |bytes: &[u8]| {
        (
            u16::from_be_bytes([bytes[0], bytes[1]]),
            u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
        )
    };
    pairs.chunks_exact(6).map(pair).collect()
}

#[tokio::test]
async fn an_http_2_connection_has_bounds() {
    let settings = settings(&Backend::Sqlite.start().await).await;
    // Requests at a time, bytes of a body before they are read, bytes of a head.
    for expected in [(3, 100), (4, 64 * 1024), (6, 32 * 1024)] {
        assert!(settings.contains(&expected), "{expected:?} {settings:?}");
    }
}

on_both! {
    async fn a_gateway_has_few_tokens_and_the_newest_is_among_them(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["gateways:write"]).await;
        let made = client.post("/v1/gateways", &json!({ "name": "edge" })).await.ok();
        let path = format!("/v1/gateways/{}/rotate-token", made["id"].as_str().unwrap());
        let mut last = String::new();
        for _ in 0..25 {
            last = client.post(&path, &json!({})).await.ok()["token"].as_str().unwrap().to_owned();
        }
        let sql = "SELECT COUNT(*) FROM gateway_token";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut harness.connect().await).await.unwrap();
        assert_eq!(count, 20);
        let gateway = harness.client.with_token(&last).with("x-flint-gateway", "envoy-1");
        gateway.get("/v1/key-table").await.ok();
    }

    async fn an_operator_has_few_sessions_and_the_newest_is_among_them(backend) {
        let database = backend.database().await;
        let store = Store::open(&database.database).await.unwrap();
        let (_, password) = store.create_operator("ada", clock::now(), &actor()).await.unwrap();
        let mut last = None;
        for _ in 0..25 {
            last = Some(store.sign_in("ada", password.reveal().into(), None, clock::now()).await.unwrap());
        }
        let mut connection = crate::program::connect(&database.database).await;
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM session").fetch_one(&mut connection).await.unwrap();
        assert_eq!(count, 20);
        let Some(SignIn::Done(cookie, _)) = last else { panic!("{last:?}") };
        assert!(store.session(cookie.reveal(), clock::now()).await.unwrap().is_some());
    }
}
