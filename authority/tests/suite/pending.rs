//! Usage reports that wait to be added up, from gateways that may report anything.

use std::path::Path;

use flint::clock;
use flint::config::Database;
use flint::model::usage::GoodReport;
use flint::store::Store;
use flint::store::usage::activity::{Range, Whose};
use flint::store::usage::received::{Received, Sender};
use flint::store::usage::rollup::MAX_SUM;
use flint_contract::protocol::{UsageEntry, UsageReport};
use serde_json::json;
use sqlx::migrate::Migrator;

use crate::harness::{Backend, TestDatabase, actor, many_keys, new_key, on_both};
use crate::program::connect;

/// The largest count that a report may have.
const MOST: u64 = 1 << 40;

fn entry(key: &str, count: u64, now: i64) -> UsageEntry {
    UsageEntry { key_id: key.into(), outcome: "allowed".into(), count, last_used: now }
}

async fn receive(store: &Store, id: &str, entries: Vec<UsageEntry>, now: i64) -> Received {
    let report = UsageReport { report_id: id.into(), from: now - 10, to: now, entries, dropped: 0 };
    let sender = Sender { gateway_id: "gw", process_id: "envoy-1", received_at: now };
    store.receive_usage(&GoodReport::check(report).unwrap(), sender).await.unwrap()
}

async fn run(test: &TestDatabase, statement: &'static str) {
    sqlx::query(statement).execute(&mut connect(&test.database).await).await.unwrap();
}

async fn count(test: &TestDatabase, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(&mut connect(&test.database).await).await.unwrap()
}

async fn total(store: &Store, whose: Whose, now: i64) -> i64 {
    store.activity(&whose, Range::Day, now).await.unwrap().totals().iter().map(|(_, count)| count).sum()
}

on_both! {
    async fn ids_that_are_no_keys_leave_nothing_behind(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let now = clock::now();
        let key = many_keys(&store, 1).await.remove(0);
        let mut entries: Vec<_> = (0..2_000).map(|number| entry(&format!("made-up-{number}"), 1, now)).collect();
        entries.push(entry(&key, 7, now));
        receive(&store, "r-1", entries, now).await;
        store.roll_up_usage(now).await.unwrap();
        assert_eq!(store.pending_reports().await.unwrap(), 0);
        assert_eq!(count(&test, "SELECT COUNT(*) FROM usage_rollup WHERE key_id LIKE 'made-up%'").await, 0);
        assert_eq!(count(&test, "SELECT COUNT(*) FROM key_last_used").await, 1);
        assert_eq!(total(&store, Whose::Key(key), now).await, 7);
        assert_eq!(total(&store, Whose::Everyone, now).await, 2_007, "gateways may have keys of their own");
    }

    async fn sums_that_would_leave_64_bits_stay_at_the_largest(backend) {
        let harness = backend.start().await;
        let now = clock::now();
        let new = flint::model::draft::NewKey { owner: Some("org_7".into()), ..new_key("CI") };
        let key = harness.store.create_key(new.check(now).unwrap(), now, &actor()).await.unwrap().key.id;
        // As if it had been reported for some thousand years.
        let sql = "INSERT INTO usage_rollup (key_id, span, start, outcome, count) VALUES ($1, $2, $3, 'allowed', $4)";
        let mut connection = harness.connect().await;
        for whose in [&key, "*"] {
            for span in [60, 3_600, 86_400_i64] {
                let start = now - now.rem_euclid(span);
                let query = sqlx::query(sql).bind(whose).bind(span).bind(start).bind(MAX_SUM - 1);
                query.execute(&mut connection).await.unwrap();
            }
        }
        for (id, outcome) in [("r-1", "allowed"), ("r-2", "revoked")] {
            let entry = json!({"key_id": key, "outcome": outcome, "count": MOST, "last_used": now});
            let body = json!({"report_id": id, "from": now - 10, "to": now, "entries": [entry]});
            harness.gateway(id).await.post("/v1/usage", &body).await.ok();
        }
        crate::activity::added_up(&harness).await;
        let client = harness.token(&["activity:read"]).await;
        for path in [format!("/v1/keys/{key}/activity?"), "/v1/activity?".into(), "/v1/activity?owner=org_7&".into()] {
            for range in ["1h", "24h", "7d", "30d", "90d"] {
                let told = client.get(&format!("{path}range={range}")).await.ok();
                assert_eq!(told["totals"], json!({"allowed": MAX_SUM, "revoked": MOST}), "{path} {range}");
            }
        }
    }

    async fn a_gateway_that_has_too_much_waiting_comes_again(backend) {
        let harness = backend.start().await;
        let gateway = harness.gateway("envoy-1").await;
        let body = |id: &str| json!({"report_id": id, "from": 1_790_000_000, "to": 1_790_000_010, "entries": []});
        gateway.post("/v1/usage", &body("r-1")).await.ok();
        crate::activity::added_up(&harness).await;
        // In a batch that nobody knows, so that it waits.
        harness
            .sql("UPDATE usage_report SET entry_count = 1000000, batch_id = 'unknown', rolled_up_at = NULL")
            .await
            .unwrap();
        let answer = gateway.post("/v1/usage", &body("r-2")).await;
        assert_eq!(answer.error(), (429, "TOO_MANY_REQUESTS".into()));
        assert_eq!(answer.headers["retry-after"], "1");
        harness.gateway("envoy-2").await.post("/v1/usage", &body("r-3")).await.ok();
        harness.sql("UPDATE usage_report SET rolled_up_at = 1").await.unwrap();
        gateway.post("/v1/usage", &body("r-2")).await.ok();
    }

    async fn what_is_added_up_together_is_bounded_by_its_entries(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let now = clock::now();
        for id in ["r-1", "r-2", "r-3"] {
            receive(&store, id, vec![entry("key_1", 1, now)], now).await;
        }
        run(&test, "UPDATE usage_report SET entry_count = 25000").await;
        assert!(store.roll_up_usage(now).await.unwrap(), "there is more");
        assert_eq!(store.pending_reports().await.unwrap(), 1);
        assert!(!store.roll_up_usage(now).await.unwrap());
        assert_eq!((store.pending_reports().await.unwrap(), total(&store, Whose::Everyone, now).await), (0, 3));
    }

    async fn a_batch_in_which_the_program_ended_is_tried_in_halves_and_left_out_at_last(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let now = clock::now();
        receive(&store, "r-1", vec![entry("key_1", 1, now)], now).await;
        receive(&store, "r-2", vec![entry("key_1", 2, now)], now).await;
        // As a program leaves it that ended while it added up: one batch of both, and nothing
        // written.
        run(&test, "INSERT INTO usage_batch (id, begun_at, steps_done, most_entries) VALUES ('b', 1, 0, 2)").await;
        run(&test, "UPDATE usage_report SET batch_id = 'b'").await;
        assert!(store.roll_up_usage(now).await.unwrap());
        assert_eq!((store.pending_reports().await.unwrap(), total(&store, Whose::Everyone, now).await), (1, 1));
        // That went well. The other one ends the program however little is tried.
        run(&test, "INSERT INTO usage_batch (id, begun_at, steps_done, most_entries) VALUES ('c', 1, 0, 1)").await;
        run(&test, "UPDATE usage_report SET batch_id = 'c' WHERE report_id = 'r-2'").await;
        store.roll_up_usage(now).await.unwrap();
        assert_eq!((store.pending_reports().await.unwrap(), total(&store, Whose::Everyone, now).await), (0, 1));
        assert_eq!(receive(&store, "r-2", vec![], now).await, Received::Again, "it is still known");
    }

    async fn a_batch_that_is_partly_written_is_gone_on_with(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let now = clock::now();
        receive(&store, "r-1", vec![entry("key_1", 1, now)], now).await;
        run(&test, "INSERT INTO usage_batch (id, begun_at, steps_done, most_entries) VALUES ('b', 1, 1, 50000)").await;
        run(&test, "UPDATE usage_report SET batch_id = 'b'").await;
        store.roll_up_usage(now).await.unwrap();
        // The step that had been made is not made again.
        assert_eq!((store.pending_reports().await.unwrap(), total(&store, Whose::Everyone, now).await), (0, 0));
    }

    async fn a_database_of_before_the_bounds_recovers(backend) {
        let test = before_the_bounds(backend).await;
        let now = clock::now();
        let mut connection = connect(&test.database).await;
        let report = "INSERT INTO usage_report (report_id, gateway_id, process_id, received_at, from_at, to_at, dropped, \
                      entries, batch_id) VALUES ($1, 'gw', 'p', $2, $2, $2, 0, $3, 'b')";
        let entries = json!([entry("key_1", 1, now)]).to_string();
        // Each is taken for 25,000 entries, and both with the third for one batch too many.
        let text = format!("{entries}{}", " ".repeat(25_000 * 50 - entries.len()));
        for id in ["r-1", "r-2", "r-3"] {
            sqlx::query(report).bind(id).bind(now).bind(text.as_str()).execute(&mut connection).await.unwrap();
        }
        run(&test, "INSERT INTO usage_batch (id, begun_at, steps_done) VALUES ('b', 1, 0)").await;
        let sum = match backend {
            // What SQLite makes of the sum of two whole numbers that leaves 64 bits.
            Backend::Sqlite => "9.3e18",
            Backend::Postgres => "9223372036854775807",
        };
        let start = now - now.rem_euclid(3_600);
        let sql = format!(
            "INSERT INTO usage_rollup (key_id, span, start, outcome, count) VALUES ('*', 3600, {start}, 'allowed', {sum})"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        let store = Store::open(&test.database).await.unwrap();
        assert_eq!(total(&store, Whose::Everyone, now).await, MAX_SUM);
        assert!(store.roll_up_usage(now).await.unwrap(), "the batch is too large and given back");
        assert_eq!(store.pending_reports().await.unwrap(), 1);
        assert!(!store.roll_up_usage(now).await.unwrap());
        assert_eq!(total(&store, Whose::Everyone, now).await, MAX_SUM);
    }
}

/// A database as programs have left it that knew nothing of bounds.
async fn before_the_bounds(backend: Backend) -> TestDatabase {
    sqlx::any::install_default_drivers();
    let test = backend.database().await;
    let folder = match &test.database {
        Database::Sqlite(path) => {
            std::fs::File::create(path).unwrap();
            "migrations/sqlite"
        }
        Database::Postgres(_) => "migrations/postgres",
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut migrator = Migrator::new(folder).await.unwrap();
    migrator.migrations.to_mut().retain(|one| one.version < 25);
    migrator.run(&mut connect(&test.database).await).await.unwrap();
    test
}
