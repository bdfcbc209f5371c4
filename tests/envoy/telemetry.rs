//! What an operator sees: counters by outcome, gauges of the table, and a sign of life of every
//! worker.

use serde_json::json;

use crate::client::Request;
use crate::harness::{eventually, now};
use crate::keys::Key;
use crate::scene::{Scene, configuration};

#[test]
fn requests_are_counted_by_outcome_over_all_workers() {
    let scene = Scene::start(4, configuration(json!({})));
    let any = || Key::live("any").may(&["*"]);
    let keys = [
        ("allowed", any()),
        ("missing_permission", Key::live("poor")),
        ("revoked", any().with("revoked_at", 1)),
        ("expired", any().with("expires_at", 1)),
        ("not_yet_valid", any().with("not_before", now() + 999)),
        ("wrong_environment", Key::test("any")),
        ("address_not_allowed", any().with("allowed_cidrs", json!([]))),
        ("malformed", Key { secret: "flint_live_a.b".into(), ..any() }),
        ("unknown_key", any()),
    ];
    scene.authority.publish(keys.iter().take(7).map(|(_, key)| key));
    let mut connections = scene.connections("main");
    for connection in &mut connections {
        for (_, key) in &keys {
            connection.send(&Request::get("/documents").bearer(&key.secret));
        }
        connection.send(&Request::get("/documents"));
        connection.send(&Request::get("/healthz"));
    }
    let each = u64::try_from(connections.len()).unwrap();
    let outcomes = keys.iter().map(|(outcome, _)| *outcome).chain(["no_credential", "public"]);
    for outcome in outcomes {
        let name = format!("requests_{outcome}");
        eventually(&format!("{name} is {each}"), || scene.gateway.statistics().flint(&name) == each);
    }
    assert_eq!(scene.gateway.statistics().flint("requests_unavailable"), 0);
}

#[test]
fn the_table_shows_its_size_age_and_version() {
    let scene = Scene::start(2, configuration(json!({})));
    let keys: Vec<Key> = (0..7).map(|_| Key::live("any")).collect();
    scene.authority.publish(&keys);
    eventually("all keys are counted", || scene.gateway.statistics().flint("table_keys") == 7);
    let version = scene.gateway.statistics().flint("table_version");
    assert!(version > 0 && scene.gateway.statistics().flint("polls") > 0);
    scene.authority.acknowledged(&scene.authority.remove(&keys[..3]));
    eventually("keys that are gone are not counted", || {
        let statistics = scene.gateway.statistics();
        statistics.flint("table_keys") == 4 && statistics.flint("table_version") > version
    });
    scene.authority.go_down();
    eventually("the table ages", || scene.gateway.statistics().flint("table_age_seconds") >= 3);
    scene.authority.up();
    eventually("it is young again", || scene.gateway.statistics().flint("table_age_seconds") < 2);
}

#[test]
fn every_worker_shows_that_it_is_ready() {
    let scene = Scene::start(4, configuration(json!({})));
    let ready =
        || scene.gateway.statistics().holding("flint_worker_ready_").map(|(_, value)| value).sum::<u64>();
    // Four workers, and the main thread's VM, which serves no requests.
    eventually("all are ready", || ready() == 5);
    let page = scene.gateway.admin("/stats/prometheus");
    let names = page.lines().filter(|line| line.contains("flint_") && !line.starts_with('#'));
    let mut count = 0;
    for line in names {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.contains("flint_") {
            assert!(name.bytes().all(legal), "{line}");
            count += 1;
        }
    }
    assert!(count >= 10, "{page}");
}
