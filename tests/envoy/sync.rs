//! The key table follows the authority (contract §6): one poller, every worker, every page.

use std::time::Instant;

use serde_json::json;

use crate::authority::{Authority, Reply, TOKEN};
use crate::client::{Request, http1::Connection};
use crate::harness::{eventually, now};
use crate::keys::Key;
use crate::scene::{Scene, configuration, with_authority};

/// What each of these keys gets, on one connection.
fn statuses(connection: &mut Connection, keys: &[&Key]) -> Vec<u16> {
    keys.iter().map(|key| connection.send(&Request::get("/documents").bearer(&key.secret)).status).collect()
}

#[test]
fn one_process_polls_once_whatever_its_workers_and_listeners() {
    let scene = Scene::plan(|plan| {
        plan.workers(4)
            .listener("one", with_authority(json!({"wait_seconds": 1})))
            .listener("two", with_authority(json!({"wait_seconds": 1})))
    });
    let key = Key::live("any").may(&["*"]);
    scene.authority.publish([&key]);
    for listener in ["one", "two"] {
        for mut connection in scene.connections(listener) {
            assert_eq!(statuses(&mut connection, &[&key]), [200]);
        }
    }
    scene.authority.polled_again(3);
    assert_eq!(scene.authority.most_open_polls(), 1);
    let calls = scene.authority.polls();
    let ids: Vec<_> = calls.iter().map(|call| call.header("x-flint-gateway").expect("an id")).collect();
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() >= 11), "{ids:?}");
    let first_without_cursor = calls.iter().filter(|call| call.cursor().is_none()).count();
    assert_eq!(first_without_cursor, 1, "one cold start for all workers");
}

#[test]
fn processes_have_ids_of_their_own() {
    let (one, other) = (Scene::start(1, configuration(json!({}))), Scene::start(1, configuration(json!({}))));
    let id = |scene: &Scene| {
        eventually("there is a call", || !scene.authority.polls().is_empty());
        scene.authority.polls()[0].header("x-flint-gateway").map(str::to_owned)
    };
    assert_ne!(id(&one), id(&other));
}

#[test]
fn a_call_is_what_the_contract_says() {
    let scene = Scene::start(1, with_authority(json!({"host": "authority.internal", "wait_seconds": 20})));
    scene.authority.publish([Key::live("any")]);
    let calls = scene.authority.polls();
    for call in &calls {
        assert_eq!((call.method.as_str(), call.path.as_str()), ("GET", "/v1/key-table"));
        assert_eq!(call.header("host"), Some("authority.internal"));
        assert_eq!(call.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        let wait: u64 = call.parameter("wait").expect("a wait").parse().expect("seconds");
        let limit: u64 = call.parameter("limit").expect("a limit").parse().expect("a number");
        assert!(wait <= 20 && limit > 0, "{call:?}");
    }
    assert_eq!(calls[0].cursor(), None);
    assert_eq!(calls.last().and_then(|call| call.parameter("wait")), Some("20"));
}

#[test]
fn a_table_of_many_pages_is_whole_at_the_end() {
    let authority = Authority::start();
    let keys: Vec<Key> = (0..10).map(|_| Key::live("paged").may(&["*"])).collect();
    authority.page_limit(3);
    authority.announce(&keys);
    let scene = Scene::with(authority, |plan| plan.workers(4).listener("main", configuration(json!({}))));
    for mut connection in scene.connections("main") {
        assert_eq!(statuses(&mut connection, &keys.iter().collect::<Vec<_>>()), [200; 10]);
    }
    let cursors: Vec<_> =
        scene.authority.polls().iter().map(|call| call.cursor().map(str::to_owned)).collect();
    let expected = [None, Some("db1-3"), Some("db1-6"), Some("db1-9")].map(|text| text.map(str::to_owned));
    assert_eq!(cursors[..4], expected);
    eventually("the metrics follow", || scene.gateway.statistics().flint("table_keys") == 10);
}

#[test]
fn pages_of_an_ordinary_run_take_effect_as_they_come() {
    let scene = Scene::start(4, configuration(json!({})));
    let (first, second) = (Key::live("first").may(&["*"]), Key::live("second").may(&["*"]));
    scene.authority.publish([Key::live("base")]);
    let page = json!({"cursor": "half way", "more": true, "keys": [first.entry]});
    scene.authority.next_polls([Reply::Page(page), Reply::Hold]);
    eventually("the next page is asked for", || {
        scene.authority.polls().iter().any(|call| call.cursor() == Some("half way"))
    });
    for mut connection in scene.connections("main") {
        assert_eq!(statuses(&mut connection, &[&first, &second]), [200, 401]);
    }
}

#[test]
fn a_change_of_any_kind_reaches_every_worker() {
    let scene = Scene::start(4, configuration(json!({})));
    let key = Key::live("changing");
    let mut connections = scene.connections("main");
    for (change, status) in [
        (key.clone().may(&["documents:read"]), 200),
        (key.clone().may(&["documents:write"]), 403),
        (key.clone().may(&["*"]).with("expires_at", now() - 1), 401),
        (key.clone().may(&["*"]), 200),
        (key.clone().may(&["*"]).with("allowed_cidrs", json!(["203.0.113.1"])), 403),
        (key.clone().may(&["*"]).with("environment", "test"), 403),
        (key.clone().may(&["*"]).with("id", "key_renamed"), 200),
        (key.clone().may(&["*"]).with("revoked_at", now()), 401),
    ] {
        scene.authority.publish([&change]);
        for connection in &mut connections {
            assert_eq!(statuses(connection, &[&key]), [status], "{}", change.entry);
        }
    }
    scene.authority.acknowledged(&scene.authority.remove([&key]));
    for connection in &mut connections {
        let answer = connection.send(&Request::get("/documents").bearer(&key.secret));
        crate::expect::denied(&answer, "unknown_key");
    }
}

#[test]
fn within_a_page_the_last_word_on_a_digest_counts() {
    let scene = Scene::start(1, configuration(json!({})));
    let (twice, removed) = (Key::live("twice"), Key::live("removed").may(&["*"]));
    let page = json!({
        "cursor": "db1-0", "more": false,
        "keys": [twice.entry, twice.clone().may(&["*"]).entry, removed.entry],
        "removed": [removed.digest()],
    });
    scene.authority.synced();
    scene.authority.next_polls([Reply::Page(page)]);
    let mut connection = Connection::open(scene.gateway.address());
    eventually("the page takes effect", || statuses(&mut connection, &[&twice]) == [200]);
    assert_eq!(statuses(&mut connection, &[&removed]), [401]);
}

#[test]
fn a_cursor_is_opaque() {
    let scene = Scene::start(1, configuration(json!({})));
    scene.authority.synced();
    for cursor in ["a b&c=d/e?f#g%h+i", "ключ", "\"\\", "", "-._~", &"x".repeat(500)] {
        scene.authority.next_polls([Reply::Page(json!({"cursor": cursor, "more": true}))]);
        eventually("it comes back as it was", || {
            scene.authority.polls().iter().any(|call| call.cursor() == Some(cursor))
        });
    }
}

#[test]
fn a_cursor_is_acknowledged_only_when_every_worker_has_applied_it() {
    for workers in [1, 4] {
        let scene = Scene::start(workers, configuration(json!({})));
        let mut connections = scene.connections("main");
        for round in 0..20 {
            let key = Key::live("short-lived").may(&["*"]);
            scene.authority.publish([&key]);
            for connection in &mut connections {
                assert_eq!(statuses(connection, &[&key]), [200], "round {round} of {workers} workers");
            }
            scene.authority.publish([key.clone().with("revoked_at", now() - 1)]);
            for connection in &mut connections {
                assert_eq!(statuses(connection, &[&key]), [401], "round {round} of {workers} workers");
            }
        }
    }
}

#[test]
fn a_revocation_is_refused_by_every_worker_before_the_next_poll() {
    for workers in [1, 4] {
        // No call ends by itself for as long as a refusal is awaited. How soon it comes is for the
        // benchmarks.
        let scene = Scene::start(workers, with_authority(json!({"wait_seconds": 300})));
        let mut connections = scene.connections("main");
        let mut times = Vec::new();
        for _ in 0..12 {
            let key = Key::live("revoked").may(&["*"]);
            scene.authority.publish([&key]);
            assert!(connections.iter_mut().all(|connection| statuses(connection, &[&key]) == [200]));
            let begun = Instant::now();
            scene.authority.announce([key.clone().with("revoked_at", now() - 1)]);
            for connection in &mut connections {
                eventually("the worker refuses", || statuses(connection, &[&key]) == [401]);
            }
            times.push(begun.elapsed());
        }
        times.sort();
        println!(
            "a revocation is refused on {} connections of {workers} workers after {:?} (median)",
            connections.len(),
            times[6]
        );
    }
}

#[test]
fn a_page_may_be_larger_than_was_asked_for_and_entries_as_large_as_they_may_be() {
    let scene = Scene::start(2, configuration(json!({})));
    scene.authority.synced();
    let grants: Vec<String> =
        (0..500).map(|number| format!("resource-{number}:{}", "a".repeat(40))).collect();
    let largest = Key::live("largest")
        .with("permissions", json!([grants, vec!["documents:read".to_owned()]].concat()))
        .with("owner", "o".repeat(128))
        .with("allowed_cidrs", json!(vec!["127.0.0.0/8"; 200]));
    let mut keys: Vec<Key> = (0..3_000).map(|_| Key::live("many").may(&["documents:read"])).collect();
    keys.push(largest);
    let entries: Vec<_> = keys.iter().map(|key| &key.entry).collect();
    scene.authority.next_polls([Reply::Page(json!({"cursor": "db1-0", "more": false, "keys": entries}))]);
    let mut connection = Connection::open(scene.gateway.address());
    eventually("the page takes effect", || statuses(&mut connection, &[&keys[3_000]]) == [200]);
    for key in keys.iter().step_by(100) {
        assert_eq!(statuses(&mut connection, &[key]), [200]);
    }
}

#[test]
fn listeners_with_different_authorities_never_mix() {
    let other = Authority::start();
    let apart = json!({"authority": {"cluster": "other", "token": TOKEN}});
    let scene = Scene::plan(|plan| {
        plan.workers(2)
            .cluster("other", other.address())
            .listener("one", configuration(json!({})))
            .listener("two", apart)
    });
    let (ours, theirs) = (Key::live("ours").may(&["*"]), Key::live("theirs").may(&["*"]));
    scene.authority.publish([&ours]);
    other.publish([&theirs]);
    for (listener, expected) in [("one", [200, 401]), ("two", [401, 200])] {
        for mut connection in scene.connections(listener) {
            assert_eq!(statuses(&mut connection, &[&ours, &theirs]), expected, "{listener}");
        }
    }
    let id = |authority: &Authority| authority.polls()[0].header("x-flint-gateway").map(str::to_owned);
    assert_ne!(id(&scene.authority), id(&other), "tables of their own have ids of their own");
}

#[test]
fn listeners_with_different_tokens_never_mix() {
    let scene = Scene::plan(|plan| {
        plan.listener("one", configuration(json!({})))
            .listener("two", with_authority(json!({"token": "gw_another-gateways-token"})))
    });
    let key = Key::live("ours").may(&["*"]);
    scene.authority.publish([&key]);
    assert_eq!(scene.send("one", &Request::get("/documents").bearer(&key.secret)).status, 200);
    // The other token is not good, so its listener has no table.
    assert_eq!(scene.send("two", &Request::get("/documents").bearer(&key.secret)).status, 503);
}
