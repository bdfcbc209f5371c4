use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flint::clock;
use flint::serve::Settings;
use flint::server::Limits;
use flint::store::Store;
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Backend, Harness, PATIENCE, actor, draft, new_key, on_both};

/// For how long a call is held that nothing answers before.
const HELD: Duration = Duration::from_secs(60);

/// A gateway's table, kept as the contract says.
#[derive(Default)]
struct Table {
    cursor: String,
    keys: HashMap<String, Value>,
    resets: usize,
}

impl Table {
    /// Asks until there is no more for the moment.
    async fn catch_up(&mut self, gateway: &Client, limit: u32) {
        let mut whole: Option<HashMap<String, Value>> = None;
        loop {
            let page = gateway.get(&format!("/v1/key-table?cursor={}&limit={limit}", self.cursor)).await.ok();
            if page["reset"].as_bool().unwrap() {
                self.resets += 1;
                whole = Some(HashMap::new());
            }
            let keys = whole.as_mut().unwrap_or(&mut self.keys);
            for key in page["keys"].as_array().unwrap() {
                keys.insert(key["sha256"].as_str().unwrap().into(), key.clone());
            }
            for digest in page["removed"].as_array().unwrap() {
                keys.remove(digest.as_str().unwrap());
            }
            self.cursor = page["cursor"].as_str().unwrap().into();
            if !page["more"].as_bool().unwrap() {
                if let Some(whole) = whole {
                    self.keys = whole;
                }
                return;
            }
        }
    }

    fn names(&self) -> usize {
        self.keys.len()
    }
}

on_both! {
    async fn an_entry_has_what_the_contract_says(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let mut new = new_key("CI");
        new.permissions = Some(vec!["documents:read".into()]);
        new.owner = Some("org_7".into());
        new.allowed_cidrs = Some(vec!["203.0.113.0/24".into()]);
        new.not_before = Some(1_790_000_000);
        new.expires_at = Some(Some(1_900_000_000));
        let made = harness.store.create_key(draft(new), clock::now(), &actor()).await.unwrap();
        let answer = gateway.get("/v1/key-table").await;
        assert!(!answer.headers.contains_key("content-encoding"));
        let page = answer.ok();
        assert_eq!(page["keys"], serde_json::json!([{
            "sha256": flint_contract::key::Digest::of(made.secret.reveal().as_bytes()).to_hex(),
            "id": made.key.id, "environment": "live", "permissions": ["documents:read"], "owner": "org_7",
            "not_before": 1_790_000_000, "expires_at": 1_900_000_000, "allowed_cidrs": ["203.0.113.0/24"],
        }]));
        assert_eq!((&page["more"], &page["reset"]), (&Value::Bool(false), &Value::Bool(false)));
    }

    async fn an_empty_table_is_answered_at_once(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let page = gateway.get("/v1/key-table?wait=60").await.ok();
        assert_eq!(page["more"], false);
        // And what it gave is a cursor that can be waited with.
        let path = format!("/v1/key-table?cursor={}&wait=1", page["cursor"].as_str().unwrap());
        let begun = Instant::now();
        assert_eq!(gateway.get(&path).await.ok()["reset"], false);
        assert!(begun.elapsed() >= Duration::from_millis(900));
    }

    async fn a_held_call_is_answered_by_the_commit(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let made = harness.key("CI").await;
        let mut table = Table::default();
        table.catch_up(&gateway, 100).await;
        let held = tokio::spawn(hold(gateway.clone(), table.cursor.clone()));
        wait_until_held(&harness).await;
        harness.revoke(&made.key.id).await;
        // Were its time to end it, it would bring nothing.
        assert!(held.await.unwrap()["keys"][0]["revoked_at"].is_i64());
    }

    async fn a_commit_of_another_process_wakes_too(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let made = harness.key("CI").await;
        let (_, elsewhere) = harness.second().await;
        let mut table = Table::default();
        table.catch_up(&gateway, 100).await;
        let begun = Instant::now();
        for round in 0..11 {
            let held = tokio::spawn(hold(gateway.clone(), table.cursor.clone()));
            wait_until_held(&harness).await;
            if round == 10 {
                elsewhere.revoke_key(&made.key.id, None, clock::now(), &actor()).await.unwrap();
            } else {
                elsewhere.create_key(draft(new_key("other")), clock::now(), &actor()).await.unwrap();
            }
            let page = held.await.unwrap();
            assert_eq!(page["keys"].as_array().unwrap().len(), 1);
            table.cursor = page["cursor"].as_str().unwrap().into();
        }
        // PostgreSQL is also asked every five seconds, whatever it tells. Each round but the first
        // would wait for that.
        assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    }

    async fn pages_are_complete_while_keys_are_added(backend) {
        let harness = Arc::new(backend.start().await);
        let (_, elsewhere) = harness.second().await;
        let gateway = harness.gateway("envoy-1").await;
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                let store = if writer % 2 == 0 { Arc::clone(&harness.store) } else { Arc::clone(&elsewhere) };
                tokio::spawn(async move {
                    for _ in 0..25 {
                        let made = store.create_key(draft(new_key("w")), clock::now(), &actor()).await.unwrap();
                        store.revoke_key(&made.key.id, None, clock::now(), &actor()).await.unwrap();
                    }
                })
            })
            .collect();
        let mut table = Table::default();
        while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
            table.catch_up(&gateway, 7).await;
        }
        for writer in writers {
            writer.await.unwrap();
        }
        table.catch_up(&gateway, 7).await;
        assert_eq!(table.names(), 150);
        assert!(table.keys.values().all(|key| key["revoked_at"].is_i64()), "a revocation was skipped");
        assert_eq!(table.resets, 0);
    }

    async fn a_removed_key_is_forgotten_and_its_digest_never_taken_again(backend) {
        let harness = backend.start().await;
        let (gateway, made) = (harness.gateway("envoy-1").await, harness.key("CI").await);
        let mut table = Table::default();
        table.catch_up(&gateway, 100).await;
        let remove = async || harness.store.remove_key(&made.key.id, clock::now(), &actor()).await;
        remove().await.unwrap_err();
        harness.revoke(&made.key.id).await;
        remove().await.unwrap();
        let page = gateway.get(&format!("/v1/key-table?cursor={}", table.cursor)).await.ok();
        assert_eq!(page["removed"], serde_json::json!([made.key.digest.to_hex()]));
        table.catch_up(&gateway, 100).await;
        assert_eq!(table.names(), 0);
        // A new gateway never hears of it; nobody finds it; nobody brings it back.
        assert_eq!(gateway.get("/v1/key-table").await.ok()["keys"], serde_json::json!([]));
        assert!(harness.store.key(&made.key.id).await.is_err());
        let line = flint::model::import::GoodLine {
            number: 1,
            digest: made.key.digest,
            draft: new_key("again").check(clock::now()).unwrap(),
            says_rotate_by: false,
        };
        assert_eq!(harness.store.find_existing(std::slice::from_ref(&line)).await.unwrap().other.len(), 1);
        assert!(harness.store.import_keys(&[line], clock::now(), &actor()).await.is_err());
    }

    async fn an_unknown_cursor_resets(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        for _ in 0..5 {
            harness.key("CI").await;
        }
        let other = backend.start().await;
        other.key("elsewhere").await;
        let mut table = Table::default();
        table.catch_up(&other.gateway("envoy-1").await, 100).await;
        assert_eq!((table.names(), table.resets), (1, 0));
        // The same gateway now talks to another database, whose table replaces the whole of what it
        // has.
        table.catch_up(&gateway, 2).await;
        assert_eq!((table.names(), table.resets), (5, 1));
        for nonsense in ["nonsense", "0", "%00", "a.b.c", "9999999999999999999999", "%F0%9F%94%91"] {
            let page = gateway.get(&format!("/v1/key-table?wait=60&cursor={nonsense}")).await.ok();
            assert_eq!(page["reset"], true, "{nonsense}");
        }
    }

    async fn a_cursor_from_the_future_resets(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let cursor = gateway.get("/v1/key-table").await.ok()["cursor"].as_str().unwrap().to_owned();
        let (epoch, _) = cursor.rsplit_once('.').unwrap();
        assert_eq!(gateway.get(&format!("/v1/key-table?cursor={epoch}.7")).await.ok()["reset"], true);
    }

    async fn a_gateway_that_is_revoked_gets_no_page_for_the_call_that_is_held(backend) {
        let harness = backend.start().await;
        let (made, token) = harness.store.create_gateway("edge", clock::now(), &actor()).await.unwrap();
        let gateway = harness.client.with_token(token.reveal()).with("x-flint-gateway", "envoy-1");
        let mut table = Table::default();
        table.catch_up(&gateway, 100).await;
        let target = format!("/v1/key-table?cursor={}&wait=60", table.cursor);
        let held = tokio::spawn(async move { gateway.get(&target).await });
        wait_until_held(&harness).await;
        harness.store.revoke_gateway(&made.id, clock::now(), &actor()).await.unwrap();
        harness.key("CI").await;
        assert_eq!(held.await.unwrap().error(), (401, "UNAUTHENTICATED".into()));
    }

    async fn every_server_follows_a_restore(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let (elsewhere, _) = harness.second().await;
        let (_, token) = harness.store.create_gateway("other", clock::now(), &actor()).await.unwrap();
        let other = elsewhere.with_token(token.reveal()).with("x-flint-gateway", "envoy-2");
        harness.key("CI").await;
        let mut table = Table::default();
        table.catch_up(&gateway, 100).await;
        let held = tokio::spawn(hold(gateway.clone(), table.cursor.clone()));
        wait_until_held(&harness).await;
        // As `flint restore` does, in its own program.
        let restorer = Store::open(&harness.database.database).await.unwrap();
        restorer.recover(true, clock::now()).await.unwrap();
        let page = held.await.unwrap();
        assert_eq!((page["reset"].as_bool(), page["keys"].as_array().unwrap().len()), (Some(true), 1));
        // What one server has given since, the other takes; what was given before, neither.
        let ask = async |client: &Client, cursor: &str| {
            client.get(&format!("/v1/key-table?cursor={cursor}")).await.ok()["reset"].clone()
        };
        let cursor = page["cursor"].as_str().unwrap();
        assert_eq!((ask(&other, cursor).await, ask(&gateway, cursor).await), (json!(false), json!(false)));
        assert_eq!(ask(&other, &table.cursor).await, true);
        assert_eq!(ask(&gateway, &table.cursor).await, true);
    }

    async fn a_cursor_of_another_instance_is_known(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let (_, elsewhere) = harness.second().await;
        let mut table = Table::default();
        // Far more often than this instance could be told of each.
        for _ in 0..20 {
            elsewhere.create_key(draft(new_key("other")), clock::now(), &actor()).await.unwrap();
            table.catch_up(&gateway, 100).await;
        }
        assert_eq!((table.names(), table.resets), (20, 0));
    }

    async fn what_a_process_has_applied_is_written_down(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        harness.key("CI").await;
        harness.key("Web").await;
        let mut table = Table::default();
        // A page in the middle of a whole table is not in effect yet: its cursor acknowledges
        // nothing.
        table.catch_up(&gateway, 1).await;
        assert!(harness.store.processes(0).await.unwrap().is_empty());
        // The answer is no acknowledgement; the next call is.
        gateway.get(&format!("/v1/key-table?cursor={}", table.cursor)).await.ok();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let processes = harness.store.processes(0).await.unwrap();
            if let [process] = processes.as_slice() {
                assert_eq!((process.process_id.as_str(), process.applied_seq), ("envoy-1", 2));
                break;
            }
            assert!(Instant::now() < deadline, "nothing was written down: {processes:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        harness.store.forget_processes(clock::now() - 3_600).await.unwrap();
        assert_eq!(harness.store.processes(0).await.unwrap().len(), 1);
        harness.store.forget_processes(clock::now() + 3_600).await.unwrap();
        assert!(harness.store.processes(0).await.unwrap().is_empty());
    }
}

async fn hold(gateway: Client, cursor: String) -> Value {
    gateway.get(&format!("/v1/key-table?cursor={cursor}&wait=60")).await.ok()
}

/// Returns when the server holds a call: it has looked once and found nothing.
async fn wait_until_held(harness: &Harness) {
    let deadline = Instant::now() + PATIENCE;
    while harness.store.held_calls() == 0 {
        assert!(Instant::now() < deadline, "no call is held");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn only_gateway_tokens_read_the_table() {
    let harness = Backend::Sqlite.start().await;
    let gateway = harness.gateway("envoy-1").await;
    gateway.get("/v1/key-table").await.ok();
    let key = harness.key("CI").await;
    let process = harness.client.with("x-flint-gateway", "envoy-1");
    for client in
        [process.clone(), process.with_token("flint_gateway_wrong"), process.with_token(key.secret.reveal())]
    {
        let answer = client.get("/v1/key-table").await;
        assert_eq!(answer.error(), (401, "UNAUTHENTICATED".into()));
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"flint\"");
    }
    assert_eq!(gateway.with("authorization", "Bearer x").get("/v1/key-table").await.error().0, 401);
}

#[tokio::test]
async fn bad_queries_are_refused_in_the_envelope() {
    let harness = Backend::Sqlite.start().await;
    let gateway = harness.gateway("envoy-1").await;
    for bad in
        ["wait=x", "wait=-1", "limit=0", "limit=-1", "limit=1.5", "limit=99999999999", "cursor=a&cursor=b"]
    {
        assert_eq!(gateway.get(&format!("/v1/key-table?{bad}")).await.error().0, 400, "{bad}");
    }
    for fine in ["", "wait=0", "limit=99999", "unknown=1"] {
        gateway.get(&format!("/v1/key-table?{fine}")).await.ok();
    }
    let token = gateway.get("/v1/nothing").await;
    assert_eq!(token.error(), (404, "NOT_FOUND".into()));
    assert_eq!(gateway.post("/v1/key-table", &Value::Null).await.error().0, 405);
}

#[tokio::test]
async fn a_process_must_name_itself() {
    let harness = Backend::Sqlite.start().await;
    let (_, token) = harness.store.create_gateway("edge", 0, &actor()).await.unwrap();
    let client = harness.client.with_token(token.reveal());
    let long = "x".repeat(129);
    for client in
        [client.clone(), client.with("x-flint-gateway", "a b"), client.with("x-flint-gateway", &long)]
    {
        assert_eq!(client.get("/v1/key-table").await.error(), (400, "INVALID_REQUEST".into()));
    }
}

#[tokio::test]
async fn held_calls_are_answered_when_the_server_stops() {
    // Nothing is ended by force.
    let limits = Limits { grace: Duration::from_hours(1), ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let harness = Harness::with(Backend::Sqlite.database().await, settings).await;
    let gateway = harness.gateway("envoy-1").await;
    let cursor = gateway.get("/v1/key-table").await.ok()["cursor"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    let held = tokio::spawn(hold(gateway, cursor.clone()));
    wait_until_held(&harness).await;
    harness.stop().await;
    assert_eq!(held.await.unwrap()["cursor"], cursor);
    assert!(begun.elapsed() < HELD, "it was answered when its time was over, after {:?}", begun.elapsed());
}

/// A transaction has taken its change number and is slow to commit. Were another, with the next
/// number, to commit before it, a reader would see that one, remember its number, and never hear of
/// the slow one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_transaction_is_never_overtaken() {
    if !crate::postgres::is_there() {
        return;
    }
    let harness = Backend::Postgres.start().await;
    let gateway = harness.gateway("envoy-1").await;
    let mut table = Table::default();
    table.catch_up(&gateway, 100).await;
    let mut slow = harness.connect().await;
    for statement in [
        "BEGIN",
        "UPDATE feed SET change_seq = change_seq + 1 WHERE one = 1",
        "INSERT INTO api_key (id, digest, change_seq, version, name, environment, permissions, created_at, created_by, \
         updated_at) SELECT 'slow', '\\x0102030405060708091011121314151617181920212223242526272829303132', change_seq, 1, \
         'slow', 'live', '[]', 1, 'test', 1 FROM feed",
    ] {
        sqlx::query(statement).execute(&mut slow).await.unwrap();
    }
    let store = Arc::clone(&harness.store);
    let fast = tokio::spawn(async move {
        store.create_key(draft(new_key("fast")), clock::now(), &actor()).await.unwrap()
    });
    let mut watching = harness.connect().await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND wait_event_type = 'Lock'";
        let count: i64 = sqlx::query_scalar(waiting).fetch_one(&mut watching).await.unwrap();
        if count > 0 {
            break;
        }
        assert!(!fast.is_finished(), "the fast one has overtaken the slow one");
        assert!(Instant::now() < deadline, "nothing waits");
    }
    table.catch_up(&gateway, 100).await;
    assert_eq!(table.names(), 0);
    sqlx::query("COMMIT").execute(&mut slow).await.unwrap();
    fast.await.unwrap();
    table.catch_up(&gateway, 100).await;
    assert_eq!((table.names(), table.resets), (2, 0));
}
