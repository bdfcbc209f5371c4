use std::sync::Arc;
use std::time::{Duration, Instant};

use flint::clock;
use flint::model::usage::GoodReport;
use flint::store::Store;
use flint::store::usage::activity::{Range, Whose};
use flint::store::usage::received::Sender;
use flint::store::usage::rollup::Retention;
use flint_contract::protocol::{UsageEntry, UsageReport};
use serde_json::{Value, json};

use crate::harness::{Harness, PATIENCE, many_keys, on_both};

/// Reports what was counted in the ten seconds before `now`, whenever that was.
async fn report(harness: &Harness, id: &str, now: i64, entries: Value) {
    let gateway = harness.gateway(id).await;
    let body = json!({"report_id": id, "from": now - 10, "to": now, "entries": entries});
    gateway.post("/v1/usage", &body).await.ok();
}

/// Waits until all that came in is added up.
pub(crate) async fn added_up(harness: &Harness) {
    let deadline = Instant::now() + PATIENCE;
    while harness.store.pending_reports().await.unwrap() > 0 {
        assert!(Instant::now() < deadline, "reports are not added up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

on_both! {
    async fn what_is_reported_is_added_up_by_key_owner_and_all(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["activity:read", "keys:*"]).await;
        let make = async |owner: &str| {
            let body = json!({"name": "CI", "environment": "live", "owner": owner});
            client.post("/v1/keys", &body).await.ok()["id"].as_str().unwrap().to_owned()
        };
        let (one, two, other) = (make("org_1").await, make("org_1").await, make("org_2").await);
        let now = clock::now();
        let entry = |id: &str, outcome: &str, count: u64, used: i64| {
            json!({"key_id": id, "outcome": outcome, "count": count, "last_used": used})
        };
        report(&harness, "r-1", now, json!([entry(&one, "allowed", 5, now - 2), entry(&two, "allowed", 7, now - 3)])).await;
        report(&harness, "r-2", now, json!([entry(&one, "allowed", 2, now - 9), entry(&one, "expired", 1, now - 1)])).await;
        report(&harness, "r-3", now, json!([entry(&other, "missing_permission", 3, now - 1)])).await;
        added_up(&harness).await;
        for range in ["1h", "24h", "7d", "30d", "90d"] {
            let of = async |path: &str| client.get(&format!("{path}range={range}")).await.ok()["totals"].clone();
            assert_eq!(of(&format!("/v1/keys/{one}/activity?")).await, json!({"allowed": 7, "expired": 1}), "{range}");
            assert_eq!(of("/v1/activity?owner=org_1&").await, json!({"allowed": 14, "expired": 1}), "{range}");
            let all = json!({"allowed": 14, "expired": 1, "missing_permission": 3});
            assert_eq!(of("/v1/activity?").await, all, "{range}");
        }
        let shown = client.get(&format!("/v1/keys/{one}")).await.ok();
        assert_eq!(shown["last_used_at"], now - 1, "the latest use counts, whatever order reports come in");
        let table = client.get(&format!("/v1/keys/{two}/activity?format=csv")).await;
        assert!(String::from_utf8_lossy(&table.body).ends_with(",allowed,7\n"));
        assert_eq!(client.get(&format!("/v1/keys/{one}/activity?range=2h")).await.error().0, 400);
        let rotated = client.post(&format!("/v1/keys/{one}/rotate"), &json!({})).await.ok();
        assert_eq!(rotated["previous"]["last_used_at"], now - 1, "the owner sees whether it is still in use");
        let revoked = client.post(&format!("/v1/keys/{one}/revoke"), &json!({})).await.ok();
        assert_eq!(revoked["last_used_at"], now - 1);
        let several = harness.store.activity_of_keys(&[one, two, "none".into()], Default::default(), now).await.unwrap();
        assert_eq!(several.len(), 2);
    }

    async fn a_report_is_added_up_once_by_whoever_does_it(backend) {
        let harness = backend.start().await;
        let (_, elsewhere) = harness.second().await;
        let id = harness.key("CI").await.key.id;
        let now = clock::now();
        for number in 0..30 {
            let entry = json!([{"key_id": id, "outcome": "allowed", "count": 1, "last_used": now}]);
            report(&harness, &format!("r-{number}"), now, entry).await;
            // Both servers add up by themselves besides.
            let (one, two) = tokio::join!(harness.store.roll_up_usage(now), elsewhere.roll_up_usage(now));
            one.unwrap();
            two.unwrap();
        }
        added_up(&harness).await;
        let whose = flint::store::usage::activity::Whose::Key(id);
        let activity = harness.store.activity(&whose, Default::default(), now).await.unwrap();
        assert_eq!(activity.totals(), [("allowed".to_owned(), 30)]);
    }

    async fn what_is_old_is_forgotten(backend) {
        let harness = backend.start().await;
        let id = harness.key("CI").await.key.id;
        let now = clock::now();
        report(&harness, "r-1", now, json!([{"key_id": id, "outcome": "allowed", "count": 4, "last_used": now}])).await;
        added_up(&harness).await;
        let totals = async |range: &str| {
            let range = flint::store::usage::activity::Range::parse(range).unwrap();
            let whose = flint::store::usage::activity::Whose::Key(id.clone());
            harness.store.activity(&whose, range, now).await.unwrap().totals().len()
        };
        let keep = Retention { minutes: -120, hours: 35 * 86_400, days: 400 * 86_400, reports: -1 };
        harness.store.prune_usage(keep, now).await.unwrap();
        assert_eq!((totals("1h").await, totals("24h").await, totals("90d").await), (0, 1, 1));
        // The id was kept no longer either, so the report would count again: that is what its
        // retention is for.
        report(&harness, "r-1b", now, json!([])).await;
    }
}

on_both! {
    async fn adding_up_goes_on_where_it_was_interrupted(backend) {
        let test = backend.database().await;
        let store = Arc::new(Store::open(&test.database).await.unwrap());
        let keys = many_keys(&store, 1_500).await;
        let now = clock::now();
        let sender = Sender { gateway_id: "gw", process_id: "envoy-1", received_at: now };
        for number in 0..20 {
            let entry = |key: &String| UsageEntry {
                key_id: key.clone(),
                outcome: "allowed".into(),
                count: 1,
                last_used: now,
            };
            let entries = keys.iter().map(entry).collect();
            let report =
                UsageReport { report_id: format!("r-{number}"), from: now - 10, to: now, entries, dropped: 0 };
            store.receive_usage(&GoodReport::check(report).unwrap(), sender).await.unwrap();
        }
        // Two at a time, and each given up in the midst of it, a little later every time.
        let mut patience = Duration::from_millis(5);
        while store.pending_reports().await.unwrap() > 0 {
            let work = || {
                let store = Arc::clone(&store);
                async move { store.roll_up_usage(now).await }
            };
            let (one, two) = (tokio::spawn(work()), tokio::spawn(work()));
            tokio::time::sleep(patience).await;
            one.abort();
            two.abort();
            let _ = (one.await, two.await);
            patience += patience / 4;
        }
        for whose in [Whose::Key(keys[7].clone()), Whose::Key(keys[1_499].clone())] {
            let activity = store.activity(&whose, Range::Day, now).await.unwrap();
            assert_eq!(activity.totals(), [("allowed".to_owned(), 20)]);
        }
        let all = store.activity(&Whose::Everyone, Range::Quarter, now).await.unwrap();
        assert_eq!(all.totals(), [("allowed".to_owned(), 30_000)]);
    }
}
