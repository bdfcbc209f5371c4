//! Usage reports (contract §7): exact, from all workers, once each, and without delaying requests.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::authority::{Authority, Reply, TOKEN};
use crate::client::Request;
use crate::harness::{eventually, now, throughout};
use crate::keys::Key;
use crate::scene::{Scene, configuration, with_authority};

/// What has been reported, each report once: key and outcome, and how often.
fn reported(authority: &Authority) -> BTreeMap<(String, String), u64> {
    let by_id: BTreeMap<String, Value> = authority
        .reports()
        .into_iter()
        .map(|report| (report["report_id"].as_str().expect("an id").to_owned(), report))
        .collect();
    let mut counts = BTreeMap::new();
    for entry in by_id.values().flat_map(|report| report["entries"].as_array().expect("a list")) {
        let text = |name: &str| entry[name].as_str().expect("a text").to_owned();
        *counts.entry((text("key_id"), text("outcome"))).or_insert(0) +=
            entry["count"].as_u64().expect("a number");
    }
    counts
}

/// Sends so many requests with each key on every one of the connections of four workers, all at
/// once. Returns how many connections there were.
fn load(scene: &Scene, keys: &[&Key], times: usize) -> u64 {
    let connections = scene.connections("main");
    let count = connections.len();
    thread::scope(|scope| {
        for mut connection in connections {
            scope.spawn(move || {
                for _ in 0..times {
                    for key in keys {
                        connection.send(&Request::get("/documents").bearer(&key.secret));
                    }
                }
            });
        }
    });
    u64::try_from(count).unwrap()
}

#[test]
fn every_decision_on_a_known_key_is_counted_once_under_load() {
    let scene = Scene::start(4, configuration(json!({})));
    let (good, poor) = (Key::live("good").may(&["*"]), Key::live("poor"));
    let old = Key::live("old").with("expires_at", 1);
    let unknown = Key::live("unknown");
    scene.authority.publish([&good, &poor, &old]);
    let begun = now();
    let each = load(&scene, &[&good, &poor, &old, &unknown], 50) * 50;
    let pair = |key: &Key, outcome: &str| ((key.id.clone(), outcome.to_owned()), each);
    let expected =
        BTreeMap::from([pair(&good, "allowed"), pair(&poor, "missing_permission"), pair(&old, "expired")]);
    eventually("all is reported", || reported(&scene.authority) == expected);
    throughout("and nothing twice", Duration::from_secs(2), || reported(&scene.authority) == expected);
    for report in scene.authority.reports() {
        let (from, to) = (report["from"].as_i64().expect("a time"), report["to"].as_i64().expect("a time"));
        assert!(begun - 60 <= from && from <= to && to <= now(), "{report}");
        assert_eq!(report["dropped"], 0);
        for entry in report["entries"].as_array().expect("a list") {
            let last = entry["last_used"].as_i64().expect("a time");
            assert!(from <= last && last <= to && entry["count"].as_u64() > Some(0), "{report}");
        }
    }
}

#[test]
fn a_report_carries_the_gateways_credentials() {
    let scene = Scene::start(1, configuration(json!({})));
    let key = Key::live("good").may(&["*"]);
    scene.authority.publish([&key]);
    load(&scene, &[&key], 1);
    eventually("there is a report", || !scene.authority.reports().is_empty());
    let calls = scene.authority.calls();
    let (poll, report) =
        (&calls[0], calls.iter().find(|call| call.path == "/v1/usage").expect("there is a report"));
    assert_eq!(report.method, "POST");
    assert_eq!(report.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(report.header("x-flint-gateway"), poll.header("x-flint-gateway"));
    assert_eq!(report.header("content-type"), Some("application/json"));
}

#[test]
fn a_report_that_failed_comes_again_with_the_same_id_and_entries() {
    let scene = Scene::start(1, configuration(json!({})));
    let key = Key::live("good").may(&["*"]);
    scene.authority.publish([&key]);
    let status = |status| Reply::Status(status, "{}".into());
    let failures =
        [status(500), status(401), status(403), status(408), status(429), status(302), Reply::Reset];
    scene.authority.next_reports(failures);
    let count = load(&scene, &[&key], 3) * 3;
    let came = || scene.authority.reports();
    eventually("one report comes eight times", || came().len() >= 8);
    assert!(came().iter().all(|report| *report == came()[0]), "{:#?}", came());
    let expected = BTreeMap::from([((key.id.clone(), "allowed".to_owned()), count)]);
    throughout("and it is exact", Duration::from_secs(1), || reported(&scene.authority) == expected);
}

#[test]
fn a_report_that_the_authority_does_not_want_is_dropped_and_counted() {
    let scene = Scene::start(1, configuration(json!({})));
    let (first, second) = (Key::live("first").may(&["*"]), Key::live("second").may(&["*"]));
    scene.authority.publish([&first, &second]);
    scene.authority.every_report(Reply::Status(400, "{}".into()));
    load(&scene, &[&first], 1);
    eventually("it is counted", || scene.gateway.statistics().flint("usage_reports_rejected") > 0);
    scene.authority.recover();
    load(&scene, &[&second], 1);
    eventually("the next report is another", || {
        reported(&scene.authority).contains_key(&(second.id.clone(), "allowed".to_owned()))
    });
    let of_first = |report: &Value| report["entries"][0]["key_id"] == first.id.as_str();
    assert_eq!(scene.authority.reports().iter().filter(|report| of_first(report)).count(), 1);
}

#[test]
fn ten_thousand_pairs_outlive_an_outage() {
    let scene = Scene::start(4, configuration(json!({})));
    let keys: Vec<Key> = (0..5_000).map(|_| Key::live("many").may(&["documents:read"])).collect();
    scene.authority.publish(&keys);
    scene.authority.every_report(Reply::Status(500, "{}".into()));
    let connections = scene.connections("main");
    let share = keys.len().div_ceil(connections.len());
    thread::scope(|scope| {
        for (mut connection, keys) in connections.into_iter().zip(keys.chunks(share)) {
            scope.spawn(move || {
                for key in keys {
                    for path in ["/documents", "/admin/x"] {
                        connection.send(&Request::get(path).bearer(&key.secret));
                    }
                }
            });
        }
    });
    scene.authority.recover();
    let all = || reported(&scene.authority).values().sum::<u64>();
    eventually("nothing is lost", || all() == 10_000);
    assert_eq!(reported(&scene.authority).len(), 10_000);
    assert_eq!(scene.gateway.statistics().flint("usage_dropped"), 0);
    assert!(scene.authority.reports().iter().all(|report| report["dropped"] == 0));
}

#[test]
fn no_request_waits_for_reporting() {
    // The report is not given up sooner than a client gives up its request.
    let scene = Scene::start(1, with_authority(json!({"timeout_seconds": 300})));
    let key = Key::live("good").may(&["*"]);
    scene.authority.publish([&key]);
    scene.authority.every_report(Reply::Never);
    load(&scene, &[&key], 1);
    eventually("a report is under way", || !scene.authority.reports().is_empty());
    for mut connection in scene.connections("main") {
        assert_eq!(connection.send(&Request::get("/documents").bearer(&key.secret)).status, 200);
    }
    scene.authority.publish([Key::live("new")]);
}
